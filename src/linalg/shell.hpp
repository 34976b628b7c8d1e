/// Matrices without entries, by what they do to vectors.
#pragma once

#include <functional>

#include "base/petsc.hpp"

namespace komori::linalg {

/// result = A x, or A^T x; they are never the same vector. What it throws reaches the caller of the
/// PETSc function that asked for the product.
using Product = std::function<void(Vec x, Vec result)>;

/// A matrix with rows laid out like `range` and columns like `domain`, which need not outlive it;
/// what the products refer to must. Collective.
base::UniqueMat shell(Vec range, Vec domain, Product product, Product transposed);

} // namespace komori::linalg
