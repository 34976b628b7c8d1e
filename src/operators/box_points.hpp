/// Values between the nodes of a table at many points: the points of one layer, seen from the next.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/petsc.hpp"
#include "operators/box_loops.hpp"

namespace komori::operators {

/// A part of the table, and the points that lie in it.
struct BoxTile {
  std::array<std::size_t, 4> node{};  ///< the first one along each axis
  std::array<std::size_t, 4> nodes{}; ///< along each axis; all a point is interpolated from
  std::size_t point = 0;              ///< the first
  std::size_t points = 0;
  std::size_t run = 0; ///< the first
  std::size_t runs = 0;
};

/// Points, each at a place of a table of one to four axes: j + s along each axis, s of the way from
/// node j to node j + 1; once arranged, the number of the node before it along all axes and its
/// shares. They are held by tiles of the table, which is larger than caches. All functions are
/// local.
class BoxPoints {
public:
  BoxPoints() = default;
  BoxPoints(std::size_t count, std::size_t axes)
      : count_(count), axes_(axes), places_(axes * count) {}

  std::size_t count() const noexcept { return count_; }
  /// One coordinate of all points, in natural order, until they are arranged.
  std::span<double> coordinates(std::size_t axis) {
    return {places_.data() + axis * count_, count_};
  }
  /// `extents` are the nodes of the table along every axis. Throws MemoryError where points far
  /// from each other along the first axis need more of them at once than can be numbered.
  void arrange(std::span<const PetscInt> extents);

  /// Tiles that have points; along the first axis they reach as far as these.
  std::span<const BoxTile> tiles() const noexcept { return tiles_; }
  /// Interpolates the table of a tile, of which the last axis is fastest, at its points. Values are
  /// those of all points, in natural order.
  void gather(const BoxTile& tile, const double* table, std::span<double> values) const;
  /// The transposed: adds to the table.
  void scatter(const BoxTile& tile, std::span<const double> values, double* table) const;

private:
  /// Sorts points into tiles, whose order is returned: that of their places in natural order.
  std::vector<PetscInt> sort(std::span<const std::size_t> edges, std::span<const PetscInt> extents);
  void find_runs(const std::vector<PetscInt>& order);
  BoxPlaces places(const BoxTile& tile) const;

  std::size_t count_ = 0;
  std::size_t axes_ = 0;
  std::vector<double> places_;      ///< [axes][count], then the shares
  std::vector<std::uint32_t> node_; ///< [count], in the table of a tile
  std::vector<BoxTile> tiles_;
  std::vector<BoxRun> runs_; ///< of points in natural order
};

} // namespace komori::operators
