/// What the search for the crispest memberships gives that other codes make. Internal to analyses.
#pragma once

#include <Eigen/Dense>

namespace komori::analyses {

/// The crispness that the simplices of Nelder and Mead (Comput. J. 7, 1965; in the form of
/// Lagarias, Reeds, Wright, Wright, SIAM J. Optim. 9, 1998, with the settings of SciPy's and
/// MATLAB's searches) reach from the free block `start` [m-1, m-1] of A, memberships being `rows`
/// [n, m] times A as in `crispest_simplex`. Where such a search stops is no property of the space:
/// it depends on the basis and may be far from any maximum; that of nested Schur vectors is what
/// the published implementations of G-PCCA take. For clouds that `may_search` allows. Local.
double searched_crispness(const Eigen::MatrixXd& rows, const Eigen::MatrixXd& start);

/// Whether a search on so many rows in so many dimensions takes some seconds at most. Local.
bool may_search(double rows, double dimension);

} // namespace komori::analyses
