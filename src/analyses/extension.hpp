/// Eigenfunctions where the equilibrium has next to no probability.
#pragma once

#include <complex>
#include <vector>

#include "analyses/problem.hpp"

namespace komori::analyses {

/// Solves (G - lambda) u = 0 on the cells whose root of mass is below `floor` times the largest
/// one, with u given on the others: there u is the expectation of exp(-lambda t) u at the time when
/// a path first meets a cell that is not faint. Throws ConvergenceError. Collective.
void extend_to_faint_cells(Problem& problem, const std::vector<std::complex<double>>& values,
                           const std::vector<base::UniqueVec>& functions, double floor);

} // namespace komori::analyses
