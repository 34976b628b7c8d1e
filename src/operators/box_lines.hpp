/// The loops over cells behind means over intervals: several lines at once, as many as vectors
/// hold.
#pragma once

#include <array>
#include <cstddef>

namespace komori::operators {

/// The mean at a node: the integrals up to four edges (high, high + 1, low, low + 1), each times a
/// weight.
struct BoxEnds {
  std::size_t high = 0;
  std::size_t low = 0;
  std::array<double, 4> weights{};
};

/// Lines along an axis, side by side. Value i of line l lies at i * step + l * side.
struct BoxLines {
  const double* widths = nullptr; ///< [cells]
  std::size_t cells = 0;
  const BoxEnds* ends = nullptr; ///< [nodes]
  std::size_t nodes = 0;
  std::size_t lines = 0;
  std::size_t cell_step = 0;
  std::size_t cell_side = 0;
  std::size_t node_step = 0;
  std::size_t node_side = 0;
  double* sums = nullptr; ///< room for (cells + 1) * lines numbers
};

/// From values of cells to values at nodes. Local.
void average_lines(const BoxLines& lines, const double* values, double* at_nodes);
/// The transposed. Local.
void spread_lines(const BoxLines& lines, const double* at_nodes, double* values);

} // namespace komori::operators
