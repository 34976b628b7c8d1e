/// The `memory` section as written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/declaration.hpp"

namespace komori::analyses {

/// `memory.times` as written.
struct MemoryTimesInput {
  double to = 0;
  std::int64_t steps = 200;
  double adaptive = 0;
};
void declare(config::Declarer& declarer, MemoryTimesInput& input);

/// `memory` as written.
struct MemoryInput {
  std::string inner_product = "stationary";
  std::int64_t lags = 0;
  double cut = 0;
  std::optional<MemoryTimesInput> times{};
  std::vector<double> laplace{};
  std::int64_t rates = 5;
  double tolerance = 1e-10;
  double accuracy = 1e-3;
  double smoothing = 0;
  std::string solver = "auto";
  config::Origin origin{};
};
void declare(config::Declarer& declarer, MemoryInput& input);

} // namespace komori::analyses
