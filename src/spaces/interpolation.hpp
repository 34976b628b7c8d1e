/// Transfer of cell fields between two grids over the same box.
#pragma once

#include "base/petsc.hpp"
#include "spaces/grid.hpp"

namespace komori::spaces {

/// The matrix (fine cells x coarse cells) of multilinear interpolation between cell centres.
/// Between the last centre and a wall: constant at a reflecting one, falling to 0 at an absorbing
/// one. Rows sum to 1 away from absorbing walls. Collective.
base::UniqueMat interpolation(const Grid& coarse, const Grid& fine);

} // namespace komori::spaces
