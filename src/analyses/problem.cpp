#include "analyses/problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "base/error.hpp"
#include "operators/face_stencil.hpp"
#include "operators/line_sweeps.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// The largest D on each axis sets how fast plain diffusion would cross it.
double slowest_diffusion(const spaces::Grid& grid, const models::Sde& sde) {
  double slowest = std::numeric_limits<double>::infinity();
  for (int k = 0; k < grid.dimension(); ++k) {
    double diffusion = 0;
    if (const std::optional<double> constant = sde.constant_diffusion(k)) {
      diffusion = *constant;
    } else {
      const base::UniqueVec values =
          grid.sampled([&](std::span<const double> x) { return sde.diffusion(k, x); });
      check(VecMax(values.get(), nullptr, &diffusion));
    }
    const double wave_number = std::numbers::pi / grid.axis(k).length();
    if (diffusion > 0) slowest = std::min(slowest, diffusion * wave_number * wave_number);
  }
  return std::isfinite(slowest) ? slowest : 1;
}

/// The grid cut between ranks so that lines along which alone noise acts stay whole, for sweeps.
spaces::Grid cut_for(const models::Sde& sde, spaces::Grid grid) {
  const std::optional<int> axis = operators::noisy_axis(sde);
  if (!axis) return grid;
  return {grid.comm(), {grid.axes().begin(), grid.axes().end()}, axis};
}

} // namespace

bool prefers_direct(int dimension, double cells, bool reversible) {
  // Fill grows with the dimension; multigrid on a definite matrix wins earlier than on a general
  // one.
  if (dimension == 1) return true;
  if (dimension == 2) return cells <= (reversible ? 30'000 : 1'500'000);
  return cells <= (reversible ? 10'000 : 60'000);
}

Problem::Problem(base::Session& session, const models::Sde& sde, spaces::Grid grid,
                 const operators::SchemeInput& scheme, const std::string& form)
    : session_(session), sde_(sde), scheme_(scheme), grid_(cut_for(sde, std::move(grid))),
      fluxes_(grid_, sde_, scheme_), balance_(operators::test_detailed_balance(fluxes_)),
      volumes_(grid_.volumes()),
      matrix_free_(form != "assembled" && operators::has_face_stencil(fluxes_)), form_(form),
      diffusive_rate_(slowest_diffusion(grid_, sde_)) {
  if (form != "matrix_free" || matrix_free_) return;
  throw base::InputError("'operator' is 'matrix_free', but this scheme couples cells beyond the "
                         "nearest along the axes; use 'operator: assembled' or 'auto'");
}

const operators::Generator& Problem::generator() {
  if (!generator_.matrix) {
    if (!matrix_free_) return assembled();
    generator_ = operators::matrix_free_generator(fluxes_);
  }
  return generator_;
}

Mat Problem::forward() {
  if (!matrix_free_) return transposed();
  if (!forward_) forward_ = operators::matrix_free_transposed(generator().matrix.get());
  return forward_.get();
}

const operators::Generator& Problem::assembled() {
  if (!generator_entries_.matrix) generator_entries_ = operators::assemble_generator(fluxes_);
  return generator_entries_;
}

Mat Problem::generator_entries() {
  return assembled().matrix.get();
}

Mat Problem::transposed() {
  if (!transposed_) {
    check(MatTranspose(generator_entries(), MAT_INITIAL_MATRIX, transposed_.put()));
  }
  return transposed_.get();
}

const operators::Generator& Problem::symmetrised() {
  if (!matrix_free_) return symmetrised_entries();
  if (!symmetrised_.matrix) symmetrised_ = operators::matrix_free_symmetrised(fluxes_);
  return symmetrised_;
}

const operators::Generator& Problem::symmetrised_entries() {
  if (!symmetrised_entries_.matrix) {
    symmetrised_entries_ = generator_entries_.matrix
                               ? operators::assemble_symmetrised_like(fluxes_, generator_entries_)
                               : operators::assemble_symmetrised(fluxes_);
  }
  return symmetrised_entries_;
}

Vec Problem::root_of_masses() {
  if (!root_of_masses_) root_of_masses_ = operators::root_of_masses(grid_, log_density());
  return root_of_masses_.get();
}

linalg::Method Problem::preferred_method() const {
  const bool direct =
      prefers_direct(grid_.dimension(), static_cast<double>(grid_.cells()), reversible());
  return direct ? linalg::Method::direct : linalg::Method::iterative;
}

std::unique_ptr<Problem> Problem::coarsened(double factor, PetscInt floor) const {
  return std::make_unique<Problem>(session_, sde_, grid_.coarsened(factor, floor), scheme_, form_);
}

} // namespace komori::analyses
