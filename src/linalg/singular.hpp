/// Largest singular triplets of distributed operators by SLEPc.
#pragma once

#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/petsc.hpp"
#include "linalg/solver_state.hpp"

namespace komori::linalg {

/// What is asked of a singular value solver.
struct SingularRequest {
  PetscInt triplets = 1;
  double tolerance = 1e-10; ///< of the residuals, relative to the largest singular value
  std::string prefix;       ///< of PETSc options
  /// Saving and resuming; without it signals end the run. The triplets found so far and what the
  /// process under way knows of the next go on, in one vector. The vectors of a state are pairs,
  /// the first one of each with as many entries as the matrix has rows, the second with as many as
  /// it has columns (the other way round where it has more columns than rows), and perhaps one more
  /// like the second ones.
  Continuation continuation{};
};

/// Singular values, largest first, with vectors of 2-norm 1.
struct SingularTriplets {
  std::vector<double> values;
  std::vector<base::UniqueVec> left;
  std::vector<base::UniqueVec> right;
  std::vector<double> residuals; ///< the larger of ||A v - s u||, ||A^T u - s v||
  PetscInt iterations = 0;
  std::string solver;
};

/// By a dense decomposition where there are at most 128 rows and columns, otherwise by
/// thick-restart Lanczos bidiagonalisation, from products with the matrix and its transpose alone;
/// at most as many as converge. One process sees one copy of a multiple value, so the search is
/// repeated on what the triplets found leave over. Collective.
SingularTriplets largest_singular(Mat matrix, const SingularRequest& request, base::Log& log);

} // namespace komori::linalg
