#include "spaces/box_tree.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::spaces {
namespace {

std::size_t nth(int k) {
  return static_cast<std::size_t>(k);
}

} // namespace

BoxTree::BoxTree(std::vector<Axis> axes, int depth) : axes_(std::move(axes)), depth_(depth) {
  double bits = depth;
  for (int k = 0; k < dimension(); ++k) {
    const Axis& axis = axes_[nth(k)];
    const double mean = axis.length() / static_cast<double>(axis.cells());
    for (PetscInt i = 0; i < axis.cells(); ++i) {
      if (std::abs(axis.width(i) - mean) <= 1e-9 * mean) continue;
      throw base::InputError(fmt::format("'grid.{}' has cells of different widths, but a cover "
                                         "bisects equal ones; leave out 'edges' and 'grading'",
                                         axis.name()));
    }
    roots_ *= axis.cells();
    bits += std::log2(static_cast<double>(axis.cells()));
    bits_[nth(k)] = depth / dimension() + (k < depth % dimension() ? 1 : 0);
  }
  if (bits > most_bits) {
    throw base::InputError(fmt::format("'cover.depth' is {}, which makes 2^{:.0f} boxes with the "
                                       "cells of the grid; the most is 2^{}",
                                       depth, bits, most_bits));
  }
  for (int k = 0; k < dimension(); ++k) {
    boxes_[nth(k)] = static_cast<std::int64_t>(axes_[nth(k)].cells()) << bits_[nth(k)];
  }
}

double BoxTree::all_boxes() const {
  return std::ldexp(static_cast<double>(roots_), depth_);
}

double BoxTree::width(int k) const {
  return axes_[nth(k)].length() / static_cast<double>(boxes_[nth(k)]);
}

double BoxTree::volume() const {
  double volume = 1;
  for (int k = 0; k < dimension(); ++k) volume *= width(k);
  return volume;
}

std::int64_t BoxTree::key(const Place& place) const {
  std::int64_t key = 0;
  for (int k = 0; k < dimension(); ++k) {
    key = key * axes_[nth(k)].cells() + (place[nth(k)] >> bits_[nth(k)]);
  }
  for (int step = 0; step < depth_; ++step) {
    const int k = step % dimension();
    const int shift = bits_[nth(k)] - 1 - step / dimension();
    key = 2 * key + ((place[nth(k)] >> shift) & 1);
  }
  return key;
}

BoxTree::Place BoxTree::place(std::int64_t key) const {
  Place place{};
  std::int64_t cell = key >> depth_;
  for (int k = dimension() - 1; k >= 0; --k) {
    place[nth(k)] = cell % axes_[nth(k)].cells();
    cell /= axes_[nth(k)].cells();
  }
  for (int step = 0; step < depth_; ++step) {
    const int k = step % dimension();
    place[nth(k)] = 2 * place[nth(k)] + ((key >> (depth_ - 1 - step)) & 1);
  }
  return place;
}

double BoxTree::at_fraction(int k, std::int64_t index, double fraction) const {
  const Axis& axis = axes_[nth(k)];
  return axis.from() +
         axis.length() * ((static_cast<double>(index) + fraction) / static_cast<double>(boxes(k)));
}

void BoxTree::center(std::int64_t key, std::span<double> x) const {
  const Place indices = place(key);
  for (int k = 0; k < dimension(); ++k) x[nth(k)] = at_fraction(k, indices[nth(k)], 0.5);
}

std::int64_t BoxTree::find(std::span<const double> x) const {
  Place place{};
  for (int k = 0; k < dimension(); ++k) {
    const Axis& axis = axes_[nth(k)];
    const auto count = static_cast<double>(boxes(k));
    double position = (x[nth(k)] - axis.from()) / axis.length();
    if (axis.periodic()) {
      position -= std::floor(position);
    } else if (!(position >= 0 && position <= 1)) {
      // As on a grid, an image that is outside by a few roundings lies at the wall.
      constexpr double rounding = 1e-14;
      if (!(position >= -rounding && position <= 1 + rounding)) return -1 - k;
    }
    const double index = std::floor(position * count);
    place[nth(k)] = static_cast<std::int64_t>(std::clamp(index, 0.0, count - 1));
  }
  return key(place);
}

} // namespace komori::spaces
