/// Eigenvalues of a matrix of probabilities next to 1, by products alone.
#pragma once

#include "base/session.hpp"
#include "linalg/eigen.hpp"

namespace komori::linalg {

/// Pairs that decay slowest without turning fast, by Krylov-Schur on ((I + P) / 2)^degree: the unit
/// disc, where eigenvalues of P lie, shrinks to a small one but next to 1, which sets the slow ones
/// apart that crowd there, as long as degree times their distance from 1 is not far above 1. P is
/// then projected on what was found, and pairs with a residual up to ten times the tolerance are
/// kept. For matrices whose factorisation fills up. Collective.
EigenPairs pairs_next_to_one(Mat matrix, int degree, const EigenRequest& request, base::Log& log);

} // namespace komori::linalg
