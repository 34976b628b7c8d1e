#include "analyses/problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

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

} // namespace

bool prefers_direct(int dimension, double cells, bool reversible) {
  // Fill grows with the dimension; multigrid on a definite matrix wins earlier than on a general
  // one.
  if (dimension == 1) return true;
  if (dimension == 2) return cells <= (reversible ? 30'000 : 1'500'000);
  return cells <= (reversible ? 10'000 : 60'000);
}

Problem::Problem(base::Session& session, const models::Sde& sde, spaces::Grid grid,
                 const operators::SchemeInput& scheme)
    : session_(session), sde_(sde), scheme_(scheme), grid_(std::move(grid)),
      fluxes_(grid_, sde_, scheme_), balance_(operators::test_detailed_balance(fluxes_)),
      volumes_(grid_.volumes()), diffusive_rate_(slowest_diffusion(grid_, sde_)) {}

const operators::Generator& Problem::generator() {
  if (!generator_.matrix) generator_ = operators::assemble_generator(fluxes_);
  return generator_;
}

Mat Problem::transposed() {
  if (!transposed_) {
    check(MatTranspose(generator().matrix.get(), MAT_INITIAL_MATRIX, transposed_.put()));
  }
  return transposed_.get();
}

const operators::Generator& Problem::symmetrised() {
  if (!symmetrised_.matrix) symmetrised_ = operators::assemble_symmetrised(fluxes_);
  return symmetrised_;
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
  return std::make_unique<Problem>(session_, sde_, grid_.coarsened(factor, floor), scheme_);
}

} // namespace komori::analyses
