/// Vectors that solvers start from.
#pragma once

#include <cstdint>

#include <petscmat.h>

#include "base/petsc.hpp"

namespace komori::linalg {

/// A vector that `matrix` can be applied to, its entries uniform on [lowest, lowest + 1): one
/// number per global row, so that it is the same on any number of ranks with the same numbering.
/// Collective.
base::UniqueVec random_vector(Mat matrix, std::uint64_t seed, double lowest);

} // namespace komori::linalg
