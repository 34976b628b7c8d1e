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

/// w = y - (straight + crossed of the neighbour) z, rounded.
struct ShiftAndRound {
  [[gnu::always_inline]] static void run(const LaneFactors& factors, const WideLanes* y,
                                         const WideLanes* z, Lanes* w, std::size_t size) {
    WideLanes a{};
    WideLanes b{};
    widen(factors.straight, a);
    widen(factors.crossed, b);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        const WideVector v = z[i].part[h].v;
        const WideVector left = y[i].part[h].v - a.part[h].v * v -
                                b.part[h].v * __builtin_shufflevector(v, v, 1, 0, 3, 2);
        parts_of(w[i])[h] = __builtin_convertvector(left, NarrowVector);
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

/// Of eight columns: sum_j column_j factor_j in one row.
[[gnu::always_inline]] inline void
combined_columns(const float* row, const std::array<Lanes, lanes>& factors, Lanes& sum) {
  sum.v = row[0] * factors[0].v;
  for (std::size_t j = 1; j < lanes; ++j) sum.v += row[j] * factors[j].v;
}

/// w_i -= sum_j column_ij factor_j of eight columns.
struct SubtractColumns {
  [[gnu::always_inline]] static void run(const Lanes* columns, const std::array<Lanes, lanes>& by,
                                         Lanes* w, std::size_t size) {
    const std::array<Lanes, lanes> factors = by;
    const auto* row = reinterpret_cast<const float*>(columns);
    for (std::size_t i = 0; i < size; ++i, row += lanes) {
      Lanes sum{};
      combined_columns(row, factors, sum);
      w[i].v -= sum.v;
    }
  }
};

/// The same of vectors that are worked with.
struct SubtractColumnsWide {
  [[gnu::always_inline]] static void run(const Lanes* columns, const std::array<Lanes, lanes>& by,
                                         WideLanes* w, std::size_t size) {
    const std::array<Lanes, lanes> factors = by;
    const auto* row = reinterpret_cast<const float*>(columns);
    for (std::size_t i = 0; i < size; ++i, row += lanes) {
      Lanes sum{};
      WideLanes wide{};
      combined_columns(row, factors, sum);
      widen(sum, wide);
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

struct Scale {
  [[gnu::always_inline]] static void run(const Lanes& factor, Lanes* w, std::size_t size) {
    const Vector by = factor.v;
    for (std::size_t i = 0; i < size; ++i) w[i].v *= by;
  }
};

template <class Sums> void sum_all(MPI_Comm comm, std::vector<Sums>& sums) {
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size() * sizeof(Sums) / 8),
                MPI_DOUBLE, MPI_SUM, comm);
}

template <class Action> void in_stretches(std::size_t rows, const Action& action) {
  for (std::size_t first = 0; first < rows; first += stretch) {
    action(first, std::min(stretch, rows - first));
  }
}

/// Factors of the eight columns of block b.
std::array<Lanes, lanes> rounded(const ColumnSums& sums, std::size_t b) {
  std::array<Lanes, lanes> factors{};
  for (std::size_t j = 0; j < lanes; ++j) {
    for (std::size_t c = 0; c < lanes; ++c) {
      factors[j].v[c] = static_cast<float>(sums[b * lanes + j][c]);
    }
  }
  return factors;
}

/// Adds C^T w of some rows.
void add_products(const LaneColumns& columns, std::size_t first, const Lanes* w, std::size_t size,
                  LaneSums* sums) {
  for (std::size_t b = 0; b < columns.size(); ++b) {
    base::run_widest<ColumnProducts>(columns[b].data() + first, w, size, sums + b * lanes);
  }
}

/// to -= sum_j factors_j basis_j of some rows.
void subtract_multiples(const std::vector<LaneFactors>& factors,
                        const std::vector<LaneVectors>& basis, std::size_t first, Lanes* to,
                        std::size_t size) {
  std::size_t k = 0;
  for (; k + 2 <= factors.size(); k += 2) {
    base::run_widest<SubtractTwoMultiples>(factors.data() + k, basis[k].data() + first,
                                           basis[k + 1].data() + first, to, size);
  }
  if (k < factors.size()) {
    base::run_widest<SubtractMultiple>(factors[k], basis[k].data() + first, to, size);
  }
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

ColumnSums project(MPI_Comm comm, const LaneColumns& columns, const LaneVectors& w) {
  ColumnSums sums(columns.size() * lanes);
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    add_products(columns, first, w.data() + first, size, sums.data());
  });
  sum_all(comm, sums);
  return sums;
}

ColumnSums project(MPI_Comm comm, const LaneColumns& columns, const WideLaneVectors& w) {
  ColumnSums sums(columns.size() * lanes);
  LaneVectors work(stretch);
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    base::run_widest<Round>(w.data() + first, work.data(), size);
    add_products(columns, first, work.data(), size, sums.data());
  });
  sum_all(comm, sums);
  return sums;
}

void subtract(const LaneColumns& columns, const ColumnSums& along, WideLaneVectors& w) {
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    for (std::size_t b = 0; b < columns.size(); ++b) {
      base::run_widest<SubtractColumnsWide>(columns[b].data() + first, rounded(along, b),
                                            w.data() + first, size);
    }
  });
}

void shift_and_project(const LaneFactors& sigma, const ImageRows& rows, const LaneColumns& columns,
                       ColumnSums& sums) {
  const std::size_t own = columns.size() * lanes;
  LaneVectors work(sums.size() > own ? std::min(stretch, rows.y.size()) : 0);
  in_stretches(rows.y.size(), [&](std::size_t i, std::size_t size) {
    base::run_widest<ShiftAndRound>(sigma, rows.y.data() + i, rows.z + i, rows.w + i, size);
    add_products(columns, rows.first + i, rows.w + i, size, sums.data());
    if (work.empty()) return;
    base::run_widest<Round>(rows.z + i, work.data(), size);
    add_products(columns, rows.first + i, work.data(), size, sums.data() + own);
  });
}

void sum_over_ranks(MPI_Comm comm, ColumnSums& sums) {
  sum_all(comm, sums);
}

BasisProducts subtract_and_multiply(MPI_Comm comm, const std::vector<const LaneVectors*>& columns,
                                    const ColumnSums& along, const std::vector<LaneVectors>& basis,
                                    std::size_t count, LaneVectors& w) {
  std::vector<std::array<Lanes, lanes>> factors;
  for (std::size_t b = 0; b < columns.size(); ++b) factors.push_back(rounded(along, b));
  std::vector<LaneProducts> sums(2 * count + 1);
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    Lanes* const rows = w.data() + first;
    for (std::size_t b = 0; b < columns.size(); ++b) {
      base::run_widest<SubtractColumns>(columns[b]->data() + first, factors[b], rows, size);
    }
    for (std::size_t k = 0; k < count; ++k) {
      base::run_widest<TwoProducts>(basis[k].data() + first, rows, basis[count - 1].data() + first,
                                    size, sums.data() + 2 * k);
    }
    base::run_widest<Products>(rows, rows, size, &sums.back());
  });
  sum_all(comm, sums);
  BasisProducts products{.with_w = {}, .with_last = {}, .square = sums.back()};
  for (std::size_t k = 0; k < count; ++k) {
    products.with_w.push_back(sums[2 * k]);
    products.with_last.push_back(sums[2 * k + 1]);
  }
  return products;
}

void orthogonalise(const std::vector<LaneFactors>& factors, const std::vector<LaneVectors>& basis,
                   const Lanes& scale, LaneVectors& w) {
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    subtract_multiples(factors, basis, first, w.data() + first, size);
    base::run_widest<Scale>(scale, w.data() + first, size);
  });
}

void combine(const std::vector<LaneFactors>& factors, const std::vector<LaneVectors>& basis,
             LaneVectors& w) {
  in_stretches(w.size(), [&](std::size_t first, std::size_t size) {
    std::fill_n(w.data() + first, size, Lanes{});
    subtract_multiples(factors, basis, first, w.data() + first, size);
  });
}

} // namespace komori::linalg
