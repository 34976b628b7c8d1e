/// Eigenpairs from both sides of large operators with a preconditioner, from approximations of them
/// all: Newton's method for the whole block, whose linear systems are Jacobi-Davidson's correction
/// equations (Hochstenbach and Sleijpen, Linear Algebra Appl. 358, 2003).
#pragma once

#include <complex>
#include <functional>
#include <vector>

#include "base/log.hpp"
#include "base/petsc.hpp"
#include "linalg/lane_gmres.hpp"
#include "linalg/solver_state.hpp"

namespace komori::linalg {

/// A x = lambda x and A^T y = lambda y. A complex pair takes two neighbouring entries, the value
/// with positive imaginary part first; its vectors are real and imaginary part of the vector of
/// that one. Right vectors have norm 1.
struct TwoSidedPairs {
  std::vector<std::complex<double>> values{};
  std::vector<base::UniqueVec> right{};
  std::vector<base::UniqueVec> left{};
  std::vector<double> residuals{};      ///< ||A x - lambda x|| / ||x||
  std::vector<double> left_residuals{}; ///< ||A^T y - lambda y|| / ||y||
};

/// What is asked of the iteration.
struct TwoSidedRequest {
  /// In front of others: pairs are ordered by it, and the first `wanted` of them, or one more where
  /// that would split a complex pair, are brought to `residual`. The others serve them: what is
  /// close is not amplified by solves, and is improved roughly.
  std::function<bool(std::complex<double> a, std::complex<double> b)> before;
  std::size_t wanted = 1;
  double residual = 0; ///< of either side
  /// A solve's reduction of the residual, at most: with a smaller one the terms that Newton's
  /// method leaves out, products of errors, would be what is left.
  double reduction = 1e-3;
  int passes = 8; ///< at most
  Continuation continuation{};
};

struct TwoSidedResult {
  TwoSidedPairs pairs;
  bool converged = false;
  int passes = 0;
  PetscInt iterations = 0; ///< products and solves with the preconditioner, of real vectors
};

/// Improves `start`, real vectors of which those on the right span approximately what right
/// eigenvectors do, and those on the left likewise; as many on either side. In each pass the
/// Rayleigh-Ritz values of both spaces are found and (theta - A) t = A x - theta x is solved for
/// every vector of either side, on the complement of all others, by GMRES in complex arithmetic.
/// Collective.
TwoSidedResult improved_pairs(LaneOperator& matrix, TwoSidedPairs start,
                              const TwoSidedRequest& request, base::Log& log);

/// Richardson's rule for the two spaces: `fine` becomes what differs from it by 1 / (ratio - 1) of
/// its difference from `coarse`, pairs of as many eigenvalues whose error is `ratio` times as
/// large. Bases of the coarse spaces are those with the same products with the fine ones.
/// Collective.
void extrapolate(TwoSidedPairs& fine, const TwoSidedPairs& coarse, double ratio);

} // namespace komori::linalg
