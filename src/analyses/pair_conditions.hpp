/// How far eigenvalues of a non-normal matrix can be trusted, from both sides' eigenvectors.
#pragma once

#include <vector>

#include "linalg/eigen.hpp"

namespace komori::analyses {

/// What is known of each eigenvalue; entries of a complex pair agree.
struct PairConditions {
  /// 1 / |y^H x| for left and right vectors of norm 1; for eigenvalues that coincide, of their
  /// spaces. Infinite where the other side has no eigenvalue near.
  std::vector<double> condition;
  /// How far rounding, and the residual reached, may have moved the eigenvalue; the distance to the
  /// nearest one of the other side where they disagree. In the unit of the eigenvalue.
  std::vector<double> uncertainty;
};

/// Compares the pairs of P with those of P transposed (which may be fewer or more); `norm` is the
/// matrix'. An eigenvalue of a nilpotent block of size a is moved by rounding to about
/// eps^(1/a) with a condition of eps^(1/a - 1), so that its uncertainty is as large as itself.
/// (Wilkinson, The Algebraic Eigenvalue Problem, 1965, ch. 2; Stewart, Sun, Matrix Perturbation
/// Theory, 1990, ch. V.) Collective.
PairConditions pair_conditions(const linalg::EigenPairs& right, const linalg::EigenPairs& left,
                               double norm);

} // namespace komori::analyses
