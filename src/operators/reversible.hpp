/// The most likely transition matrix that holds detailed balance.
#pragma once

#include <cstdint>

#include "base/petsc.hpp"

namespace komori::operators {

/// Maximises the likelihood prod p_ij^c_ij of counts c_ij over all matrices with pi_i p_ij = pi_j
/// p_ji, on one set of states that lead to each other. At the maximum pi_i p_ij = s_ij / (q_i +
/// q_j) with s = c + c^T and c_i = sum_j s_ij q_i / (q_i + q_j) (Trendelkamp-Schroer, Wu, Paul,
/// Noe, J. Chem. Phys. 143, 174101, 2015). As a function of u = ln q that is the gradient of
///
///     sum_i c_i u_i - 1/2 sum_ij s_ij ln(e^u_i + e^u_j),
///
/// which is concave, with minus a graph Laplacian as its Hessian: Newton's method finds it in a few
/// linear solves, where the fixed point of the equations takes as many steps as the slowest time
/// scale has lags. Ends when no u_i moves by more than `tolerance`, or than rounding. States
/// without counts keep rows of zeros. Throws ConvergenceError. Collective.
base::UniqueMat reversible_estimate(Mat counts, Mat transposed, double tolerance);

} // namespace komori::operators
