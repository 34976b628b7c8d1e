#include "operators/box_points.hpp"

#include <algorithm>
#include <cstdint>

#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

constexpr std::size_t most_in_tile = 4096;
/// Points whose places are worked out at a time; what they will read is asked for meanwhile.
constexpr std::size_t chunk = 512;
constexpr std::size_t ahead = 24;

struct Pieces {
  std::size_t axes = 0;
  std::array<const double*, 4> places{};
  std::array<std::size_t, 4> stride{};
  std::size_t count = 0;
};

template <int K> struct Chunk {
  std::array<std::size_t, chunk> first; ///< node before the point along all axes
  std::array<std::array<double, chunk>, K> share;

  [[gnu::always_inline]] void find(const Pieces& a, std::size_t begin, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) first[i] = 0;
    for (std::size_t k = 0; k < K; ++k) {
      const double* const places = a.places[k] + begin;
      const auto stride = static_cast<std::int64_t>(a.stride[k]);
      for (std::size_t i = 0; i < size; ++i) {
        const auto node = static_cast<std::int64_t>(places[i]);
        share[k][i] = places[i] - static_cast<double>(node);
        first[i] += static_cast<std::size_t>(node * stride);
      }
    }
  }
};

/// Asks for the lines of memory that hold a point's nodes.
template <int K>
[[gnu::always_inline]] inline void prefetch(const double* node, const std::size_t* stride) {
  if constexpr (K == 1) {
    __builtin_prefetch(node);
  } else {
    prefetch<K - 1>(node, stride + 1);
    prefetch<K - 1>(node + *stride, stride + 1);
  }
}

template <int K>
[[gnu::always_inline]] inline double interpolated(const double* node, const std::size_t* stride,
                                                  const double* share) {
  if constexpr (K == 0) {
    return *node;
  } else {
    const double low = interpolated<K - 1>(node, stride + 1, share + 1);
    const double high = interpolated<K - 1>(node + *stride, stride + 1, share + 1);
    return low + *share * (high - low);
  }
}

template <int K>
[[gnu::always_inline]] inline void add_shares(double* node, const std::size_t* stride,
                                              const double* share, double value) {
  if constexpr (K == 0) {
    *node += value;
  } else {
    const double high = *share * value;
    add_shares<K - 1>(node, stride + 1, share + 1, value - high);
    add_shares<K - 1>(node + *stride, stride + 1, share + 1, high);
  }
}

/// From the table to the points, or the transposed from the points to the table.
template <int K, bool gathers> struct Loop {
  [[gnu::always_inline]] static void run(const Pieces& a, const double* from, double* to) {
    Chunk<K> points{};
    for (std::size_t begin = 0; begin < a.count; begin += chunk) {
      const std::size_t size = std::min(chunk, a.count - begin);
      points.find(a, begin, size);
      for (std::size_t i = 0; i < size; ++i) {
        if (i + ahead < size) {
          prefetch<K>((gathers ? from : to) + points.first[i + ahead], a.stride.data());
        }
        double share[K];
        for (std::size_t k = 0; k < K; ++k) share[k] = points.share[k][i];
        if constexpr (gathers) {
          to[begin + i] = interpolated<K>(from + points.first[i], a.stride.data(), share);
        } else {
          add_shares<K>(to + points.first[i], a.stride.data(), share, from[begin + i]);
        }
      }
    }
  }
};

template <bool gathers> void by_axes(const Pieces& pieces, const double* from, double* to) {
  switch (pieces.axes) {
  case 1:
    return base::run_widest<Loop<1, gathers>>(pieces, from, to);
  case 2:
    return base::run_widest<Loop<2, gathers>>(pieces, from, to);
  case 3:
    return base::run_widest<Loop<3, gathers>>(pieces, from, to);
  default:
    return base::run_widest<Loop<4, gathers>>(pieces, from, to);
  }
}

} // namespace

BoxPoints::BoxPoints(const spaces::Block& block, int dimension, std::size_t axes)
    : count_(1), axes_(axes), dimension_(static_cast<std::size_t>(dimension)) {
  for (std::size_t k = 0; k < dimension_; ++k) {
    extent_[k] = static_cast<std::size_t>(block.count[k]);
    count_ *= extent_[k];
  }
  // The largest cube that a tile holds.
  const auto size_of = [&](std::size_t edge) {
    std::size_t size = 1;
    for (std::size_t k = 0; k < dimension_; ++k) size *= edge;
    return size;
  };
  while (size_of(2 * edge_) <= most_in_tile) edge_ *= 2;
  places_.resize(axes_ * count_);
}

template <class Visit> void BoxPoints::for_each_tile(Visit&& visit) const {
  if (count_ == 0) return;
  std::array<std::size_t, spaces::max_dimension> begin{};
  std::size_t done = 0;
  for (;;) {
    std::array<std::size_t, spaces::max_dimension> size{};
    std::size_t all = 1;
    for (std::size_t k = 0; k < dimension_; ++k) {
      size[k] = std::min(edge_, extent_[k] - begin[k]);
      all *= size[k];
    }
    visit(done, all, [&](auto&& row) {
      const std::size_t last = dimension_ - 1;
      std::array<std::size_t, spaces::max_dimension> line{};
      for (std::size_t in_tile = 0; in_tile < all; in_tile += size[last]) {
        std::size_t natural = 0;
        for (std::size_t k = 0; k <= last; ++k) natural = natural * extent_[k] + begin[k] + line[k];
        row(natural, in_tile, size[last]);
        for (std::size_t k = last; k > 0 && ++line[k - 1] == size[k - 1]; --k) line[k - 1] = 0;
      }
    });
    done += all;
    std::size_t k = dimension_;
    while (k > 0 && (begin[k - 1] += edge_) >= extent_[k - 1]) begin[--k] = 0;
    if (k == 0) return;
  }
}

void BoxPoints::arrange() {
  std::vector<double> natural(count_);
  for (std::size_t axis = 0; axis < axes_; ++axis) {
    const std::span<double> places = coordinates(axis);
    std::copy(places.begin(), places.end(), natural.begin());
    for_each_tile([&](std::size_t first, std::size_t, auto&& rows) {
      rows([&](std::size_t from, std::size_t to, std::size_t length) {
        std::copy_n(natural.data() + from, length, places.data() + first + to);
      });
    });
  }
}

void BoxPoints::gather(std::span<const double> table, std::span<double> values) const {
  std::array<double, most_in_tile> in_tile{};
  Pieces pieces{.axes = axes_, .stride = stride_};
  for_each_tile([&](std::size_t first, std::size_t size, auto&& rows) {
    pieces.count = size;
    for (std::size_t k = 0; k < axes_; ++k) pieces.places[k] = places_.data() + k * count_ + first;
    by_axes<true>(pieces, table.data(), in_tile.data());
    rows([&](std::size_t to, std::size_t from, std::size_t length) {
      std::copy_n(in_tile.data() + from, length, values.data() + to);
    });
  });
}

void BoxPoints::scatter(std::span<const double> values, std::span<double> table) const {
  std::array<double, most_in_tile> in_tile{};
  Pieces pieces{.axes = axes_, .stride = stride_};
  for_each_tile([&](std::size_t first, std::size_t size, auto&& rows) {
    pieces.count = size;
    for (std::size_t k = 0; k < axes_; ++k) pieces.places[k] = places_.data() + k * count_ + first;
    rows([&](std::size_t from, std::size_t to, std::size_t length) {
      std::copy_n(values.data() + from, length, in_tile.data() + to);
    });
    by_axes<false>(pieces, in_tile.data(), table.data());
  });
}

} // namespace komori::operators
