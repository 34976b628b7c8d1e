/// The backward generator G of an SDE on a grid, as a sparse matrix, and its symmetrised form.
///
/// (G u)_i = sum_j r_ij (u_j - u_i): rows sum to 0, or to minus the rate of leaving through
/// absorbing walls. Koopman semigroup exp(tG); Fokker-Planck: dm/dt = G^T m for cell masses m.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/petsc.hpp"
#include "operators/face_flux.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// What building the matrix found out about it; the same on all ranks.
struct GeneratorFacts {
  double norm = 0;           ///< largest absolute row sum, 1/time; an upper bound of |spectrum|
  std::int64_t nonzeros = 0; ///< of the whole matrix
  std::int64_t negative = 0; ///< off-diagonal rates below 0 (monotonicity is lost)
  double most_negative = 0;  ///< the lowest of them, 1/time
  double leak = 0;           ///< largest rate of leaving through a wall, 1/time
};

/// An assembled generator.
struct Generator {
  base::UniqueMat matrix; ///< cells x cells, in the grid's numbering
  base::UniqueVec leak;   ///< rate of leaving through absorbing walls, per cell, 1/time
  GeneratorFacts facts;
};

/// G itself. `mat_type` may be changed by -mat_type. Collective.
Generator assemble_generator(const FaceFluxes& fluxes);

/// A = -P^(1/2) G P^(-1/2) with P = diag(stationary masses): symmetric and positive semidefinite
/// where detailed balance holds; its eigenvalues are the rates. Built from sqrt(r_ij r_ji), so that
/// no mass is ever formed. Collective.
Generator assemble_symmetrised(const FaceFluxes& fluxes);

/// Replaces values, leaks and facts of a generator, or of its symmetrised form, by those of other
/// fluxes on the same grid with the same scheme: what assembling it anew would give, in the memory
/// that it has. Collective.
void update_generator(const FaceFluxes& fluxes, bool symmetrised, Generator& generator);

/// `assemble_symmetrised` where G is there already: its pattern is copied, not worked out again.
/// Collective.
Generator assemble_symmetrised_like(const FaceFluxes& fluxes, const Generator& like);

/// Flux of probability through each absorbing wall for cell masses m: pairs ("x lower", 1/time).
/// Collective.
std::vector<std::pair<std::string, double>> wall_fluxes(const FaceFluxes& fluxes, Vec masses);

} // namespace komori::operators
