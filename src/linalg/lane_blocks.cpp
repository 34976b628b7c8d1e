#include "linalg/lane_blocks.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "base/petsc.hpp"
#include "base/vector_width.hpp"

namespace komori::linalg {
namespace {

using base::Lanes;
using base::lanes;
using base::LaneSums;
using base::WideLanes;
using Eigen::Index;
using Vector = WideLanes::Vector;
using NarrowVector = Lanes::Part;

/// Rows that are worked on together.
constexpr std::size_t stretch = 256;

std::size_t entry_of(const LanePlaces& places, std::size_t row) {
  return places.entries.empty() ? row : static_cast<std::size_t>(places.entries[row]);
}

[[gnu::always_inline]] inline void round(const Vector& from, std::size_t part, Lanes& to) {
  reinterpret_cast<NarrowVector*>(&to)[part] = __builtin_convertvector(from, NarrowVector);
}

WideLanes wide(const LaneSums& sums) {
  WideLanes lanes_of{};
  for (std::size_t c = 0; c < lanes; ++c) lanes_of.set(c, sums[c]);
  return lanes_of;
}

void add(const WideLanes& sums, LaneSums& to) {
  for (std::size_t c = 0; c < lanes; ++c) to[c] += sums[c];
}

/// An 8 x 8 matrix, row by row.
using Square = std::array<WideLanes, lanes>;

/// sums_l += x_il y_i.
struct Products {
  [[gnu::always_inline]] static void run(const WideLanes* x, const WideLanes* y, std::size_t size,
                                         Square* sums) {
    for (std::size_t h = 0; h < WideLanes::parts; ++h) {
      std::array<WideLanes::Part, lanes> part{};
      const auto* row = reinterpret_cast<const double*>(x);
      for (std::size_t i = 0; i < size; ++i, row += lanes) {
        for (std::size_t l = 0; l < lanes; ++l) part[l].v += row[l] * y[i].part[h].v;
      }
      for (std::size_t l = 0; l < lanes; ++l) (*sums)[l].part[h].v += part[l].v;
    }
  }
};

/// y_i += sum_l x_il factor_l.
struct AddCombination {
  [[gnu::always_inline]] static void run(const Square& factors, const WideLanes* x, WideLanes* y,
                                         std::size_t size) {
    for (std::size_t h = 0; h < WideLanes::parts; ++h) {
      std::array<WideLanes::Part, lanes> by{};
      for (std::size_t l = 0; l < lanes; ++l) by[l] = factors[l].part[h];
      const auto* row = reinterpret_cast<const double*>(x);
      for (std::size_t i = 0; i < size; ++i, row += lanes) {
        Vector sum = y[i].part[h].v;
        for (std::size_t l = 0; l < lanes; ++l) sum += row[l] * by[l].v;
        y[i].part[h].v = sum;
      }
    }
  }
};

struct Residuals {
  [[gnu::always_inline]] static void run(const WideLaneFactors& factor, const WideLanes* x,
                                         const WideLanes* y, Lanes* kept, Lanes* residual,
                                         std::size_t size, WideLanes* sums) {
    for (std::size_t h = 0; h < WideLanes::parts; ++h) {
      const Vector a = factor.straight.part[h].v;
      const Vector b = factor.crossed.part[h].v;
      Vector residuals = sums[0].part[h].v;
      Vector vectors = sums[1].part[h].v;
      for (std::size_t i = 0; i < size; ++i) {
        const Vector v = x[i].part[h].v;
        const Vector r = a * v + b * __builtin_shufflevector(v, v, 1, 0, 3, 2) - y[i].part[h].v;
        round(v, h, kept[i]);
        round(r, h, residual[i]);
        residuals += r * r;
        vectors += v * v;
      }
      sums[0].part[h].v = residuals;
      sums[1].part[h].v = vectors;
    }
  }
};

struct RoundRows {
  [[gnu::always_inline]] static void run(const WideLanes* x, Lanes* y, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) round(x[i].part[h].v, h, y[i]);
    }
  }
};

struct Multiple {
  [[gnu::always_inline]] static void run(const Lanes& factor, const Lanes* x, Lanes* y,
                                         std::size_t size) {
    const Lanes by = factor;
    for (std::size_t i = 0; i < size; ++i) y[i].v = by.v * x[i].v;
  }
};

struct AddMultiple {
  [[gnu::always_inline]] static void run(const WideLanes& factor, const WideLanes* x, WideLanes* y,
                                         std::size_t size) {
    const WideLanes by = factor;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        y[i].part[h].v += by.part[h].v * x[i].part[h].v;
      }
    }
  }
};

/// Rows and columns of block (i, j) of a matrix.
Square block_of(const Eigen::MatrixXd& matrix, std::size_t i, std::size_t j) {
  Square square{};
  for (std::size_t l = 0; l < lanes; ++l) {
    for (std::size_t c = 0; c < lanes; ++c) {
      square[l].set(c,
                    matrix(static_cast<Index>(i * lanes + l), static_cast<Index>(j * lanes + c)));
    }
  }
  return square;
}

/// Calls visit(lane, entries) for each vector in a block.
template <class Array, class Visit>
void for_each_lane(const std::vector<std::unique_ptr<Array>>& arrays,
                   const std::vector<std::size_t>& lanes_of, std::size_t block,
                   const Visit& visit) {
  for (std::size_t j = 0; j < arrays.size(); ++j) {
    if (lanes_of[j] / lanes == block) visit(lanes_of[j] % lanes, arrays[j]->span().data());
  }
}

/// Of blocks of either precision, all vectors of a block in one pass.
template <class Scalar, class Blocks>
void take_apart(const Blocks& blocks, const LanePlaces& places, const std::vector<Vec>& vectors) {
  std::vector<std::unique_ptr<base::WriteArray>> arrays;
  for (Vec vector : vectors) arrays.push_back(std::make_unique<base::WriteArray>(vector));
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    std::array<double*, lanes> to{};
    for_each_lane(arrays, places.lanes, b,
                  [&](std::size_t lane, double* data) { to[lane] = data; });
    const auto* from = reinterpret_cast<const Scalar*>(blocks[b].data());
    for (std::size_t row = 0; row < blocks[b].size(); ++row, from += lanes) {
      const std::size_t entry = entry_of(places, row);
      for (std::size_t c = 0; c < lanes; ++c) {
        if (to[c]) to[c][entry] = static_cast<double>(from[c]);
      }
    }
  }
}

} // namespace

LaneBlocks side_by_side(const std::vector<Vec>& vectors, const LanePlaces& places,
                        std::size_t rows) {
  std::vector<std::unique_ptr<base::ReadArray>> arrays;
  for (Vec vector : vectors) arrays.push_back(std::make_unique<base::ReadArray>(vector));
  LaneBlocks blocks;
  for (std::size_t b = 0; b <= places.lanes.back() / lanes; ++b) {
    std::array<const double*, lanes> from{};
    for_each_lane(arrays, places.lanes, b,
                  [&](std::size_t lane, const double* data) { from[lane] = data; });
    auto* to = reinterpret_cast<double*>(blocks.emplace_back(rows).data());
    for (std::size_t row = 0; row < rows; ++row, to += lanes) {
      const std::size_t entry = entry_of(places, row);
      for (std::size_t c = 0; c < lanes; ++c) {
        if (from[c]) to[c] = from[c][entry];
      }
    }
  }
  return blocks;
}

void separate(const LaneBlocks& blocks, const LanePlaces& places, const std::vector<Vec>& vectors) {
  take_apart<double>(blocks, places, vectors);
}

void separate(const LaneColumns& blocks, const LanePlaces& places,
              const std::vector<Vec>& vectors) {
  take_apart<float>(blocks, places, vectors);
}

LaneColumns rounded(const LaneBlocks& blocks) {
  LaneColumns columns;
  for (const WideLaneVectors& block : blocks) {
    columns.emplace_back(block.size());
    base::run_widest<RoundRows>(block.data(), columns.back().data(), block.size());
  }
  return columns;
}

void add_products(std::span<const WideLanes> x, const WideLanes* y,
                  Eigen::Ref<Eigen::MatrixXd> sums) {
  Square products{};
  for (std::size_t first = 0; first < x.size(); first += stretch) {
    base::run_widest<Products>(x.data() + first, y + first, std::min(stretch, x.size() - first),
                               &products);
  }
  for (std::size_t l = 0; l < lanes; ++l) {
    for (std::size_t c = 0; c < lanes; ++c) {
      sums(static_cast<Index>(l), static_cast<Index>(c)) += products[l][c];
    }
  }
}

void combine(LaneBlocks& blocks, const Eigen::MatrixXd& by) {
  const std::size_t from = static_cast<std::size_t>(by.rows()) / lanes;
  const std::size_t to = static_cast<std::size_t>(by.cols()) / lanes;
  const std::size_t rows = blocks.front().size();
  while (blocks.size() < to) blocks.emplace_back(rows);
  LaneBlocks work(to, WideLaneVectors(stretch));
  for (std::size_t first = 0; first < rows; first += stretch) {
    const std::size_t size = std::min(stretch, rows - first);
    for (std::size_t j = 0; j < to; ++j) {
      std::fill(work[j].begin(), work[j].end(), WideLanes{});
      for (std::size_t i = 0; i < from; ++i) {
        base::run_widest<AddCombination>(block_of(by, i, j), blocks[i].data() + first,
                                         work[j].data(), size);
      }
    }
    for (std::size_t j = 0; j < to; ++j)
      std::copy_n(work[j].data(), size, blocks[j].data() + first);
  }
  blocks.resize(to);
}

void WideLaneFactors::set(std::size_t lane, std::complex<double> factor) {
  straight.set(lane, factor.real());
  if (factor.imag() == 0) return;
  straight.set(lane + 1, factor.real());
  crossed.set(lane, -factor.imag());
  crossed.set(lane + 1, factor.imag());
}

void find_residuals(const WideLaneFactors& factor, const WideLanes* x, std::span<const WideLanes> y,
                    Lanes* kept, Lanes* residual, ResidualSums& sums) {
  std::array<WideLanes, 2> some{};
  for (std::size_t first = 0; first < y.size(); first += stretch) {
    base::run_widest<Residuals>(factor, x + first, y.data() + first, kept + first, residual + first,
                                std::min(stretch, y.size() - first), some.data());
  }
  add(some[0], sums.residual);
  add(some[1], sums.vector);
}

void scale(const LaneSums& factor, const LaneVectors& x, LaneVectors& y) {
  Lanes by{};
  for (std::size_t c = 0; c < lanes; ++c) by.v[c] = static_cast<float>(factor[c]);
  base::run_widest<Multiple>(by, x.data(), y.data(), x.size());
}

void add_scaled(const LaneSums& factor, const WideLaneVectors& x, WideLaneVectors& y) {
  base::run_widest<AddMultiple>(wide(factor), x.data(), y.data(), x.size());
}

} // namespace komori::linalg
