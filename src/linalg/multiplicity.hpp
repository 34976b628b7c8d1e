/// Copies of multiple eigenvalues that a Krylov space from one vector cannot see.
#pragma once

#include <complex>
#include <functional>

#include "linalg/eigen.hpp"

namespace komori::linalg {

/// Adds to `pairs` those that `general_pairs` missed. A Krylov space from one start vector holds
/// one eigenvector per eigenvalue; copies come in by rounding, some of them or none. So the search
/// is repeated on what the vectors found leave over (deflation), until nothing turns up there that
/// `belongs` among the pairs wanted. With A Q = Q S for the space found and A y = mu y + Q h, the
/// eigenvector is y + Q c with (mu - S) c = h; it is taken if its residual is no larger than 10
/// times the tolerance. Returns false where that search did not converge, met a pair it could not
/// take, or found several times as many pairs as there were, so that copies may still be missing.
/// Collective.
bool complete_multiplicities(Mat matrix, const EigenRequest& request, EigenPairs& pairs,
                             const std::function<bool(std::complex<double>)>& belongs,
                             base::Log& log);

} // namespace komori::linalg
