/// Time functions y_b(t) = c_b . exp(tM) x as short sums of exponentials, from a rational Krylov
/// space.
///
/// The space is built from x by (s - M)^-1 at several poles s in turn and kept orthonormal in the
/// inner product of `weights`; M is projected onto it in that inner product, in which a dissipative
/// M stays dissipative, so that the sums are bounded like the semigroup. (Ruhe, Linear Algebra
/// Appl. 58, 1984; Guettel, GAMM-Mitt. 36, 2013.)
#pragma once

#include <complex>
#include <functional>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "base/log.hpp"
#include "base/petsc.hpp"
#include "linalg/solver_state.hpp"

namespace komori::linalg {

/// sum_m weights(b, m) exp(exponents[m] t), real: complex exponents come in conjugate pairs.
struct ExponentialSum {
  Eigen::VectorXcd exponents; ///< 1/time
  Eigen::MatrixXcd weights;   ///< outputs x exponents
  double condition = 1;       ///< of the eigenvectors: rounding is magnified by it
  Eigen::VectorXd value(double time) const;
  /// Its derivative at that time.
  Eigen::VectorXd slope(double time) const;
};

/// What is asked of a reduction.
struct ReductionRequest {
  Mat matrix = nullptr; ///< M, for products with it and its transpose
  /// x = (s - M)^-1 b, one for each pole, with ||b - (s - M) x|| <= tolerance ||b||: the nearer the
  /// sums are to the limit, the less exact later vectors need be, as M is projected as it is.
  /// (Simoncini, SIAM J. Numer. Anal. 43, 2005.)
  std::vector<std::function<void(Vec b, Vec x, double tolerance)>> solves{};
  /// Where M acts on a subspace alone: projects onto it, orthogonally. What rounding leaves beside
  /// it would grow with vectors of which little is new.
  std::function<void(Vec x)> confine{};
  Vec weights = nullptr;
  std::vector<Vec> outputs{};  ///< c_b
  std::vector<double> times{}; ///< where the sums shall be exact to the tolerance
  double tolerance = 1e-10;    ///< relative to the largest |y| at that time or later
  double floor = 0;            ///< smaller errors than this never matter, in the unit of y
  bool symmetric = false;      ///< M is self-adjoint in the inner product
  PetscInt dimension = 150;    ///< largest space; one vector of memory each
  std::string name{};          ///< for the log
  Continuation continuation{};
};

/// A reduction and what it took.
struct Reduction {
  ExponentialSum sum{};
  double error = 0; ///< largest difference to a space of three dimensions less, unit of y
  PetscInt dimension = 0;
  bool converged = false;
};

/// Builds the space until the sums at the times agree with those of a smaller space to the
/// tolerance. Collective.
Reduction reduce(const ReductionRequest& request, Vec start, base::Log& log);

} // namespace komori::linalg
