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
  /// `form` is the key 'operator': auto, assembled or matrix_free. Collective. Throws InputError
  /// where a formula has no value on the grid or the scheme needs a matrix. `sde` must outlive it.
  /// The grid may be cut between ranks anew.
  Problem(base::Session& session, const models::Sde& sde, spaces::Grid grid,
          const operators::SchemeInput& scheme, const std::string& form = "auto");
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  base::Session& session() const noexcept { return session_; }
  base::Log& log() const noexcept { return session_.log(); }
  /// The ranks that share the grid, all of the run or some.
  MPI_Comm comm() const noexcept { return grid_.comm(); }
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

  /// Products and eigenpairs work on stencils; matrices are assembled for what needs entries.
  bool matrix_free() const noexcept { return matrix_free_; }

  /// G (rows sum to minus the leak) for products with it and its transpose, built on first use.
  const operators::Generator& generator();
  /// G^T for products.
  Mat forward();
  /// G and G^T with their entries, for factorisations and preconditioners.
  Mat generator_entries();
  Mat transposed();
  /// A = -P^(1/2) G P^(-1/2), for products or with its entries; needs `reversible`.
  const operators::Generator& symmetrised();
  const operators::Generator& symmetrised_entries();
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
  const operators::Generator& assembled();

  base::Session& session_;
  const models::Sde& sde_;
  operators::SchemeInput scheme_;
  spaces::Grid grid_;
  operators::FaceFluxes fluxes_;
  operators::DetailedBalance balance_;
  base::UniqueVec volumes_;
  base::UniqueVec root_of_masses_;
  bool matrix_free_;
  std::string form_;
  operators::Generator generator_;
  operators::Generator generator_entries_;
  operators::Generator symmetrised_;
  operators::Generator symmetrised_entries_;
  base::UniqueMat forward_;
  base::UniqueMat transposed_;
  double diffusive_rate_ = 1;
  io::Checkpoints* checkpoints_ = nullptr;
};

} // namespace komori::analyses
