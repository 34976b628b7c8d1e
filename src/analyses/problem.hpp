/// A discretised SDE that all sections of a Fokker-Planck study share.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/session.hpp"
#include "io/checkpoints.hpp"
#include "linalg/solver.hpp"
#include "models/sde.hpp"
#include "operators/detailed_balance.hpp"
#include "operators/face_flux.hpp"
#include "operators/generator.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// Whether a sparse factorisation beats iteration at this size, as measured (README, performance).
bool prefers_direct(int dimension, double cells, bool reversible);

/// Owns the grid, the fluxes, and the matrices, which are assembled when first asked for (then
/// collective). Not movable: the parts refer to one another.
class Problem {
public:
  /// Collective. Throws InputError where a formula has no value on the grid. `sde` must outlive it.
  Problem(base::Session& session, const models::Sde& sde, spaces::Grid grid,
          const operators::SchemeInput& scheme);
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  base::Session& session() const noexcept { return session_; }
  base::Log& log() const noexcept { return session_.log(); }
  MPI_Comm comm() const noexcept { return session_.comm(); }
  const models::Sde& sde() const noexcept { return sde_; }
  const spaces::Grid& grid() const noexcept { return grid_; }
  const operators::FaceFluxes& fluxes() const noexcept { return fluxes_; }
  const operators::SchemeInput& scheme() const noexcept { return scheme_; }

  /// Where long phases save their state; null for a problem that is not the run's own.
  io::Checkpoints* checkpoints() const noexcept { return checkpoints_; }
  void use(io::Checkpoints& checkpoints) noexcept { checkpoints_ = &checkpoints; }

  /// Detailed balance holds: the symmetrised form exists and the stationary density is known.
  bool reversible() const noexcept { return balance_.holds; }
  const std::string& reversible_reason() const noexcept { return balance_.reason; }
  /// Paths leave through some wall.
  bool absorbing() const { return grid_.has(spaces::Boundary::absorbing); }

  /// Stencils in place of matrices where a method allows it (`operator`).
  bool matrix_free() const noexcept { return true; }

  /// G (rows sum to minus the leak), assembled on first use.
  const operators::Generator& generator();
  /// G transposed as a matrix of its own, for factorisations and preconditioners of F = G^T.
  Mat transposed();
  /// A = -P^(1/2) G P^(-1/2); needs `reversible`.
  const operators::Generator& symmetrised();
  /// sqrt of the equilibrium cell masses (2-norm 1); needs `reversible`. With absorbing walls it is
  /// the weight of the symmetrisation, not a stationary density.
  Vec root_of_masses();
  /// ln of the equilibrium density per cell, maximum 0; needs `reversible`.
  Vec log_density() const { return balance_.log_density.get(); }
  Vec volumes() const { return volumes_.get(); }

  /// The slowest rate of plain diffusion across the grid, min_k D_k (pi / length_k)^2 over axes
  /// with diffusion, 1/time: the scale for shifts next to the eigenvalue 0.
  double diffusive_rate() const noexcept { return diffusive_rate_; }
  /// Direct solves up to the sizes where they were measured to win, iteration above.
  linalg::Method preferred_method() const;
  /// The same problem on a coarser grid (cells / factor per axis, at least `floor` of them).
  std::unique_ptr<Problem> coarsened(double factor, PetscInt floor) const;

private:
  base::Session& session_;
  const models::Sde& sde_;
  operators::SchemeInput scheme_;
  spaces::Grid grid_;
  operators::FaceFluxes fluxes_;
  operators::DetailedBalance balance_;
  base::UniqueVec volumes_;
  base::UniqueVec root_of_masses_;
  operators::Generator generator_;
  operators::Generator symmetrised_;
  base::UniqueMat transposed_;
  double diffusive_rate_ = 1;
  io::Checkpoints* checkpoints_ = nullptr;
};

} // namespace komori::analyses
