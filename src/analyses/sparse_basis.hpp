/// Sparse eigenbasis approximation (SEBA). Internal to analyses.
#pragma once

#include <Eigen/Dense>

#include "analyses/row_cloud.hpp"

namespace komori::analyses {

/// Vectors that are 0 outside their own part of the state space, as nearly as a basis of the same
/// space allows.
struct SparseBasis {
  Eigen::MatrixXd columns{}; ///< [cells of this rank, r], largest value 1 per column
  Eigen::VectorXd least{};   ///< smallest value of each, descending; far below 0: no set of its own
  Eigen::MatrixXd rotation{}; ///< R [r, r]
  int iterations = 0;
  bool converged = false;
};

/// Minimises |V - S R|^2 / 2 + mu |S|_1 over orthogonal R and S with unit columns, by turns of soft
/// thresholding and polar decomposition, for V = the rows of `cloud`, whose columns are orthonormal
/// in the inner product with `weights` (of this rank's cells; sum over all 1), in which the norms
/// are taken, too; mu = 0.99 as in Froyland, Rock, Sakellariou, Commun. Nonlinear Sci. Numer.
/// Simul. 77 (2019), where weights are equal. Each row is thresholded where it lies; only r x r
/// matrices are exchanged. Collective.
SparseBasis sparse_basis(const RowCloud& cloud, const Eigen::VectorXd& weights);

} // namespace komori::analyses
