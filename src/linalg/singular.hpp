/// Largest singular values of large operators by SLEPc.
#pragma once

#include <string>
#include <vector>

#include <slepcsvd.h>

#include "base/log.hpp"
#include "base/petsc.hpp"

namespace komori::linalg {

using UniqueSvd = base::Handle<SVD, SVDDestroy>;

/// Descending, each with ||A v - sigma u|| and ||A^T u - sigma v|| together as its residual.
struct SingularValues {
  std::vector<double> values;
  std::vector<double> residuals;
  PetscInt iterations = 0;
};

/// The `count` largest singular values of a matrix that multiplies and multiplies transposed, to
/// the relative tolerance; fewer where the matrix is smaller. Options under `prefix`. Throws
/// ConvergenceError. Collective.
SingularValues singular_values(Mat matrix, PetscInt count, double tolerance,
                               const std::string& prefix, base::Log& log);

} // namespace komori::linalg
