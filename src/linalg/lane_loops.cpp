#include "linalg/lane_loops.hpp"

#include <algorithm>

#include "base/vector_width.hpp"

namespace komori::linalg {
namespace {

using base::Lanes;
using base::lanes;
using base::LaneSums;
using base::WideLanes;
using Vector = Lanes::Vector;
using WideVector = WideLanes::Vector;

using NarrowVector = Lanes::Part;

[[gnu::always_inline]] inline NarrowVector* parts_of(Lanes& lanes) {
  return reinterpret_cast<NarrowVector*>(&lanes);
}
[[gnu::always_inline]] inline const NarrowVector* parts_of(const Lanes& lanes) {
  return reinterpret_cast<const NarrowVector*>(&lanes);
}
[[gnu::always_inline]] inline void widen(const Lanes& from, WideLanes& to) {
  for (std::size_t h = 0; h < WideLanes::parts; ++h) {
    to.part[h].v = __builtin_convertvector(parts_of(from)[h], WideVector);
  }
}

/// Rows that are worked on together.
constexpr std::size_t stretch = 1024;

void add(const Lanes& sums, LaneSums& to) {
  for (std::size_t c = 0; c < lanes; ++c) to[c] += static_cast<double>(sums.v[c]);
}

/// y -= (straight + crossed of the neighbour) x.
struct SubtractMultiple {
  [[gnu::always_inline]] static void run(const LaneFactors& factors, const Lanes* x, Lanes* y,
                                         std::size_t size) {
    const Vector a = factors.straight.v;
    const Vector b = factors.crossed.v;
    for (std::size_t i = 0; i < size; ++i) {
      const Vector v = x[i].v;
      y[i].v -= a * v + b * __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
    }
  }
};

/// The same of two vectors at once.
struct SubtractTwoMultiples {
  [[gnu::always_inline]] static void run(const LaneFactors* factors, const Lanes* x, const Lanes* z,
                                         Lanes* y, std::size_t size) {
    const Vector a = factors[0].straight.v;
    const Vector b = factors[0].crossed.v;
    const Vector c = factors[1].straight.v;
    const Vector d = factors[1].crossed.v;
    for (std::size_t i = 0; i < size; ++i) {
      const Vector v = x[i].v;
      const Vector w = z[i].v;
      y[i].v -= (a * v + b * __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6)) +
                (c * w + d * __builtin_shufflevector(w, w, 1, 0, 3, 2, 5, 4, 7, 6));
    }
  }
};

/// The same of vectors that are worked with.
struct SubtractWideMultiple {
  [[gnu::always_inline]] static void run(const LaneFactors& factors, const WideLanes* x,
                                         WideLanes* y, std::size_t size) {
    WideLanes a{};
    WideLanes b{};
    widen(factors.straight, a);
    widen(factors.crossed, b);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        const WideVector v = x[i].part[h].v;
        y[i].part[h].v -= a.part[h].v * v + b.part[h].v * __builtin_shufflevector(v, v, 1, 0, 3, 2);
      }
    }
  }
};

struct Round {
  [[gnu::always_inline]] static void run(const WideLanes* x, Lanes* y, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        parts_of(y[i])[h] = __builtin_convertvector(x[i].part[h].v, NarrowVector);
      }
    }
  }
};

/// sums_j += sum_i column_ij w_i of eight columns.
struct ColumnProducts {
  [[gnu::always_inline]] static void run(const Lanes* columns, const Lanes* w, std::size_t size,
                                         LaneSums* sums) {
    std::array<Lanes, lanes> parts{};
    const auto* scalar = reinterpret_cast<const float*>(columns);
    for (std::size_t i = 0; i < size; ++i, scalar += lanes) {
      const Vector v = w[i].v;
      for (std::size_t j = 0; j < lanes; ++j) parts[j].v += scalar[j] * v;
    }
    for (std::size_t j = 0; j < lanes; ++j) add(parts[j], sums[j]);
  }
};

/// w_i -= sum_j column_ij factor_j of eight columns.
struct SubtractColumns {
  [[gnu::always_inline]] static void run(const Lanes* columns, const Lanes* factors, WideLanes* w,
                                         std::size_t size) {
    std::array<Lanes, lanes> factor{};
    for (std::size_t j = 0; j < lanes; ++j) factor[j] = factors[j];
    const auto* scalar = reinterpret_cast<const float*>(columns);
    for (std::size_t i = 0; i < size; ++i, scalar += lanes) {
      Vector sum = scalar[0] * factor[0].v;
      for (std::size_t j = 1; j < lanes; ++j) sum += scalar[j] * factor[j].v;
      Lanes rounded{};
      rounded.v = sum;
      WideLanes wide{};
      widen(rounded, wide);
      for (std::size_t h = 0; h < WideLanes::parts; ++h) w[i].part[h].v -= wide.part[h].v;
    }
  }
};

/// Sums of v w, and of the neighbour's v with w.
struct Products {
  [[gnu::always_inline]] static void run(const Lanes* x, const Lanes* w, std::size_t size,
                                         LaneProducts* sums) {
    std::array<Lanes, 2> straight{};
    std::array<Lanes, 2> crossed{};
    std::size_t i = 0;
    for (; i + 2 <= size; i += 2) {
      for (std::size_t k = 0; k < 2; ++k) {
        const Vector v = x[i + k].v;
        straight[k].v += v * w[i + k].v;
        crossed[k].v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6) * w[i + k].v;
      }
    }
    if (i < size) {
      const Vector v = x[i].v;
      straight[0].v += v * w[i].v;
      crossed[0].v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6) * w[i].v;
    }
    straight[0].v += straight[1].v;
    crossed[0].v += crossed[1].v;
    add(straight[0], sums->straight);
    add(crossed[0], sums->crossed);
  }
};

/// The same with two vectors, into two sums.
struct TwoProducts {
  [[gnu::always_inline]] static void run(const Lanes* x, const Lanes* w, const Lanes* u,
                                         std::size_t size, LaneProducts* sums) {
    std::array<Lanes, 2> straight{};
    std::array<Lanes, 2> crossed{};
    for (std::size_t i = 0; i < size; ++i) {
      const Vector v = x[i].v;
      const Vector neighbour = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
      straight[0].v += v * w[i].v;
      straight[1].v += v * u[i].v;
      crossed[0].v += neighbour * w[i].v;
      crossed[1].v += neighbour * u[i].v;
    }
    for (std::size_t k = 0; k < 2; ++k) {
      add(straight[k], sums[k].straight);
      add(crossed[k], sums[k].crossed);
    }
  }
};

/// y = factor (x + w), rounded; w = null: 0.
struct ScaledSum {
  [[gnu::always_inline]] static void run(const Lanes& factor, const Lanes* x, const WideLanes* w,
                                         Lanes* y, std::size_t size) {
    const Vector by = factor.v;
    if (w == nullptr) {
      for (std::size_t i = 0; i < size; ++i) y[i].v = by * x[i].v;
      return;
    }
    for (std::size_t i = 0; i < size; ++i) {
      Lanes rounded{};
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        parts_of(rounded)[h] = __builtin_convertvector(w[i].part[h].v, NarrowVector);
      }
      y[i].v = by * (x[i].v + rounded.v);
    }
  }
};

template <class Sums> void sum_over_ranks(MPI_Comm comm, std::vector<Sums>& sums) {
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size() * sizeof(Sums) / 8),
                MPI_DOUBLE, MPI_SUM, comm);
}

template <class Action> void in_stretches(std::size_t rows, const Action& action) {
  for (std::size_t first = 0; first < rows; first += stretch) {
    action(first, std::min(stretch, rows - first));
  }
}

std::size_t place(std::span<const PetscInt> places, std::size_t row) {
  return places.empty() ? row : static_cast<std::size_t>(places[row]);
}

std::vector<Lanes> rounded(const ColumnSums& sums, std::size_t blocks) {
  std::vector<Lanes> factors(blocks * lanes, Lanes{});
  for (std::size_t j = 0; j < sums.size(); ++j) {
    for (std::size_t c = 0; c < lanes; ++c) factors[j].v[c] = static_cast<float>(sums[j][c]);
  }
  return factors;
}

} // namespace

void LaneFactors::set(std::size_t lane, bool complex, std::complex<double> factor) {
  straight.v[lane] = static_cast<float>(factor.real());
  if (!complex) return;
  straight.v[lane + 1] = static_cast<float>(factor.real());
  crossed.v[lane] = static_cast<float>(-factor.imag());
  crossed.v[lane + 1] = static_cast<float>(factor.imag());
}

std::complex<double> LaneProducts::of(std::size_t lane, bool complex) const {
  if (!complex) return straight[lane];
  return {straight[lane] + straight[lane + 1], crossed[lane + 1] - crossed[lane]};
}

void LaneColumns::append(std::span<const double> column, std::span<const PetscInt> places) {
  const std::size_t lane = size_ % lanes;
  const std::size_t block = size_ / lanes;
  if (block == blocks_.size()) blocks_.emplace_back(rows_);
  LaneVectors& to = blocks_[block];
  for (std::size_t i = 0; i < rows_; ++i) {
    if (lane == 0) to[i] = Lanes{};
    to[i].v[lane] = static_cast<float>(column[place(places, i)]);
  }
  ++size_;
}

void LaneColumns::copy(std::size_t column, std::span<const PetscInt> places,
                       std::span<double> to) const {
  const LaneVectors& from = blocks_[column / lanes];
  for (std::size_t i = 0; i < rows_; ++i) {
    to[place(places, i)] = static_cast<double>(from[i].v[column % lanes]);
  }
}

namespace {

/// C^T w, of some rows at a time, before which `prepare` may change them.
template <class Prepare>
ColumnSums projected(MPI_Comm comm, const LaneColumns& columns, const WideLaneVectors& w,
                     const Prepare& prepare) {
  ColumnSums sums(columns.used_blocks() * lanes);
  LaneVectors work(stretch);
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    prepare(first, size);
    base::run_widest<Round>(w.data() + first, work.data(), size);
    for (std::size_t b = 0; b < columns.used_blocks(); ++b) {
      base::run_widest<ColumnProducts>(columns.blocks()[b].data() + first, work.data(), size,
                                       sums.data() + b * lanes);
    }
  });
  sum_over_ranks(comm, sums);
  return sums;
}

} // namespace

ColumnSums project(MPI_Comm comm, const LaneColumns& columns, const WideLaneVectors& w) {
  return projected(comm, columns, w, [](std::size_t, std::size_t) {});
}

ColumnSums shift_and_project(MPI_Comm comm, const LaneFactors& sigma, const WideLaneVectors& z,
                             const LaneColumns& columns, WideLaneVectors& w) {
  return projected(comm, columns, w, [&](std::size_t first, std::size_t size) {
    base::run_widest<SubtractWideMultiple>(sigma, z.data() + first, w.data() + first, size);
  });
}

BasisProducts project_and_multiply(MPI_Comm comm, const LaneColumns& columns,
                                   const ColumnSums& along, const std::vector<LaneVectors>& basis,
                                   std::size_t count, WideLaneVectors& w) {
  const std::vector<Lanes> factors = rounded(along, columns.used_blocks());
  std::vector<LaneProducts> sums(2 * count + 1);
  LaneVectors work(stretch);
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    for (std::size_t b = 0; b < columns.used_blocks(); ++b) {
      base::run_widest<SubtractColumns>(columns.blocks()[b].data() + first,
                                        factors.data() + b * lanes, w.data() + first, size);
    }
    base::run_widest<Round>(w.data() + first, work.data(), size);
    for (std::size_t k = 0; k < count; ++k) {
      const Lanes* const last = basis[count - 1].data() + first;
      base::run_widest<TwoProducts>(basis[k].data() + first, work.data(), last, size,
                                    sums.data() + 2 * k);
    }
    base::run_widest<Products>(work.data(), work.data(), size, &sums.back());
  });
  sum_over_ranks(comm, sums);
  BasisProducts products{.with_w = {}, .with_last = {}, .square = sums.back()};
  for (std::size_t k = 0; k < count; ++k) {
    products.with_w.push_back(sums[2 * k]);
    products.with_last.push_back(sums[2 * k + 1]);
  }
  return products;
}

void combine(const std::vector<LaneFactors>& factors, const std::vector<LaneVectors>& basis,
             const Lanes& scale, const WideLaneVectors* w, LaneVectors& to) {
  LaneVectors work(stretch);
  in_stretches(to.size(), [&](std::size_t first, std::size_t size) {
    std::fill(work.begin(), work.end(), Lanes{});
    std::size_t k = 0;
    for (; k + 2 <= factors.size(); k += 2) {
      base::run_widest<SubtractTwoMultiples>(factors.data() + k, basis[k].data() + first,
                                             basis[k + 1].data() + first, work.data(), size);
    }
    if (k < factors.size()) {
      base::run_widest<SubtractMultiple>(factors[k], basis[k].data() + first, work.data(), size);
    }
    base::run_widest<ScaledSum>(scale, work.data(), w ? w->data() + first : nullptr,
                                to.data() + first, size);
  });
}

} // namespace komori::linalg
