/// Eigenpairs of the orthogonal dynamics of large reversible problems, on blocks of vectors.
#include <algorithm>
#include <cmath>
#include <utility>

#include "analyses/eigen_checkpoints.hpp"
#include "analyses/orthogonal_pairs.hpp"
#include "analyses/problem.hpp"
#include "analyses/refinement.hpp"
#include "base/error.hpp"
#include "linalg/block_eps.hpp"
#include "linalg/eigen.hpp"
#include "linalg/projected_block.hpp"
#include "operators/block_multigrid.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::EigenPairs;
using Vectors = std::vector<base::UniqueVec>;

/// Below this grids start from random vectors.
constexpr PetscInt coarsest_cells = 5000;

/// V D^-1/2 in the symmetrised form: orthonormal columns sqrt(w) v.
linalg::BlockBasis symmetrised(const operators::Projection& projection, Vec root) {
  linalg::BlockBasis basis{.sparse = projection.partition(), .count = projection.rank()};
  const base::ReadArray weight(root);
  if (!basis.sparse) {
    const PetscScalar* entries = nullptr;
    PetscInt leading = 0;
    check(MatDenseGetLDA(projection.functions(), &leading));
    check(MatDenseGetArrayRead(projection.functions(), &entries));
    for (std::size_t i = 0; i < weight.size(); ++i) {
      for (PetscInt j = 0; j < projection.rank(); ++j) {
        basis.values.push_back(weight[i] * entries[i + static_cast<std::size_t>(j * leading)]);
      }
    }
    check(MatDenseRestoreArrayRead(projection.functions(), &entries));
    return basis;
  }
  // The squares of the parts, seen from every cell.
  const base::UniqueVec squares = base::duplicate(projection.weights());
  check(MatMult(projection.functions(), projection.squares(), squares.get()));
  const base::ReadArray square(squares.get());
  PetscInt first = 0;
  check(MatGetOwnershipRange(projection.functions(), &first, nullptr));
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const PetscInt row = first + static_cast<PetscInt>(i);
    const PetscInt* columns = nullptr;
    PetscInt count = 0;
    check(MatGetRow(projection.functions(), row, &count, &columns, nullptr));
    basis.part.push_back(columns[0]);
    check(MatRestoreRow(projection.functions(), row, &count, &columns, nullptr));
    basis.values.push_back(weight[i] / std::sqrt(square[i]));
  }
  return basis;
}

EigenPairs solved(MemorySystem& system, Problem& problem, const operators::Projection& projection,
                  PetscInt pairs, double tolerance, io::Checkpoints* checkpoints, Vectors* plain);

/// Eigenvectors of coarser grids, carried over. `plain`, if given, gets those of the next coarser
/// grid alone, for `extrapolate`.
Vectors nested_start(MemorySystem& system, Problem& fine, PetscInt pairs, double tolerance,
                     Vectors* plain) {
  const auto coarse = fine.coarsened(2, 8);
  const PetscInt cells = coarse->grid().cells();
  if (cells < std::max<PetscInt>(coarsest_cells, 8 * pairs) || cells > fine.grid().cells() / 2) {
    return {};
  }
  const base::UniqueVec weights = base::duplicate(coarse->root_of_masses());
  check(VecPointwiseMult(weights.get(), coarse->root_of_masses(), coarse->root_of_masses()));
  {
    const base::WriteArray w(weights.get());
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::max(w[i], 1e-200);
  }
  operators::Resolved resolved;
  try {
    resolved = operators::resolve(coarse->grid(), *system.projection, *system.names, weights.get(),
                                  system.conserved);
  } catch (const base::InputError&) {
    return {}; // what the fine grid tells apart may coincide on the coarse one
  }
  Vectors carried;
  EigenPairs found = solved(system, *coarse, *resolved.projection, pairs,
                            coarser_tolerance(tolerance), nullptr, &carried);
  return refined_start(*coarse, fine, std::move(found.vectors), carried, plain);
}

EigenPairs solved(MemorySystem& system, Problem& problem, const operators::Projection& projection,
                  PetscInt pairs, double tolerance, io::Checkpoints* checkpoints, Vectors* plain) {
  auto whole = std::make_shared<operators::BlockMultigrid>(
      operators::symmetric_stencil(problem.fluxes()), -problem.diffusive_rate());
  const double norm = whole->stencil().norm();
  const base::UniqueMat shell = operators::shell_matrix(problem.grid(), whole);
  linalg::attach(shell.get(),
                 std::make_shared<linalg::ProjectedBlock>(
                     problem.comm(), whole, symmetrised(projection, problem.root_of_masses()),
                     static_cast<std::size_t>(problem.grid().local_cells()), norm));
  linalg::EigenRequest request{.pairs = pairs,
                               .tolerance = tolerance,
                               .shift = -problem.diffusive_rate(),
                               .norm = norm,
                               .method = linalg::Method::iterative,
                               .prefix = "rates_"};
  Vectors start;
  if (!(checkpoints && checkpoints->pending("memory rates"))) {
    start = nested_start(system, problem, pairs, tolerance, plain);
    for (const base::UniqueVec& vector : start) request.start.push_back(vector.get());
    request.started = [&start] { start.clear(); };
  }
  return with_checkpoints(checkpoints, problem.grid(), request, "memory rates", nullptr,
                          [&](const linalg::EigenRequest& r) {
                            return linalg::symmetric_pairs(shell.get(), r, problem.log());
                          });
}

} // namespace

bool block_pairs_suit(const MemorySystem& system) {
  return system.problem != nullptr && system.reversible && system.problem->matrix_free() &&
         (system.method == linalg::Method::iterative ||
          !prefers_direct(system.grid.dimension(), static_cast<double>(system.grid.cells()), true));
}

OrthogonalPairs block_pairs(MemorySystem& system, const operators::Projection& projection,
                            const MemoryInput& input, PetscInt wanted) {
  Problem& problem = *system.problem;
  EigenPairs found =
      solved(system, problem, projection, wanted, input.tolerance, system.checkpoints, nullptr);
  OrthogonalPairs result;
  result.solver = found.solver;
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    OrthogonalPair pair;
    pair.value = -found.values[i].real();
    pair.residual = found.residuals[i];
    pair.right = problem.grid().vector();
    pair.left = problem.grid().vector();
    to_functions(found.vectors[i].get(), problem.root_of_masses(), pair.right.get());
    check(VecPointwiseMult(pair.left.get(), found.vectors[i].get(), problem.root_of_masses()));
    result.pairs.push_back(std::move(pair));
  }
  return result;
}

} // namespace komori::analyses
