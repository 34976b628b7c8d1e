/// The optimisation at the heart of PCCA+ and G-PCCA. Internal to analyses.
#pragma once

#include <string>

#include <Eigen/Dense>

#include "analyses/row_cloud.hpp"

namespace komori::analyses {

/// Memberships chi = X A of m sets: chi >= 0, rows sum to 1.
struct Simplex {
  Eigen::MatrixXd transform; ///< A [m, m]
  double crispness = 0;      ///< trace(S) / m with S = diag(<chi_j, 1>)^-1 <chi_i, chi_j>; 1: crisp
  double first_crispness = 0; ///< of the start, the inner simplex
  double searched = 0; ///< what a search by simplices from there reaches in the cloud's basis (see
                       ///< `searched_crispness`); NaN of large clouds
};

/// Maximises the crispness over all A that make memberships. X are the rows of `cloud` (first
/// column 1, columns orthonormal in the inner product that the crispness is taken in).
///
/// Start: the inner simplex of m rows that span the largest volume (Weber, Galliat, ZIB-Report
/// 02-12, 2002). Then the unconstrained form of Deuflhard, Weber (Linear Algebra Appl. 398, 2005)
/// and Roeblitz, Weber (Adv. Data Anal. Classif. 7, 2013): of A only the lower right block is free,
/// its first column makes rows sum to 1, and its first row is -min over the rows of X, so that
/// every membership touches 0. That minimum has kinks, where searches by simplices or gradients
/// stop early; it is replaced by its smooth bound -e ln sum exp(-x/e) with e lowered to nothing,
/// each step solved by a limited-memory quasi-Newton method (TAO's lmvm).
///
/// Rows that never touch 0 do not matter, so the optimisation runs on those that may: it begins
/// with extreme ones and adds those that the solution violates until there are none. All ranks
/// then do the same work on few rows, whatever the number of cells. Collective.
Simplex crispest_simplex(const RowCloud& cloud);

} // namespace komori::analyses
