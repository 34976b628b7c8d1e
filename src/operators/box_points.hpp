/// Values between the nodes of a table at many points: the points of one layer, seen from the next.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "spaces/grid.hpp"

namespace komori::operators {

/// Points of a block of a grid, each at a place of a table of one to four axes: j + s along each
/// axis, s of the way from node j to node j + 1. They are held in tiles, which see little of the
/// table at a time: it is larger than caches, and neighbours in more than one direction share what
/// they read. All functions are local.
class BoxPoints {
public:
  BoxPoints() = default;
  /// `dimension` axes of a block of points; their images have `axes` coordinates.
  BoxPoints(const spaces::Block& block, int dimension, std::size_t axes);

  std::size_t count() const noexcept { return count_; }
  /// One coordinate of all points, in natural order at first; `arrange` puts them in tiles.
  std::span<double> coordinates(std::size_t axis) {
    return {places_.data() + axis * count_, count_};
  }
  void arrange();
  /// Nodes between neighbours along an axis of the table; 1 along the last.
  void set_stride(std::size_t axis, std::size_t stride) { stride_[axis] = stride; }

  /// Interpolates the table at all points. Values are in natural order.
  void gather(std::span<const double> table, std::span<double> values) const;
  /// The transposed: adds to the table.
  void scatter(std::span<const double> values, std::span<double> table) const;

private:
  /// Calls `visit(first in tiles, size, rows)` tile by tile; `rows(row)` then calls
  /// `row(first in natural order, first in the tile, length)` for its rows.
  template <class Visit> void for_each_tile(Visit&& visit) const;

  std::size_t count_ = 0;
  std::size_t axes_ = 0;
  std::size_t dimension_ = 0;
  std::size_t edge_ = 1;
  std::array<std::size_t, spaces::max_dimension> extent_{};
  std::vector<double> places_; ///< [axes][count]
  std::array<std::size_t, 4> stride_{};
};

} // namespace komori::operators
