/// What this machine can do, and what komori reaches of it.
#pragma once

#include <cstdint>
#include <string>

#include "analyses/driver.hpp"
#include "config/declaration.hpp"

namespace komori::analyses {

/// The input of the driver; all of it is optional.
struct BenchmarkInput {
  std::int64_t dimension = 2;
  std::int64_t product_cells = 8'000'000;
  std::int64_t solve_cells = 1'000'000;
  std::int64_t largest_cells = 8'000'000;
  std::int64_t layer_cells = 160;
  std::int64_t dictionary_functions = 500;
  std::int64_t dictionary_samples = 1'000'000;
  std::int64_t repeats = 5;
  bool compare = true;
};
void declare(config::Declarer& declarer, BenchmarkInput& input);

Driver benchmark_driver();

} // namespace komori::analyses
