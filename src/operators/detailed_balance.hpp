/// Does a generator hold detailed balance, and with which stationary density?
#pragma once

#include <optional>
#include <string>

#include "base/petsc.hpp"
#include "operators/face_flux.hpp"

namespace komori::operators {

/// The answer, the same on all ranks.
struct DetailedBalance {
  bool holds = false;
  std::string reason;          ///< why it holds or what breaks it, for the log
  base::UniqueVec log_density; ///< ln p per cell up to rounding, its maximum 0; where it holds
};

/// Tests Kolmogorov's criterion: the log ratios of the rates add up to zero round every elementary
/// square of cells and round every periodic axis, to round-off. Where it holds ln p follows by
/// adding them up along paths; formulas alone are asked, so no rank waits for another. Collective.
DetailedBalance test_detailed_balance(const FaceFluxes& fluxes);

/// sqrt(p volume) from ln p, normalised to a 2-norm of 1: the null vector of the symmetrised
/// generator. Collective.
base::UniqueVec root_of_masses(const spaces::Grid& grid, Vec log_density);

} // namespace komori::operators
