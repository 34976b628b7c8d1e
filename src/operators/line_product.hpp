/// A stencil's product on one line of cells, compiled for every width of vectors.
#pragma once

#include <array>
#include <cstddef>

#include "spaces/grid.hpp"

namespace komori::operators {

/// Coefficients and values of one line of cells; arrays begin at its first cell.
struct LineTerms {
  const double* diagonal = nullptr;
  const double* own = nullptr; ///< values on the line
  /// Coefficients of the neighbours on the line, and the values beyond its two ends.
  const double* above = nullptr;
  const double* below = nullptr;
  double before = 0;
  double after = 0;
  /// Coefficients and values of the neighbours on the other axes.
  struct Across {
    const double* above = nullptr;
    const double* below = nullptr;
    const double* next = nullptr;
    const double* previous = nullptr;
  };
  std::array<Across, spaces::max_dimension> across{};
  std::size_t axes = 0; ///< how many of them
  bool negative = false;
};

/// to_j = diagonal_j own_j - sum over neighbours of coefficient * value, or minus that, for `cells`
/// cells, at least one. Local.
void line_product(const LineTerms& line, std::size_t cells, double* to);

} // namespace komori::operators
