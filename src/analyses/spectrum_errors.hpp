/// How right the eigenvalues of `spectrum` are: the solver's share, the grid's, and what is
/// missing.
#pragma once

#include <string>
#include <vector>

#include "analyses/spectrum.hpp"

namespace komori::analyses {

/// How far each eigenvalue can be from one of the matrix. Reversible operators are symmetric: the
/// residual is a bound, and so is residual^2 / gap with the norm of all residuals of a cluster and
/// its distance from the values around it (Parlett, The Symmetric Eigenvalue Problem, 1980).
/// Otherwise residual times the condition number ||u|| ||m|| / |(m, u)| of the eigenvalue, to first
/// order, where both eigenvectors are there; else the residual alone, which may be too small. The
/// text says which. Collective.
std::vector<double> solver_errors(Problem& problem, const Spectrum& found, std::string& basis);

/// Fills what coarser grids (cells / 2 and / 4 per axis) say of every eigenvalue of `found`. Where
/// its eigenvalues could not be counted, those of the coarser grids are, and `found.audit` says
/// which of them it lacks.
///
/// Eigenvalues of two grids are matched by the overlap of their eigenfunctions in the equilibrium
/// where detailed balance holds, within multiplets by their values; otherwise in order, real with
/// real and complex with complex, with exchanges where they shorten the distances. Collective.
void estimate_grid_errors(Problem& problem, const SpectrumInput& input, Spectrum& found);

/// What an audit of multiplicities came to.
struct Audit {
  bool done = false;    ///< eigenvalues were counted
  PetscInt missing = 0; ///< how many of those counted are not in the list
  double before = 0;    ///< the first missing rate is at most this, 1/time
  std::string text;
};

/// Counts the eigenvalues of a reversible problem up to the last one found by inertia (Sylvester)
/// and compares. Copies beyond the last one asked for are not missing. Not done for problems
/// without detailed balance, for targets inside the spectrum, and for factorisations that would
/// take longer than the solve. Collective.
Audit audit_multiplicities(Problem& problem, const SpectrumInput& input, const Spectrum& found);

} // namespace komori::analyses
