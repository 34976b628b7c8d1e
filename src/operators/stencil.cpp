#include "operators/stencil.hpp"

#include <algorithm>
#include <cmath>

#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

using linalg::BlockView;
using spaces::Boundary;
using spaces::Index;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

constexpr double extreme = FaceLink::extreme;

double ratio_of(double out, double back) {
  if (out == back) return 1; // both may be 0
  return std::clamp(std::sqrt(out) / std::sqrt(back), 1 / extreme, extreme);
}

} // namespace

SymmetricStencil::SymmetricStencil(spaces::PaddedBlock layout) : block(std::move(layout)) {
  for (int k = 0; k < block.dimension(); ++k) {
    coupling[at(k)].assign(block.padded_cells(), 0);
    ratio[at(k)].assign(block.padded_cells(), 1);
    leak[at(k)].assign(block.padded_cells(), 0);
  }
  diagonal.assign(block.padded_cells(), 0);
}

void SymmetricStencil::update_ghosts(int k) {
  const spaces::GhostExchange exchange(block, MPI_DOUBLE, 1);
  exchange(coupling[at(k)].data(), k);
  exchange(ratio[at(k)].data(), k);
}

double SymmetricStencil::norm() const {
  double norm = 0;
  block.for_each_run([&](std::size_t first, const Index&, std::size_t) {
    const auto last = first + static_cast<std::size_t>(block.count(block.dimension() - 1));
    for (std::size_t i = first; i < last; ++i) {
      double sum = diagonal[i];
      for (int k = 0; k < block.dimension(); ++k) {
        sum += coupling[at(k)][i] + coupling[at(k)][i - static_cast<std::size_t>(block.stride(k))];
      }
      norm = std::max(norm, sum);
    }
  });
  MPI_Allreduce(MPI_IN_PLACE, &norm, 1, MPI_DOUBLE, MPI_MAX, block.comm());
  return norm;
}

SymmetricStencil SymmetricStencil::killed_outside(const std::vector<float>& kept) const {
  SymmetricStencil result{block};
  const auto run = static_cast<std::size_t>(block.count(block.dimension() - 1));
  block.for_each_run([&](std::size_t first, const Index&, std::size_t) {
    for (std::size_t i = first; i < first + run; ++i) {
      if (kept[i] == 0) continue;
      result.diagonal[i] = diagonal[i];
      for (int k = 0; k < block.dimension(); ++k) {
        const auto stride = static_cast<std::size_t>(block.stride(k));
        double& leaving = result.leak[at(k)][i];
        leaving = leak[at(k)][i];
        if (kept[i + stride] == 0) leaving += coupling[at(k)][i] * ratio[at(k)][i];
        if (kept[i - stride] == 0) {
          leaving += coupling[at(k)][i - stride] / ratio[at(k)][i - stride];
        }
      }
    }
  });
  for (int k = 0; k < block.dimension(); ++k) {
    const auto stride = static_cast<std::size_t>(block.stride(k));
    for (std::size_t i = 0; i + stride < block.padded_cells(); ++i) {
      const bool here = kept[i] != 0;
      const bool there = kept[i + stride] != 0;
      if (here && there) {
        result.coupling[at(k)][i] = coupling[at(k)][i];
        result.ratio[at(k)][i] = ratio[at(k)][i];
      } else if (here != there) { // a pair of cells has the mass of the one that is kept
        result.ratio[at(k)][i] = here ? 1 / extreme : extreme;
      }
    }
  }
  return result;
}

namespace {

/// Rates from a cell to its upper neighbour and back, 1/time.
struct Exchange {
  double out = 0;
  double back = 0;
};

/// `balanced` makes rates that hold detailed balance from those between the padded positions of two
/// cells. Collective.
template <class Balanced>
SymmetricStencil stencil_of(const FaceFluxes& fluxes, spaces::PaddedBlock layout,
                            const Balanced& balanced) {
  const spaces::Grid& grid = fluxes.grid();
  SymmetricStencil stencil{std::move(layout)};
  const spaces::Block& own = grid.block();
  grid.for_each_cell([&](PetscInt, const Index& cell) {
    Index inside{};
    for (int k = 0; k < grid.dimension(); ++k) inside[at(k)] = cell[at(k)] - own.start[at(k)];
    const std::size_t i = stencil.block.position(inside);
    for (int k = 0; k < grid.dimension(); ++k) {
      const spaces::Axis& axis = grid.axis(k);
      const PetscInt j = cell[at(k)];
      if (axis.periodic() || j + 1 < axis.cells()) {
        const FaceFlux flux = fluxes.between(k, cell);
        const auto [out, back] = balanced(
            Exchange{flux.lower / axis.width(j), flux.upper / axis.width(axis.wrapped(j + 1))}, i,
            i + static_cast<std::size_t>(stencil.block.stride(k)));
        // The product may underflow, the roots do not.
        FaceLink link{.coupling = std::sqrt(out) * std::sqrt(back), .ratio = ratio_of(out, back)};
        if (link.coupling == 0) link.coupling = out / link.ratio + back * link.ratio;
        stencil.coupling[at(k)][i] = link.coupling;
        stencil.ratio[at(k)][i] = link.ratio;
        stencil.diagonal[i] += out;
        if (inside[at(k)] + 1 < own.count[at(k)]) {
          stencil.diagonal[i + static_cast<std::size_t>(stencil.block.stride(k))] += back;
        }
      } else if (axis.upper() == Boundary::absorbing) {
        stencil.leak[at(k)][i] += fluxes.wall(k, cell, Side::upper).lower / axis.width(j);
      }
      if (inside[at(k)] > 0) continue;
      if (axis.periodic() || j > 0) {
        Index below = cell;
        --below[at(k)];
        const FaceFlux flux = fluxes.between(k, below);
        stencil.diagonal[i] += balanced(Exchange{flux.lower / axis.width(axis.wrapped(j - 1)),
                                                 flux.upper / axis.width(j)},
                                        i - static_cast<std::size_t>(stencil.block.stride(k)), i)
                                   .back;
      } else if (axis.lower() == Boundary::absorbing) {
        stencil.leak[at(k)][i] += fluxes.wall(k, cell, Side::lower).lower / axis.width(j);
      }
    }
    for (int k = 0; k < grid.dimension(); ++k) stencil.diagonal[i] += stencil.leak[at(k)][i];
  });
  fluxes.require_finite();
  for (int k = 0; k < grid.dimension(); ++k) stencil.update_ghosts(k);
  return stencil;
}

} // namespace

SymmetricStencil symmetric_stencil(const FaceFluxes& fluxes) {
  return stencil_of(fluxes, spaces::PaddedBlock(fluxes.grid()),
                    [](Exchange rates, std::size_t, std::size_t) { return rates; });
}

SymmetricStencil reversible_part(const FaceFluxes& fluxes, Vec log_masses) {
  spaces::PaddedBlock block(fluxes.grid());
  std::vector<double> log_mass(block.padded_cells(), 0);
  {
    const base::ReadArray from(log_masses);
    const auto run = static_cast<std::size_t>(block.count(block.dimension() - 1));
    block.for_each_run([&](std::size_t first, const Index&, std::size_t row) {
      std::copy_n(from.span().data() + row, run, log_mass.data() + first);
    });
  }
  const spaces::GhostExchange exchange(block, MPI_DOUBLE, 1);
  exchange(log_mass.data());
  return stencil_of(
      fluxes, std::move(block), [&](Exchange rates, std::size_t lower, std::size_t upper) {
        const double masses =
            std::clamp(std::exp(log_mass[upper] - log_mass[lower]), 1 / extreme, extreme);
        return Exchange{0.5 * (rates.out + rates.back * masses),
                        0.5 * (rates.back + rates.out / masses)};
      });
}

void StencilProduct::apply(BlockView x, BlockView y) {
  linalg::for_each_chunk(x.columns, [&]<int width>(int first, int count) {
    apply_chunk<width>(x.slice(first, count), y.slice(first, count));
  });
}

namespace {

/// A line of cells, and what lies at a padded position.
struct ProductLine {
  std::size_t dimension = 0;
  bool functions = false;
  std::array<std::size_t, spaces::max_dimension> stride{};
  std::array<const double*, spaces::max_dimension> coupling{};
  std::array<const double*, spaces::max_dimension> ratio{};
  const double* diagonal = nullptr;
  const double* values = nullptr; ///< padded, `width` columns
  std::size_t first = 0;          ///< position of the first cell
  std::size_t cells = 0;
  std::size_t to_stride = 0;
  int columns = 0; ///< of the result
};

template <int width> struct ProductRun {
  [[gnu::always_inline]] static void run(const ProductLine& line, double* to) {
    for (std::size_t i = line.first; i < line.first + line.cells; ++i, to += line.to_stride) {
      std::array<double, width> sum{};
      const double* const own = line.values + i * width;
      for (int j = 0; j < width; ++j) sum[j] = line.diagonal[i] * own[j];
      for (std::size_t k = 0; k < line.dimension; ++k) {
        const std::size_t stride = line.stride[k];
        double up = line.coupling[k][i];
        double down = line.coupling[k][i - stride];
        if (line.functions) {
          up *= line.ratio[k][i];
          down /= line.ratio[k][i - stride];
        }
        const double* const above = own + stride * width;
        const double* const below = own - stride * width;
        for (int j = 0; j < width; ++j) sum[j] -= up * above[j] + down * below[j];
      }
      for (int j = 0; j < line.columns; ++j) to[j] = sum[j];
    }
  }
};

} // namespace

template <int width> void StencilProduct::apply_chunk(BlockView x, BlockView y) {
  const spaces::PaddedBlock& block = stencil_.block;
  const int dimension = block.dimension();
  if (padded_.size() < block.padded_cells() * width) padded_.resize(block.padded_cells() * width);
  if (!exchange_[width]) {
    exchange_[width] = std::make_unique<spaces::GhostExchange>(block, MPI_DOUBLE, width);
  }
  const auto run = static_cast<std::size_t>(block.count(dimension - 1));
  block.for_each_run([&](std::size_t first, const Index&, std::size_t row) {
    for (std::size_t c = 0; c < run; ++c) {
      double* const to = &padded_[(first + c) * width];
      const double* const from = x.data + (row + c) * static_cast<std::size_t>(x.stride);
      for (int j = 0; j < x.columns; ++j) to[j] = from[j];
      for (int j = x.columns; j < width; ++j) to[j] = 0;
    }
  });
  (*exchange_[width])(padded_.data());
  ProductLine line{.dimension = at(dimension),
                   .functions = form_ == Form::functions,
                   .diagonal = stencil_.diagonal.data(),
                   .values = padded_.data(),
                   .cells = run,
                   .to_stride = static_cast<std::size_t>(y.stride),
                   .columns = y.columns};
  for (int k = 0; k < dimension; ++k) {
    line.stride[at(k)] = static_cast<std::size_t>(block.stride(k));
    line.coupling[at(k)] = stencil_.coupling[at(k)].data();
    line.ratio[at(k)] = stencil_.ratio[at(k)].data();
  }
  block.for_each_run([&](std::size_t first, const Index&, std::size_t row) {
    line.first = first;
    base::run_widest<ProductRun<width>>(line, y.data + row * line.to_stride);
  });
}

} // namespace komori::operators
