/// The loops behind means over boxes, on several numbers at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

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
/// along the last axis, and sides are 1 where they lie next to each other. Where they have some of
/// the nodes and cells only, moves and terms are those of all: cells are counted as these count.
struct BoxLines {
  const double* first = nullptr; ///< [cells] shares of the cells in the interval at the first node
  std::size_t first_cell = 0;    ///< the one that these begin with
  std::size_t cells = 0;
  const BoxMove* moves = nullptr;      ///< [nodes - 1]
  const BoxTerm* terms = nullptr;      ///< the same by cells: those of the first from begins[0] on
  const std::size_t* begins = nullptr; ///< [cells + 1]
  std::size_t first_node = 0;          ///< as terms count it
  std::size_t nodes = 0;
  std::size_t lines = 0;
  std::size_t cell_step = 0;
  std::size_t cell_side = 0;
  std::size_t node_step = 0;
  std::size_t node_side = 0;
  /// Values at nodes go to memory past the caches; lines then lie next to each other, all at
  /// multiples of 32 bytes.
  bool stream = false;
  bool add = false; ///< what cells are given is added to them
  /// If not 0, the distance to values that come next, which are asked for.
  std::size_t ahead = 0;
  double* work = nullptr; ///< room for `lines_at_once` * (cells + nodes + 4) numbers
};
constexpr std::size_t lines_at_once = 16;

/// From values of cells to values at nodes. Local.
void average_lines(const BoxLines& lines, const double* values, double* at_nodes);
/// The transposed. Local.
void spread_lines(const BoxLines& lines, const double* at_nodes, double* values);

/// Points whose values follow each other.
struct BoxRun {
  std::size_t begin = 0; ///< of the values
  std::size_t count = 0; ///< at most `points_per_run`
};
constexpr std::size_t points_per_run = 1024;
constexpr std::size_t runs_ahead = 8; ///< how early the values of a run are asked for

/// Points in a table of one to four axes, run by run: the node before each point along all axes,
/// and its share of the way to the next one along each.
struct BoxPlaces {
  std::size_t axes = 0;
  const BoxRun* runs = nullptr;
  std::size_t count = 0;                ///< of runs
  const std::uint32_t* node = nullptr;  ///< of every point
  std::array<const double*, 4> share{}; ///< each of every point
  std::array<std::size_t, 4> stride{};  ///< of nodes, 1 along the last axis
};

/// Interpolates the table at all points; the transposed adds to the table. Local.
void gather_points(const BoxPlaces& points, const double* table, double* values);
void scatter_points(const BoxPlaces& points, const double* values, double* table);

} // namespace komori::operators
