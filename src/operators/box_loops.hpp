/// The loops behind means over boxes, on several numbers at once.
#pragma once

#include <array>
#include <cstddef>

#include "base/petsc.hpp"

namespace komori::operators {

/// From a node to the next one the interval gains `up` of the cell `high` and loses `down` of the
/// cell `low`: shares of the interval.
struct BoxMove {
  std::size_t high = 0;
  std::size_t low = 0;
  double up = 0;
  double down = 0;
};

/// What a cell is given of the sum of the values at a node and all after it.
struct BoxTerm {
  std::size_t node = 0;
  double share = 0;
};

/// Lines along an axis. Value i of line l lies at i * step + l * side; steps are 1 where lines lie
/// along the last axis, and sides are 1 where they lie next to each other.
struct BoxLines {
  const double* first = nullptr; ///< [cells] shares of the cells in the interval at the first node
  std::size_t cells = 0;
  const BoxMove* moves = nullptr;      ///< [nodes - 1]
  const BoxTerm* terms = nullptr;      ///< the same by cells: those of cell i from begins[i] on
  const std::size_t* begins = nullptr; ///< [cells + 1]
  std::size_t nodes = 0;
  std::size_t lines = 0;
  std::size_t cell_step = 0;
  std::size_t cell_side = 0;
  std::size_t node_step = 0;
  std::size_t node_side = 0;
  /// Values at nodes go to memory past the caches; lines then lie next to each other, all at
  /// multiples of 32 bytes.
  bool stream = false;
  double* work = nullptr; ///< room for `lines_at_once` * (cells + nodes + 4) numbers
};
constexpr std::size_t lines_at_once = 16;

/// From values of cells to values at nodes. Local.
void average_lines(const BoxLines& lines, const double* values, double* at_nodes);
/// The transposed. Local.
void spread_lines(const BoxLines& lines, const double* at_nodes, double* values);

/// The same where values at nodes take the place of those of cells, of lines next to each other.
void average_lines_in_place(const BoxLines& lines, double* table);
void spread_lines_in_place(const BoxLines& lines, double* table);

/// How early a point's nodes are asked for.
constexpr std::size_t points_ahead = 24;

/// Rows of as many points each, in a table of one to four axes: the node before each point along
/// all axes, and its share of the way to the next one along each.
struct BoxRows {
  std::size_t axes = 0;
  const PetscInt* first = nullptr;      ///< [rows][length], and `points_ahead` + 4 more nodes
  std::array<const double*, 4> share{}; ///< each [rows][length]
  std::array<std::size_t, 4> stride{};  ///< of nodes, 1 along the last axis
  std::size_t rows = 0;
  std::size_t length = 0;
};

/// Interpolates the table at all points; the transposed adds to the table. Row r of the values
/// begins at values[r]. Local.
void gather_rows(const BoxRows& points, const double* table, double* const* values);
void scatter_rows(const BoxRows& points, const double* const* values, double* table);

} // namespace komori::operators
