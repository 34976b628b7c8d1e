#include "operators/block_multigrid.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "linalg/block_eps.hpp"
#include "operators/coarsest_solver.hpp"
#include "operators/flush_denormals.hpp"
#include "operators/smoother.hpp"

namespace komori::operators {
namespace {

using linalg::BlockView;
using spaces::Index;
using spaces::PaddedBlock;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// Fewer cells than these are left to a factorisation.
constexpr double coarsest_cells = 500;

/// Axes with less than this share of the strongest coupling wait until coarsening has weakened the
/// others: point smoothing leaves errors that vary along weak axes alone.
constexpr double strong = 0.6;

/// The axes with the strongest mean couplings among those that can be coarsened.
std::vector<int> strong_axes(const SymmetricStencil& stencil) {
  const PaddedBlock& block = stencil.block;
  const int dimension = block.dimension();
  std::vector<double> sums(at(dimension), 0);
  block.for_each_run([&](std::size_t first, const Index&, std::size_t) {
    const auto run = static_cast<std::size_t>(block.count(dimension - 1));
    for (int k = 0; k < dimension; ++k) {
      for (std::size_t i = first; i < first + run; ++i) sums[at(k)] += stencil.coupling[at(k)][i];
    }
  });
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), dimension, MPI_DOUBLE, MPI_SUM, block.comm());
  double strongest = 0;
  for (int k = 0; k < dimension; ++k) {
    if (block.largest_part(k) > 1) strongest = std::max(strongest, sums[at(k)]);
  }
  std::vector<int> axes;
  for (int k = 0; k < dimension; ++k) {
    if (block.largest_part(k) > 1 && sums[at(k)] >= strong * strongest) axes.push_back(k);
  }
  return axes;
}

double total_cells(const PaddedBlock& block) {
  double total = 1;
  for (int k = 0; k < block.dimension(); ++k) total *= static_cast<double>(block.total(k));
  return total;
}

} // namespace

/// One grid of the hierarchy with the transfers to the next coarser one.
struct BlockMultigrid::Level {
  Level(const SymmetricStencil& stencil, Form form, double shift, double scale)
      : smoother(stencil, form, shift, scale) {}
  Smoother smoother;
  std::vector<Transfer> transfers;
  Field solution;
  Field right_side;
  Field residual;
  std::vector<Field> between; ///< on the grids between two transfers, and on the coarse one
};

BlockMultigrid::BlockMultigrid(SymmetricStencil stencil, double shift, Form form)
    : stencil_(std::move(stencil)), form_(form), product_(stencil_, form) {
  build(shift);
}

BlockMultigrid::~BlockMultigrid() = default;

void BlockMultigrid::build(double shift) {
  scale_ = 1 / stencil_.norm();
  SymmetricStencil coarse{stencil_.block};
  const SymmetricStencil* current = &stencil_;
  while (true) {
    auto level = std::make_unique<Level>(*current, form_, shift, scale_);
    const std::vector<int> axes =
        total_cells(current->block) > coarsest_cells ? strong_axes(*current) : std::vector<int>{};
    if (axes.empty()) break;
    for (const int axis : axes) {
      SymmetricStencil next = paired(*current, axis, form_, level->transfers);
      coarse = std::move(next);
      current = &coarse;
    }
    levels_.push_back(std::move(level));
  }
  coarsest_ = std::make_unique<CoarsestSolver>(*current, form_, shift, scale_);
}

void BlockMultigrid::apply(BlockView x, BlockView y) {
  product_.apply(x, y);
}

void BlockMultigrid::precondition(BlockView r, BlockView z) {
  const FlushDenormals flush; // values in regions without probability would slow the cycle tenfold
  linalg::for_each_chunk(r.columns, [&]<int width>(int first, int count) {
    cycle<width>(r.slice(first, count), z.slice(first, count));
  });
}

template <int width> void BlockMultigrid::cycle(BlockView r, BlockView z) {
  const PaddedBlock& block = stencil_.block;
  Field alone; // where the grid is so small that the factorisation does it all
  if (levels_.empty()) alone.shape(block, width);
  Field& top = levels_.empty() ? alone : levels_.front()->right_side;
  for (const auto& level : levels_) {
    level->solution.shape(level->smoother.block(), width);
    level->right_side.shape(level->smoother.block(), width);
    level->residual.shape(level->smoother.block(), width);
    level->between.resize(level->transfers.size());
    for (std::size_t t = 0; t < level->transfers.size(); ++t) {
      level->between[t].shape(level->transfers[t].coarse, width);
    }
  }
  // Columns are scaled to a largest entry of 1 for the sake of single precision.
  std::array<double, width> largest{};
  for (std::size_t i = 0; i < r.rows; ++i) {
    for (int j = 0; j < r.columns; ++j) {
      largest[at(j)] = std::max(largest[at(j)], std::abs(r.data[i * at(r.stride) + at(j)]));
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, largest.data(), width, MPI_DOUBLE, MPI_MAX, block.comm());
  std::array<double, width> factor{};
  for (int j = 0; j < width; ++j) factor[at(j)] = largest[at(j)] > 0 ? 1 / largest[at(j)] : 0;
  top.template read<width>(block, r, factor);
  if (levels_.empty()) {
    coarsest_->solve<width>(top);
  } else {
    descend<width>(0);
  }
  for (int j = 0; j < width; ++j) factor[at(j)] = largest[at(j)] * scale_;
  (levels_.empty() ? top : levels_.front()->solution).template write<width>(block, z, factor);
}

template <int width> void BlockMultigrid::descend(std::size_t l) {
  Level& level = *levels_[l];
  const Smoother& smoother = level.smoother;
  smoother.first_sweep<width>(level.right_side, level.solution);
  smoother.residual<width>(level.right_side, level.solution, level.residual);
  Field* from = &level.residual;
  for (std::size_t t = 0; t < level.transfers.size(); ++t) {
    restrict_values<width>(level.transfers[t], *from, level.between[t]);
    from = &level.between[t];
  }
  if (l + 1 < levels_.size()) {
    std::swap(levels_[l + 1]->right_side, *from);
    descend<width>(l + 1);
    from = &levels_[l + 1]->solution;
  } else {
    coarsest_->solve<width>(*from);
  }
  for (std::size_t t = level.transfers.size(); t-- > 0;) {
    Field& to = t > 0 ? level.between[t - 1] : level.solution;
    interpolate<width>(level.transfers[t], *from, to, t == 0);
    from = &to;
  }
  // The rough errors of interpolation weigh most in residuals.
  constexpr int last_sweeps = 2;
  for (int i = 0; i < last_sweeps; ++i) {
    smoother.last_sweep<width>(level.right_side, level.solution);
  }
}

std::string BlockMultigrid::describe() const {
  return fmt::format("block multigrid of {} levels", levels_.size() + 1);
}

base::UniqueMat shell_matrix(const spaces::Grid& grid, std::shared_ptr<BlockMultigrid> op) {
  using base::check;
  base::UniqueMat matrix;
  check(MatCreateShell(grid.comm(), grid.local_cells(), grid.local_cells(), grid.cells(),
                       grid.cells(), op.get(), matrix.put()));
  using Operation = void (*)();
  const auto product = [](Mat mat, Vec x, Vec y) -> PetscErrorCode {
    return base::guarded([&] {
      void* context = nullptr;
      check(MatShellGetContext(mat, &context));
      const base::ReadArray from(x);
      const base::WriteArray to(y);
      // Blocks are views for reading and writing; this one is only read.
      static_cast<BlockMultigrid*>(context)->apply(
          {const_cast<double*>(from.span().data()), from.size(), 1, 1},
          {to.span().data(), to.size(), 1, 1});
    });
  };
  PetscErrorCode (*const function)(Mat, Vec, Vec) = product;
  check(MatShellSetOperation(matrix.get(), MATOP_MULT, reinterpret_cast<Operation>(function)));
  check(MatSetOption(matrix.get(), MAT_SYMMETRIC, PETSC_TRUE));
  linalg::attach(matrix.get(), std::move(op));
  return matrix;
}

} // namespace komori::operators
