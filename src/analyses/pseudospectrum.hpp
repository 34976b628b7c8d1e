/// The `pseudospectrum` section of a dictionary.
#pragma once

#include <cstdint>

#include "analyses/dictionary_problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// Equidistant numbers, both ends included.
struct PointRange {
  double from = -1.1;
  double to = 1.1;
  std::int64_t points = 45;
  double at(std::int64_t i) const noexcept {
    return points > 1
               ? from + (to - from) * static_cast<double>(i) / static_cast<double>(points - 1)
               : from;
  }
};
void declare(config::Declarer& declarer, PointRange& input);

/// `pseudospectrum` as written.
struct PseudospectrumInput {
  PointRange re{};
  PointRange im{};
};
void declare(config::Declarer& declarer, PseudospectrumInput& input);

/// The least residual at every point of the grid, each rank its share, saved as it goes; writes
/// /pseudospectrum. Returns true. Throws Stopped. Collective.
bool pseudospectrum_section(DictionaryProblem& problem, const PseudospectrumInput& input,
                            io::ResultFile& file);

} // namespace komori::analyses
