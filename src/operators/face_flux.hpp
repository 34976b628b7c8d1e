/// Finite-volume fluxes through the faces of a grid: the one place where an SDE meets its scheme.
///
/// Between cells i and j = i + e_k the probability flux per area is lower * p_i - upper * p_j.
/// Scharfetter-Gummel: lower = c D_i^theta B(-w), upper = c D_j^theta B(w), with
/// c = D_f^(1-theta) / distance, B(w) = w / (e^w - 1) and w the integral of f/D from centre to
/// centre (Scharfetter, Gummel, IEEE Trans. Electron Devices 16, 1969). Square-root approximation:
/// e^(+-w/2) in place of B(-+w) (Lie, Fackeldey, Weber, SIAM J. Matrix Anal. Appl. 34, 2013).
/// Both hold detailed balance with p ~ exp(sum w) exactly.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/sde.hpp"
#include "operators/lattice_flux.hpp"
#include "operators/scheme.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// Flux from the lower to the upper cell of a face: lower * p_lower - upper * p_upper.
struct FaceFlux {
  double lower = 0;
  double upper = 0;
};

/// Evaluates fluxes anywhere on the grid from formulas alone, so that no rank needs a neighbour.
/// Cell values of this rank's block and the cells around it are kept. Functions are local unless
/// marked; cell indices may lie one period outside on a periodic axis.
class FaceFluxes {
public:
  /// Collective. Throws InputError that names the place where a formula is not finite or a
  /// diffusion negative.
  FaceFluxes(const spaces::Grid& grid, const models::Sde& sde, const SchemeInput& scheme);

  const spaces::Grid& grid() const noexcept { return grid_; }
  const models::Sde& sde() const noexcept { return sde_; }

  /// Cells exchange probability with their neighbours along the axes alone: D is diagonal, and
  /// `between` and `wall` say all. Otherwise `lattice` does, and they must not be called.
  bool axis_aligned() const noexcept { return lattice_ == nullptr; }
  const LatticeFluxes& lattice() const { return *lattice_; }

  /// Through the face between `cell` and its upper neighbour on axis k, which must exist.
  FaceFlux between(int k, const spaces::Index& cell) const;
  /// Out of `cell` through an absorbing wall at its `side`; `upper` is 0.
  FaceFlux wall(int k, const spaces::Index& cell, Side side) const;
  /// ln p(upper) - ln p(lower) that detailed balance asks of this face; the sum of w and the
  /// convention's share. Infinite where the face carries no diffusion. For full matrices too.
  double log_ratio(int k, const spaces::Index& cell) const;
  /// Normal velocity at the face above `cell`, for axes without diffusion.
  double face_velocity(int k, const spaces::Index& cell) const;

  /// Axis k has no diffusion anywhere.
  bool undiffused(int k) const { return sde_.constant_diffusion(k) == 0.0; }
  bool second_order_upwind() const noexcept { return second_order_; }
  /// V grows by this much over one period of axis k (0 unless periodic and tilted).
  double tilt(int k) const { return tilt_[static_cast<std::size_t>(k)]; }
  /// ln p is -V / D: the drift is -grad V alone and D one constant.
  bool gibbs() const;
  /// V at the centre of a cell.
  double potential(const spaces::Index& cell) const;

  /// Throws InputError if any flux asked of this object so far was not finite: a formula may be
  /// regular at cell centres and singular on a face. Collective.
  void require_finite() const;

private:
  friend class FaceLines;
  struct Face {
    double peclet = 0;    ///< w
    double diffusion = 0; ///< D on the face
    double lower = 0;     ///< D at the lower cell
    double upper = 0;     ///< D at the upper cell
    double distance = 0;
    double velocity = 0; ///< f on the face, where D is 0
  };
  Face face(int k, const spaces::Index& cell) const;
  double explicit_drift(int k, const spaces::Index& lower, std::span<const double> on_face) const;
  double cell_drift(int k, const spaces::Index& cell) const;
  double cell_diffusion(int k, const spaces::Index& cell) const;
  FaceFlux flux_of(const Face& face) const;
  void keep_cells();
  std::vector<double> kept_values(models::Sde::Quantity quantity, int k, double least,
                                  const spaces::Field& formula, const std::string& name) const;
  void require_periodic_potential();
  void note_if_not_finite(const FaceFlux& flux, int k, const spaces::Index& cell) const;
  /// Position in the kept arrays, or -1 for a cell that is not kept.
  std::ptrdiff_t kept(const spaces::Index& cell) const;
  /// Kept values of a cell and those after it along the last axis.
  const double* kept_line(const std::vector<double>& values, const spaces::Index& cell) const {
    return values.data() + kept(cell);
  }
  void center(const spaces::Index& cell, std::span<double> x) const;

  const spaces::Grid& grid_;
  const models::Sde& sde_;
  bool square_root_ = false;
  bool second_order_ = false;
  enum class FaceDrift { mean, midpoint, simpson } face_drift_ = FaceDrift::mean;
  spaces::Index kept_start_{};
  spaces::Index kept_count_{};
  std::vector<double> potential_;
  std::vector<std::vector<double>> drift_;     ///< per axis, where given and used
  std::vector<std::vector<double>> diffusion_; ///< per axis, where not constant
  std::vector<double> tilt_;
  std::unique_ptr<const LatticeFluxes> lattice_; ///< for full diffusion matrices
  mutable std::string trouble_;                  ///< the first face whose flux is not finite
};

} // namespace komori::operators
