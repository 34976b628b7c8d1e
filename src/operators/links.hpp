/// The links of a cell, whatever the scheme: what a generator is made of.
#pragma once

#include "operators/face_flux.hpp"
#include "operators/lattice_flux.hpp"

namespace komori::operators {

/// Calls visit(const Link&) for every cell that `cell` (of this rank) exchanges probability with:
/// its neighbours along the axes, or those a full diffusion matrix links it to. Axes that
/// `skip(axis)` names are left out; skipping is for axis-aligned schemes only. Local.
template <class Visit, class Skip>
void for_each_link(const FaceFluxes& fluxes, const spaces::Index& cell, Visit&& visit,
                   Skip&& skip) {
  if (!fluxes.axis_aligned()) {
    fluxes.lattice().for_each_link(cell, visit);
    return;
  }
  for (int k = 0; k < fluxes.grid().dimension(); ++k) {
    if (skip(k)) continue;
    const auto a = static_cast<std::size_t>(k);
    const spaces::Axis& axis = fluxes.grid().axis(k);
    for (const int side : {-1, 1}) {
      const PetscInt j = cell[a] + side;
      if (!axis.periodic() && !axis.contains(j)) continue;
      Link link{.cell = cell, .upper = side > 0};
      link.cell[a] = j;
      const FaceFlux flux = fluxes.between(k, side < 0 ? link.cell : cell);
      link.out = (side < 0 ? flux.upper : flux.lower) / axis.width(cell[a]);
      link.back = (side < 0 ? flux.lower : flux.upper) / axis.width(axis.wrapped(j));
      visit(link);
    }
  }
}

/// Calls visit(axis, side, rate) for every way out of `cell` through an absorbing wall. Local.
template <class Visit>
void for_each_exit(const FaceFluxes& fluxes, const spaces::Index& cell, Visit&& visit) {
  if (!fluxes.axis_aligned()) {
    fluxes.lattice().for_each_exit(cell, visit);
    return;
  }
  for (int k = 0; k < fluxes.grid().dimension(); ++k) {
    const spaces::Axis& axis = fluxes.grid().axis(k);
    const PetscInt i = cell[static_cast<std::size_t>(k)];
    if (i == 0 && axis.lower() == spaces::Boundary::absorbing) {
      visit(k, Side::lower, fluxes.wall(k, cell, Side::lower).lower / axis.width(i));
    }
    if (i == axis.cells() - 1 && axis.upper() == spaces::Boundary::absorbing) {
      visit(k, Side::upper, fluxes.wall(k, cell, Side::upper).lower / axis.width(i));
    }
  }
}

} // namespace komori::operators
