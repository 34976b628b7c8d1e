/// Values between the nodes of a table at many points: the points of one layer, seen from the next.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "operators/box_loops.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// Points of a block of a grid, each at a place of a table of one to four axes: j + s along each
/// axis, s of the way from node j to node j + 1; once arranged, the number of the node before it
/// along all axes and its shares. They are held in tiles, which see little of the
/// table at a time: it is larger than caches, and neighbours in more than one direction share what
/// they read. All functions are local.
class BoxPoints {
public:
  BoxPoints() = default;
  /// `dimension` axes of a block of points; their images have `axes` coordinates.
  BoxPoints(const spaces::Block& block, int dimension, std::size_t axes);

  std::size_t count() const noexcept { return count_; }
  /// One coordinate of all points, in natural order, until they are arranged.
  std::span<double> coordinates(std::size_t axis) {
    return {places_.data() + axis * count_, count_};
  }
  /// `extents` are the nodes of the table along every axis. Throws MemoryError where they are more
  /// than `PetscInt` can number.
  void arrange(std::span<const PetscInt> extents);

  /// Interpolates the table at all points. Values are in natural order.
  void gather(std::span<const double> table, std::span<double> values) const;
  /// The transposed: adds to the table.
  void scatter(std::span<const double> values, std::span<double> table) const;

private:
  /// Calls `visit(first in tiles, rows, length)` tile by tile; row r of a tile begins at rows[r] in
  /// natural order.
  template <class Visit> void for_each_tile(Visit&& visit) const;
  BoxRows rows(std::size_t first, std::size_t count, std::size_t length) const;

  std::size_t count_ = 0;
  std::size_t axes_ = 0;
  std::size_t dimension_ = 0;
  std::array<std::size_t, spaces::max_dimension> edge_{}; ///< of a tile
  std::array<std::size_t, spaces::max_dimension> extent_{};
  std::vector<double> places_; ///< [axes][count], then the shares
  std::vector<PetscInt> first_;
  std::array<std::size_t, 4> stride_{};
};

} // namespace komori::operators
