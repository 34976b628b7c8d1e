#include "operators/rate_loops.hpp"

#include <cmath>
#include <limits>

#include "base/elementary.hpp"
#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

/// What the elementary functions are applied to: half the Peclet numbers, or their sizes.
struct Arguments {
  [[gnu::always_inline]] static bool run(const RateArrays& a, std::size_t count, bool square_root) {
    const double* const work = a.work;
    const double* const face = a.face;
    double* __restrict const size = a.size;
    double* __restrict const up = a.up; // keeps the Peclet numbers for now
    if (face != nullptr) {
      for (std::size_t i = 0; i < count; ++i) up[i] = work[i] / face[i];
    } else {
      for (std::size_t i = 0; i < count; ++i) up[i] = work[i] / a.diffusion;
    }
    if (square_root) {
      for (std::size_t i = 0; i < count; ++i) size[i] = 0.5 * up[i];
    } else {
      for (std::size_t i = 0; i < count; ++i) size[i] = std::abs(up[i]);
    }
    return true;
  }
};

struct Bernoulli {
  [[gnu::always_inline]] static bool run(const RateArrays& a, std::size_t count, bool) {
    const double* const size = a.size;
    const double* const growth = a.growth;
    double* __restrict const up = a.up;
    double* __restrict const down = a.down;
    for (std::size_t i = 0; i < count; ++i) {
      const double ratio = size[i] / growth[i];
      const double small = size[i] < 1e-10 ? 1 - 0.5 * size[i] : ratio;
      const double large = small + size[i];
      const bool rises = up[i] > 0;
      up[i] = rises ? large : small;
      down[i] = rises ? small : large;
    }
    return true;
  }
};

struct Scales {
  [[gnu::always_inline]] static bool run(const RateArrays& a, std::size_t count, bool) {
    double* __restrict const up = a.up;
    double* __restrict const down = a.down;
    constexpr double largest = std::numeric_limits<double>::max();
    int strange = 0;
    if (a.face == nullptr) {
      const double diffusion = a.diffusion;
      for (std::size_t i = 0; i < count; ++i) {
        up[i] *= diffusion * a.up_scale[i];
        down[i] *= diffusion * a.down_scale[i];
        strange |= static_cast<int>(!(up[i] <= largest)) | static_cast<int>(!(down[i] <= largest));
      }
      return strange == 0 && diffusion > 0;
    }
    for (std::size_t i = 0; i < count; ++i) {
      up[i] *= a.lower[i] * a.up_scale[i];
      down[i] *= a.upper[i] * a.down_scale[i];
      strange |= static_cast<int>(!(up[i] <= largest)) | static_cast<int>(!(down[i] <= largest)) |
                 static_cast<int>(!(a.face[i] > 0));
    }
    return strange == 0;
  }
};

template <class Loop> bool plain(const RateArrays& a, std::size_t count, bool square_root) {
  return Loop::run(a, count, square_root);
}
#ifdef __x86_64__
template <class Loop>
[[gnu::target("avx2")]] bool four_at_once(const RateArrays& a, std::size_t count,
                                          bool square_root) {
  return Loop::run(a, count, square_root);
}
template <class Loop>
[[gnu::target("avx512f,avx512dq")]] bool eight_at_once(const RateArrays& a, std::size_t count,
                                                       bool square_root) {
  return Loop::run(a, count, square_root);
}
#endif

template <class Loop> bool widest(const RateArrays& a, std::size_t count, bool square_root) {
#ifdef __x86_64__
  static const base::VectorWidth width = base::vector_width();
  if (width == base::VectorWidth::eight) return eight_at_once<Loop>(a, count, square_root);
  if (width == base::VectorWidth::four) return four_at_once<Loop>(a, count, square_root);
#endif
  return plain<Loop>(a, count, square_root);
}

} // namespace

bool compute_rates(const RateArrays& a, std::size_t count, bool square_root) {
  using base::Elementary;
  const std::size_t whole = base::padded(count);
  widest<Arguments>(a, count, square_root);
  if (square_root) {
    base::apply(Elementary::exp, a.size, a.up, whole);
    for (std::size_t i = 0; i < count; ++i) a.size[i] = -a.size[i];
    base::apply(Elementary::exp, a.size, a.down, whole);
  } else {
    base::apply(Elementary::expm1, a.size, a.growth, whole);
    widest<Bernoulli>(a, count, square_root);
  }
  return widest<Scales>(a, count, square_root);
}

} // namespace komori::operators
