/// The orthogonal dynamics Q L Q as a matrix without entries.
#pragma once

#include "base/petsc.hpp"
#include "operators/projection.hpp"

namespace komori::operators {

/// Q L Q - penalty P, for products with it and with its transpose. With a penalty beyond the norm
/// of L the range of P, on which Q L Q is 0, has an eigenvalue of its own far from all others.
/// `matrix` and `projection` must outlive it. Collective.
base::UniqueMat orthogonal_dynamics(Mat matrix, const Projection& projection, double penalty = 0);

} // namespace komori::operators
