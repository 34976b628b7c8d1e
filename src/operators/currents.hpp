/// Probability currents of a density, and the entropy they produce.
#pragma once

#include <vector>

#include "base/petsc.hpp"
#include "operators/face_flux.hpp"

namespace komori::operators {

/// Currents of one density on the grid; scalars are the same on all ranks.
struct Currents {
  /// Per axis: the current component at cell centres (mean of its two faces, or of the links of a
  /// full diffusion matrix), 1/(time length^(d-1)).
  std::vector<base::UniqueVec> components;
  /// Largest probability per time through any single face or link.
  double largest_face = 0;
  /// Rate of entropy production (k_B = 1), 1/time: sum over faces of flux * ln(forward/backward),
  /// over the axes with diffusion. 0 exactly where detailed balance holds.
  double entropy_production = 0;
  /// Probability per time round each periodic axis, averaged over its cuts; 0 for other axes.
  std::vector<double> circulation;
};

/// `density`: probability per unit volume, per cell. Second-order upwind axes are treated by their
/// first-order fluxes. Collective.
Currents currents(const FaceFluxes& fluxes, Vec density);

} // namespace komori::operators
