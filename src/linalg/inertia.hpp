/// Counting eigenvalues without computing them.
#pragma once

#include <optional>

#include "base/petsc.hpp"

namespace komori::linalg {

/// How many eigenvalues of a symmetric matrix lie below `value`, by Sylvester's law of inertia: as
/// many as A - value I = L D L^T has negative pivots (MUMPS). `value` must not be an eigenvalue.
/// Empty where the matrix is not assembled or the factorisation failed. Throws MemoryError.
/// Collective.
std::optional<PetscInt> eigenvalues_below(Mat matrix, double value);

} // namespace komori::linalg
