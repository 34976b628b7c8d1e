/// Boxes made by bisecting the cells of a grid again and again, one coordinate after the other.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "spaces/axis.hpp"
#include "spaces/grid.hpp"

namespace komori::spaces {

/// One level of the tree: boxes of equal size, far more than could be stored, named by keys. The
/// halves of box `key` are boxes 2 key and 2 key + 1 of the next level: bits of the coordinates
/// interleave below the number of the first cell, so that keys in ascending order are near to one
/// another in space. (Dellnitz, Hohmann, Numer. Math. 75, 1997.) Immutable, local.
class BoxTree {
public:
  static constexpr int most_bits = 62; ///< of a key

  /// Axes with equal cells; `depth` bisections in all, of axis 0 first. Throws InputError where
  /// cells are not equal or keys would not fit.
  BoxTree(std::vector<Axis> axes, int depth);

  int dimension() const noexcept { return static_cast<int>(axes_.size()); }
  int depth() const noexcept { return depth_; }
  std::span<const Axis> axes() const noexcept { return axes_; }
  /// Boxes along axis k, and in all the tree at this level (rounded).
  std::int64_t boxes(int k) const { return boxes_[static_cast<std::size_t>(k)]; }
  double all_boxes() const;
  double width(int k) const;
  double volume() const;
  /// The first cells: keys at depth 0 are 0 .. roots() - 1.
  std::int64_t roots() const noexcept { return roots_; }
  BoxTree at(int depth) const { return {axes_, depth}; }

  using Place = std::array<std::int64_t, max_dimension>;
  /// A box by its index on every axis.
  std::int64_t key(const Place& place) const;
  Place place(std::int64_t key) const;
  /// The middle of a box, and its edge along an axis at a fraction in [0, 1] of its width.
  void center(std::int64_t key, std::span<double> x) const;
  double at_fraction(int k, std::int64_t index, double fraction) const;
  /// The box that holds a point, wrapped round periodic axes; -1 - k where it is outside along axis
  /// k. The coordinates are finite.
  std::int64_t find(std::span<const double> x) const;

private:
  std::vector<Axis> axes_;
  int depth_;
  std::int64_t roots_ = 1;
  std::array<int, max_dimension> bits_{}; ///< bisections of each axis
  std::array<std::int64_t, max_dimension> boxes_{};
};

} // namespace komori::spaces
