#include "operators/box_points.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::operators {
namespace {

/// Rows of a tile, along the last axis, and points in them.
constexpr std::size_t most_rows = 64;
constexpr std::size_t most_in_row = 256;

} // namespace

BoxPoints::BoxPoints(const spaces::Block& block, int dimension, std::size_t axes)
    : count_(1), axes_(axes), dimension_(static_cast<std::size_t>(dimension)) {
  for (std::size_t k = 0; k < dimension_; ++k) {
    extent_[k] = static_cast<std::size_t>(block.count[k]);
    count_ *= extent_[k];
  }
  const auto rows_of = [&](std::size_t edge) {
    std::size_t rows = 1;
    for (std::size_t k = 0; k + 1 < dimension_; ++k) rows *= edge;
    return rows;
  };
  std::size_t edge = 1;
  while (dimension_ > 1 && rows_of(2 * edge) <= most_rows) edge *= 2;
  edge_.fill(edge);
  edge_[dimension_ - 1] = most_in_row;
  places_.resize(axes_ * count_);
}

template <class Visit> void BoxPoints::for_each_tile(Visit&& visit) const {
  if (count_ == 0) return;
  const std::size_t last = dimension_ - 1;
  std::array<std::size_t, spaces::max_dimension> begin{};
  std::array<std::size_t, most_rows> rows{};
  std::size_t done = 0;
  for (;;) {
    std::array<std::size_t, spaces::max_dimension> size{};
    std::size_t count = 1;
    for (std::size_t k = 0; k < dimension_; ++k) {
      size[k] = std::min(edge_[k], extent_[k] - begin[k]);
      if (k < last) count *= size[k];
    }
    std::array<std::size_t, spaces::max_dimension> line{};
    for (std::size_t row = 0; row < count; ++row) {
      rows[row] = 0;
      for (std::size_t k = 0; k <= last; ++k) {
        rows[row] = rows[row] * extent_[k] + begin[k] + line[k];
      }
      for (std::size_t k = last; k > 0 && ++line[k - 1] == size[k - 1]; --k) line[k - 1] = 0;
    }
    visit(done, std::span<const std::size_t>(rows.data(), count), size[last]);
    done += count * size[last];
    std::size_t k = dimension_;
    while (k > 0 && (begin[k - 1] += edge_[k - 1]) >= extent_[k - 1]) begin[--k] = 0;
    if (k == 0) return;
  }
}

void BoxPoints::arrange(std::span<const PetscInt> extents) {
  double nodes = 1;
  std::size_t stride = 1;
  for (std::size_t axis = axes_; axis-- > 0;) {
    stride_[axis] = stride;
    stride *= static_cast<std::size_t>(extents[axis]);
    nodes *= static_cast<double>(extents[axis]);
  }
  if (count_ > 0 && nodes > static_cast<double>(std::numeric_limits<PetscInt>::max())) {
    throw base::MemoryError(
        fmt::format("a rank's points need {:.3g} values of the next layer, more "
                    "than an index of {} bits numbers; use more ranks",
                    nodes, 8 * sizeof(PetscInt)));
  }
  first_.assign(count_ + points_ahead + 4, 0); // nodes of points past the last, too
  std::vector<double> natural(count_);
  for (std::size_t axis = 0; axis < axes_; ++axis) {
    const std::span<double> places = coordinates(axis);
    std::copy(places.begin(), places.end(), natural.begin());
    for_each_tile([&](std::size_t first, std::span<const std::size_t> rows, std::size_t length) {
      for (std::size_t row = 0; row < rows.size(); ++row) {
        std::copy_n(natural.data() + rows[row], length, places.data() + first + row * length);
      }
    });
    for (std::size_t i = 0; i < count_; ++i) {
      const auto node = static_cast<PetscInt>(places[i]);
      first_[i] += node * static_cast<PetscInt>(stride_[axis]);
      places[i] -= static_cast<double>(node);
    }
  }
}

BoxRows BoxPoints::rows(std::size_t first, std::size_t count, std::size_t length) const {
  BoxRows rows{.axes = axes_,
               .first = first_.data() + first,
               .stride = stride_,
               .rows = count,
               .length = length};
  for (std::size_t k = 0; k < axes_; ++k) rows.share[k] = places_.data() + k * count_ + first;
  return rows;
}

void BoxPoints::gather(std::span<const double> table, std::span<double> values) const {
  std::array<double*, most_rows> to{};
  for_each_tile([&](std::size_t first, std::span<const std::size_t> begins, std::size_t length) {
    for (std::size_t row = 0; row < begins.size(); ++row) to[row] = values.data() + begins[row];
    gather_rows(rows(first, begins.size(), length), table.data(), to.data());
  });
}

void BoxPoints::scatter(std::span<const double> values, std::span<double> table) const {
  std::array<const double*, most_rows> from{};
  for_each_tile([&](std::size_t first, std::span<const std::size_t> begins, std::size_t length) {
    for (std::size_t row = 0; row < begins.size(); ++row) from[row] = values.data() + begins[row];
    scatter_rows(rows(first, begins.size(), length), from.data(), table.data());
  });
}

} // namespace komori::operators
