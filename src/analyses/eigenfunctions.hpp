/// From eigenvectors of the matrix at hand to functions and densities of the generator.
#pragma once

#include <vector>

#include "analyses/spectrum.hpp"

namespace komori::analyses {

/// 2, or 1 where some axis without diffusion is treated by first-order upwind.
int discretisation_order(const Problem& problem);

/// Right eigenfunctions u = h / sqrt(m) from eigenvectors h of the symmetrised operator. Where the
/// equilibrium mass m is so small that h is rounding, u follows from (G - lambda) u = 0 on those
/// cells with the others given. Largest modulus 1, positive there. Collective.
std::vector<base::UniqueVec> functions_from_symmetrised(Problem& problem,
                                                        const linalg::EigenPairs& pairs);

/// Left eigendensities h sqrt(m) / volume. Collective.
std::vector<base::UniqueVec> densities_from_symmetrised(Problem& problem,
                                                        const linalg::EigenPairs& pairs);

/// Scales eigenfunctions to largest modulus 1, real and positive at that cell. Collective.
void normalise_functions(const std::vector<std::complex<double>>& values,
                         std::vector<base::UniqueVec>& vectors);

/// Scales eigendensities (per volume): where the partner eigenfunctions are given, to the integral
/// of left times right being 1; otherwise to the integral of the modulus being 1, with a positive
/// integral if it has one and is real, else real and positive where the modulus is largest.
/// Collective.
void normalise_densities(Vec volumes, const std::vector<std::complex<double>>& values,
                         const std::vector<base::UniqueVec>& right,
                         std::vector<base::UniqueVec>& left);

} // namespace komori::analyses
