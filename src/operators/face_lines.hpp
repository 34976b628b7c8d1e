/// Rates through the faces of a grid, a line of faces at once. Internal to operators.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/elementary.hpp"
#include "models/line_sampler.hpp"
#include "operators/face_flux.hpp"

namespace komori::operators {

/// What `FaceFluxes::between` says of single faces, up to rounding; a value does not depend on the
/// line it is computed in. For axis-aligned schemes. Local; the fluxes must outlive it.
class FaceLines {
public:
  /// For the faces between neighbours on axis k, in lines along the last axis. `couplings` are
  /// computed on demand.
  FaceLines(const FaceFluxes& fluxes, int k, bool couplings);

  /// The faces above the cells `first`, `first` + 1, ... along the last axis, `count` of them, all
  /// of which must exist. Cells may be those of this rank's block and one beyond.
  void compute(const spaces::Index& first, std::size_t count);

  /// Rates of the last line, 1/time: from the lower cell of each face to the upper one, and back.
  const double* up() const noexcept { return up_.data(); }
  const double* down() const noexcept { return down_.data(); }
  /// The roots of the products of both, if asked for.
  const double* couplings() const noexcept { return couplings_.data(); }

private:
  static constexpr std::size_t chunk = 256; ///< faces worked on at once, in the innermost cache
  struct Buffers {
    base::LaneArray work{chunk}, size{chunk}, growth{chunk}, face{chunk}, lower{chunk},
        upper{chunk};
  };

  void set_scales(const spaces::Index& first, std::size_t count);
  void works(const spaces::Index& first, std::size_t start, std::size_t count);
  void diffusions(const spaces::Index& first, std::size_t start, std::size_t count);
  void rates(const spaces::Index& first, std::size_t start, std::size_t count);
  void patch(const spaces::Index& first, std::size_t start, std::size_t count);
  spaces::Index cell_at(spaces::Index first, std::size_t i) const;
  /// Where the scales of the faces from number `start` of the line on lie.
  std::size_t scale_at(std::size_t start) const { return k_ == last_ ? start : 0; }

  const FaceFluxes& fluxes_;
  const spaces::Grid& grid_;
  int k_;
  int last_;
  std::optional<double> constant_;                   ///< D, where it is one number
  std::optional<models::LineSampler> drift_;         ///< on faces
  std::optional<models::LineSampler> diffusion_;     ///< on faces
  spaces::Index placed_{};                           ///< cell that the scales below belong to
  std::vector<double> places_;                       ///< last coordinate of every face's centre
  base::LaneArray distance_, up_scale_, down_scale_; ///< per face; the latter 1/(distance width)
  base::LaneArray up_, down_, couplings_;
  Buffers b_;
};

} // namespace komori::operators
