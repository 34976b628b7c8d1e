/// Start vectors for the eigenproblem of a symmetrised generator, from coarser grids.
#pragma once

#include <vector>

#include "analyses/problem.hpp"

namespace komori::analyses {

/// The tolerance, relative to the norm, on a grid of twice the widths whose vectors start those of
/// `tolerance`: every grid takes the residual down by the same factor, so that all take about as
/// many iterations.
double coarser_tolerance(double tolerance);

/// h = u sqrt(w) to u; 0 where the weights w round to nothing. Local.
void to_functions(Vec h, Vec root_of_weights, Vec u);

/// Carries symmetrised vectors h = u sqrt(w) from one grid to the next finer one: the functions u
/// are smooth and interpolated cubically. Both problems are reversible. Collective.
std::vector<base::UniqueVec> refined(Problem& coarse, Problem& fine,
                                     const std::vector<base::UniqueVec>& vectors);

/// Adds to orthonormal `vectors` of a grid what takes them, by Richardson's rule for a scheme of
/// second order, from this grid to one of half the widths, seen from `carried`, the vectors of a
/// grid of twice the widths refined to this one: a quarter of the part outside their span. Vectors
/// that lie largely outside of it stay as they are. Collective.
void extrapolate(const std::vector<base::UniqueVec>& carried,
                 std::vector<base::UniqueVec>& vectors);

/// Start vectors for the fine grid from `vectors` of the coarse one, extrapolated from `carried`.
/// `plain`, if given, gets them refined as they are, for the next step. Collective.
std::vector<base::UniqueVec> refined_start(Problem& coarse, Problem& fine,
                                           std::vector<base::UniqueVec> vectors,
                                           const std::vector<base::UniqueVec>& carried,
                                           std::vector<base::UniqueVec>* plain);

} // namespace komori::analyses
