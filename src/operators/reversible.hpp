/// The most likely transition matrix that holds detailed balance.
#pragma once

#include <cstdint>

#include "base/petsc.hpp"

namespace komori::operators {

/// Maximises the likelihood prod p_ij^c_ij of counts c_ij over all matrices with pi_i p_ij = pi_j
/// p_ji, by the fixed point x_ij = (c_ij + c_ji) / (c_i / x_i + c_j / x_j) with p_ij = x_ij / x_i
/// (Bowman, Beauchamp, Boxer, Pande, J. Chem. Phys. 131, 124101, 2009; Trendelkamp-Schroer, Wu,
/// Paul, Noe, J. Chem. Phys. 143, 174101, 2015), until what is left to move of all mass is below
/// `tolerance`. States without counts keep rows of zeros. Throws ConvergenceError. Collective.
base::UniqueMat reversible_estimate(Mat counts, Mat transposed, double tolerance);

} // namespace komori::operators
