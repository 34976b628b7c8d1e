#include "analyses/extension.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "base/error.hpp"
#include "linalg/solver.hpp"
#include "operators/block_multigrid.hpp"
#include "spaces/interpolation.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::BlockView;
using spaces::Index;

/// The cells marked, as an index set.
base::UniqueIs index_set(Problem& problem, const std::vector<bool>& faint) {
  std::vector<PetscInt> numbers;
  for (std::size_t i = 0; i < faint.size(); ++i) {
    if (faint[i]) numbers.push_back(problem.grid().first() + static_cast<PetscInt>(i));
  }
  base::UniqueIs cells;
  check(ISCreateGeneral(problem.comm(), static_cast<PetscInt>(numbers.size()), numbers.data(),
                        PETSC_COPY_VALUES, cells.put()));
  return cells;
}

/// By linear solves with the rows of G, one function after the other.
void by_matrix(Problem& problem, const std::vector<double>& values,
               const std::vector<base::UniqueVec>& functions, const std::vector<bool>& faint,
               bool may_factorise, double tolerance) {
  const base::UniqueIs set = index_set(problem, faint);
  const IS cells = set.get();
  PetscInt count = 0;
  check(ISGetSize(cells, &count));
  const Mat generator = problem.generator_entries();
  base::UniqueMat inner;
  check(MatCreateSubMatrix(generator, cells, cells, MAT_INITIAL_MATRIX, inner.put()));
  base::UniqueVec residual = problem.grid().vector();
  base::UniqueVec right_side;
  base::UniqueVec solution;
  check(MatCreateVecs(inner.get(), solution.put(), right_side.put()));
  const bool direct = may_factorise && count <= 20'000;
  std::unique_ptr<linalg::LinearSolver> solver;
  double shifted_by = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Vec u = functions[i].get();
    check(MatShift(inner.get(), shifted_by - values[i]));
    shifted_by = values[i];
    check(VecISSet(u, cells, 0));
    check(MatMult(generator, u, residual.get()));
    check(VecISCopy(residual.get(), cells, SCATTER_REVERSE, right_side.get()));
    check(VecScale(right_side.get(), -1));
    if (!solver || direct) {
      solver = std::make_unique<linalg::LinearSolver>(
          inner.get(), linalg::Kind::general,
          direct ? linalg::Method::direct : linalg::Method::iterative, tolerance, "extension_");
      // The shifts are small beside the matrix, so one preconditioner serves them all.
      if (!direct) solver->keep_preconditioner();
    }
    solver->solve(right_side.get(), solution.get());
    check(VecISCopy(u, cells, SCATTER_FORWARD, solution.get()));
  }
}

/// The marked cells of this rank as a padded field, its ghosts those of the neighbours.
std::vector<float> padded(const spaces::PaddedBlock& block, const std::vector<bool>& faint) {
  std::vector<float> field(block.padded_cells(), 0);
  block.for_each_run([&](std::size_t first, const Index&, std::size_t row) {
    for (PetscInt c = 0; c < block.count(block.dimension() - 1); ++c) {
      const auto i = static_cast<std::size_t>(c);
      field[first + i] = faint[row + i] ? 1 : 0;
    }
  });
  const spaces::GhostExchange exchange(block, MPI_FLOAT, 1);
  exchange(field.data());
  return field;
}

/// Some functions as a block of rows, and their eigenvalues.
struct Chunk {
  std::size_t rows = 0;
  std::vector<Vec> functions;
  std::vector<double> values;
  std::vector<double> entries;
  BlockView view() {
    const auto columns = static_cast<int>(functions.size());
    return {entries.data(), rows, columns, columns};
  }
  void load() {
    entries.assign(rows * functions.size(), 0);
    for (std::size_t j = 0; j < functions.size(); ++j) {
      const base::ReadArray u(functions[j]);
      for (std::size_t i = 0; i < rows; ++i) entries[i * functions.size() + j] = u[i];
    }
  }
  void store() const {
    for (std::size_t j = 0; j < functions.size(); ++j) {
      const base::WriteArray u(functions[j]);
      for (std::size_t i = 0; i < rows; ++i) u[i] = entries[i * functions.size() + j];
    }
  }
};

/// By cycles of multigrid for the process killed on reaching the cells where functions are given,
/// on all functions at once, from what these hold. Corrections below `tolerance` of the largest
/// value end them.
void by_cycles(Problem& problem, Chunk& chunk, operators::StencilProduct& product,
               operators::BlockMultigrid& cycle, const std::vector<bool>& faint, double tolerance) {
  chunk.load();
  const std::size_t columns = chunk.functions.size();
  std::vector<double> residual(chunk.entries.size());
  const BlockView r{residual.data(), chunk.rows, static_cast<int>(columns),
                    static_cast<int>(columns)};
  constexpr int most_cycles = 100;
  for (int its = 1;; ++its) {
    product.apply(chunk.view(), r);
    for (std::size_t i = 0; i < chunk.rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        double& entry = residual[i * columns + j];
        entry = faint[i] ? -chunk.values[j] * chunk.entries[i * columns + j] - entry : 0;
      }
    }
    cycle.precondition(r, r);
    std::array<double, 2> largest{0, 0}; // of the corrections, of the values
    int broken = 0;
    for (std::size_t i = 0; i < chunk.rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        double& value = chunk.entries[i * columns + j];
        if (faint[i]) {
          value += residual[i * columns + j];
          largest[0] = std::fmax(largest[0], std::abs(residual[i * columns + j]));
        }
        if (!std::isfinite(value)) broken = 1;
        largest[1] = std::max(largest[1], std::abs(value));
      }
    }
    MPI_Allreduce(MPI_IN_PLACE, largest.data(), 2, MPI_DOUBLE, MPI_MAX, problem.comm());
    MPI_Allreduce(MPI_IN_PLACE, &broken, 1, MPI_INT, MPI_MAX, problem.comm());
    problem.log().iteration("eigenfunctions", its, 0, largest[0] / largest[1]);
    if (broken == 0 && largest[0] <= tolerance * largest[1]) break;
    if (broken == 0 && its < most_cycles) continue;
    throw base::ConvergenceError(fmt::format(
        "the eigenfunctions could not be continued into cells of little probability: after {} "
        "cycles of multigrid they still change by {:.1e}; use 'operator: assembled'",
        its, largest[0] / largest[1]));
  }
  chunk.store();
}

/// One value in the marked cells.
void fill(Vec function, const std::vector<bool>& faint, double value) {
  const base::WriteArray u(function);
  for (std::size_t i = 0; i < faint.size(); ++i) {
    if (faint[i]) u[i] = value;
  }
}

void by_stencil(Problem& problem, const std::vector<double>& values,
                const std::vector<base::UniqueVec>& functions, const std::vector<bool>& faint,
                double tolerance);

/// Continues the functions on a coarser grid and carries them over to the marked cells: the drift
/// leads from these to the others, and cycles that start from nothing take many rounds to follow
/// it. On small grids the start is 0.
void start_from_coarser(Problem& fine, const std::vector<double>& values,
                        const std::vector<base::UniqueVec>& functions,
                        const std::vector<bool>& faint, double tolerance) {
  for (const base::UniqueVec& function : functions) fill(function.get(), faint, 0);
  constexpr PetscInt smallest = 1000;
  const auto coarse = fine.coarsened(2, 8);
  const PetscInt cells = coarse->grid().cells();
  if (cells < smallest || cells > fine.grid().cells() / 2 || !coarse->matrix_free()) return;
  const base::UniqueMat prolongation = spaces::interpolation(coarse->grid(), fine.grid());
  const base::UniqueVec carried = fine.grid().vector();
  const auto average = [&](Vec coarser) {
    check(MatMultTranspose(prolongation.get(), carried.get(), coarser));
  };
  // Functions are given on the coarse cells all of whose sources are given: averages over the cells
  // round about, which are true to second order.
  const base::UniqueVec weights = coarse->grid().vector();
  const base::UniqueVec share = coarse->grid().vector();
  check(VecSet(carried.get(), 1));
  average(weights.get());
  {
    const base::WriteArray given(carried.get());
    for (std::size_t i = 0; i < faint.size(); ++i) given[i] = faint[i] ? 0 : 1;
  }
  average(share.get());
  std::vector<bool> faint_there;
  std::array<std::int64_t, 2> counts{0, 0};
  {
    const base::ReadArray all(weights.get());
    const base::ReadArray given(share.get());
    for (std::size_t i = 0; i < all.size(); ++i) {
      faint_there.push_back(given[i] < (1 - 1e-6) * all[i]);
      ++counts[faint_there.back() ? 0 : 1];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, counts.data(), 2, MPI_INT64_T, MPI_SUM, fine.comm());
  if (counts[0] == 0 || counts[1] == 0) return;
  std::vector<base::UniqueVec> coarser;
  for (const base::UniqueVec& function : functions) {
    check(VecCopy(function.get(), carried.get()));
    coarser.push_back(coarse->grid().vector());
    average(coarser.back().get());
    check(VecPointwiseDivide(coarser.back().get(), coarser.back().get(), weights.get()));
  }
  by_stencil(*coarse, values, coarser, faint_there, tolerance);
  for (std::size_t j = 0; j < functions.size(); ++j) {
    check(MatMult(prolongation.get(), coarser[j].get(), carried.get()));
    const base::ReadArray start(carried.get());
    const base::WriteArray u(functions[j].get());
    for (std::size_t i = 0; i < faint.size(); ++i) {
      if (faint[i]) u[i] = start[i];
    }
  }
}

void by_stencil(Problem& problem, const std::vector<double>& values,
                const std::vector<base::UniqueVec>& functions, const std::vector<bool>& faint,
                double tolerance) {
  // Where few cells stand for the shape of the faint ones, cycles may not converge.
  constexpr PetscInt few = 8'000;
  if (problem.grid().cells() <= few) {
    constexpr double cheap = 1e-10;
    by_matrix(problem, values, functions, faint, false, cheap);
    return;
  }
  start_from_coarser(problem, values, functions, faint, tolerance);
  const operators::SymmetricStencil stencil = operators::symmetric_stencil(problem.fluxes());
  operators::BlockMultigrid cycle(stencil.killed_outside(padded(stencil.block, faint)), 0,
                                  operators::Form::functions);
  operators::StencilProduct product(stencil, operators::Form::functions);
  std::size_t next = 0;
  while (next < functions.size()) {
    Chunk chunk{.rows = faint.size(), .functions = {}, .values = {}, .entries = {}};
    for (; next < functions.size() && chunk.functions.size() < linalg::widest_chunk; ++next) {
      chunk.functions.push_back(functions[next].get());
      chunk.values.push_back(values[next]);
    }
    by_cycles(problem, chunk, product, cycle, faint, tolerance);
  }
}

} // namespace

void extend_to_faint_cells(Problem& problem, const std::vector<std::complex<double>>& values,
                           const std::vector<base::UniqueVec>& functions, double floor) {
  PetscReal top = 0;
  check(VecMax(problem.root_of_masses(), nullptr, &top));
  std::vector<bool> faint;
  std::array<std::int64_t, 2> counts{0, 0};
  {
    const base::ReadArray root(problem.root_of_masses());
    for (std::size_t i = 0; i < root.size(); ++i) {
      faint.push_back(root[i] < floor * top);
      if (faint.back()) ++counts[0];
    }
    counts[1] = static_cast<std::int64_t>(root.size());
  }
  MPI_Allreduce(MPI_IN_PLACE, counts.data(), 2, MPI_INT64_T, MPI_SUM, problem.comm());
  if (counts[0] == 0 || counts[0] == counts[1]) return;
  // The values given at the rim are themselves good to some three digits.
  constexpr double tolerance = 1e-5;
  std::vector<double> rates;
  std::vector<base::UniqueVec> unknown;
  for (std::size_t i = 0; i < functions.size(); ++i) {
    rates.push_back(values[i].real());
    unknown.push_back(base::UniqueVec::share(functions[i].get()));
  }
  if (!problem.absorbing()) { // the first is the constant
    fill(functions[0].get(), faint, 1);
    rates.erase(rates.begin());
    unknown.erase(unknown.begin());
  }
  if (problem.matrix_free()) {
    by_stencil(problem, rates, unknown, faint, tolerance);
  } else {
    by_matrix(problem, rates, unknown, faint, true, 0.1 * tolerance);
  }
}

} // namespace komori::analyses
