#include "operators/box_points.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::operators {
namespace {

/// Intervals between nodes that a tile has along each axis but the first: whole groups of lines
/// along the last, and together with the first what a cache of 256 kB holds.
std::array<std::size_t, 4> edges_of_tiles(std::span<const PetscInt> extents) {
  constexpr double cached = double{1 << 15}; // numbers
  std::array<std::size_t, 4> edges{};
  const std::size_t axes = extents.size();
  const double lines = cached / static_cast<double>(extents[0]) / lines_at_once;
  const double along_each = axes > 2 ? std::pow(lines, 1 / static_cast<double>(axes - 2)) : 0;
  for (std::size_t k = 1; k < axes; ++k) {
    edges[k] = static_cast<std::size_t>(std::clamp(along_each, 4.0, 16.0)) - 1;
  }
  edges[axes - 1] = lines_at_once - 1;
  return edges;
}

} // namespace

std::vector<PetscInt> BoxPoints::sort(std::span<const std::size_t> edges,
                                      std::span<const PetscInt> extents) {
  std::vector<std::size_t> key(count_, 0);
  std::size_t keys = 1;
  for (std::size_t axis = 1; axis < axes_; ++axis) {
    const std::size_t along = static_cast<std::size_t>(extents[axis]) / edges[axis] + 1;
    keys *= along;
    const std::span<const double> places = coordinates(axis);
    for (std::size_t i = 0; i < count_; ++i) {
      key[i] = key[i] * along + static_cast<std::size_t>(places[i]) / edges[axis];
    }
  }
  std::vector<std::size_t> next(keys + 1, 0);
  for (const std::size_t its : key) ++next[its + 1];
  for (std::size_t k = 0; k < keys; ++k) {
    if (next[k + 1] > 0) tiles_.push_back({.point = next[k], .points = next[k + 1]});
    next[k + 1] += next[k];
  }
  std::vector<PetscInt> order(count_);
  for (std::size_t i = 0; i < count_; ++i) order[next[key[i]]++] = static_cast<PetscInt>(i);
  return order;
}

void BoxPoints::find_runs(const std::vector<PetscInt>& order) {
  for (BoxTile& tile : tiles_) {
    tile.run = runs_.size();
    for (std::size_t i = 0; i < tile.points; ++i) {
      const auto place = static_cast<std::size_t>(order[tile.point + i]);
      const bool follows = i > 0 && runs_.back().count < points_per_run &&
                           place == runs_.back().begin + runs_.back().count;
      if (!follows) runs_.push_back({.begin = place});
      ++runs_.back().count;
    }
    tile.runs = runs_.size() - tile.run;
  }
  runs_.insert(runs_.end(), runs_ahead, {.count = 1}); // that the last ones ask for
}

void BoxPoints::arrange(std::span<const PetscInt> extents) {
  if (count_ == 0) return;
  const auto extent = [&](std::size_t axis) { return static_cast<std::size_t>(extents[axis]); };
  const std::array<std::size_t, 4> edges = edges_of_tiles(extents);
  const std::vector<PetscInt> order = sort(edges, extents);
  find_runs(order);
  node_.assign(count_, 0);
  std::vector<double> natural(count_);
  for (std::size_t axis = 0; axis < axes_; ++axis) {
    const std::span<double> places = coordinates(axis);
    std::copy(places.begin(), places.end(), natural.begin());
    for (BoxTile& tile : tiles_) {
      const std::span<double> its = places.subspan(tile.point, tile.points);
      for (std::size_t i = 0; i < its.size(); ++i) {
        its[i] = natural[static_cast<std::size_t>(order[tile.point + i])];
      }
      const auto [low, high] = std::minmax_element(its.begin(), its.end());
      std::size_t& first = tile.node[axis];
      if (axis == 0) {
        first = static_cast<std::size_t>(*low);
        tile.nodes[0] = static_cast<std::size_t>(*high) + 2 - first;
      } else { // as many nodes in every tile
        tile.nodes[axis] = std::min(edges[axis] + 1, extent(axis));
        first = std::min(static_cast<std::size_t>(*low) / edges[axis] * edges[axis],
                         extent(axis) - tile.nodes[axis]);
      }
      for (std::size_t i = 0; i < its.size(); ++i) {
        const auto node = static_cast<std::size_t>(its[i]);
        std::uint32_t& number = node_[tile.point + i];
        number = number * static_cast<std::uint32_t>(tile.nodes[axis]) +
                 static_cast<std::uint32_t>(node - first);
        its[i] -= static_cast<double>(node);
      }
    }
  }
  for (const BoxTile& tile : tiles_) {
    double nodes = 1;
    for (std::size_t axis = 0; axis < axes_; ++axis) nodes *= static_cast<double>(tile.nodes[axis]);
    if (nodes <= static_cast<double>(std::numeric_limits<std::uint32_t>::max())) continue;
    throw base::MemoryError(fmt::format("some of a rank's points need {:.3g} values of the next "
                                        "layer at once, more than an index of 32 bits numbers; use "
                                        "more ranks",
                                        nodes));
  }
}

BoxPlaces BoxPoints::places(const BoxTile& tile) const {
  BoxPlaces places{.axes = axes_,
                   .runs = runs_.data() + tile.run,
                   .count = tile.runs,
                   .node = node_.data() + tile.point};
  std::size_t stride = 1;
  for (std::size_t axis = axes_; axis-- > 0; stride *= tile.nodes[axis]) {
    places.share[axis] = places_.data() + axis * count_ + tile.point;
    places.stride[axis] = stride;
  }
  return places;
}

void BoxPoints::gather(const BoxTile& tile, const double* table, std::span<double> values) const {
  gather_points(places(tile), table, values.data());
}

void BoxPoints::scatter(const BoxTile& tile, std::span<const double> values, double* table) const {
  scatter_points(places(tile), values.data(), table);
}

} // namespace komori::operators
