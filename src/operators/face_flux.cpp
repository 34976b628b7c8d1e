#include "operators/face_flux.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "models/line_sampler.hpp"

namespace komori::operators {
namespace {

using spaces::Index;
using Point = std::array<double, spaces::max_dimension>;

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

Index shifted(Index cell, int k, PetscInt by) {
  cell[at(k)] += by;
  return cell;
}

} // namespace

FaceFluxes::FaceFluxes(const spaces::Grid& grid, const models::Sde& sde, const SchemeInput& scheme)
    : grid_(grid), sde_(sde), square_root_(scheme.rates == "square_root"),
      second_order_(scheme.undiffused == "second_order"), tilt_(at(grid.dimension()), 0.0) {
  if (scheme.face_drift == "midpoint") face_drift_ = FaceDrift::midpoint;
  if (scheme.face_drift == "simpson") face_drift_ = FaceDrift::simpson;
  if (sde.has_potential()) require_periodic_potential();
  keep_cells();
  if (sde.full_diffusion()) lattice_ = std::make_unique<const LatticeFluxes>(grid, sde, scheme);
}

void FaceFluxes::center(const Index& cell, std::span<double> x) const {
  for (int k = 0; k < grid_.dimension(); ++k) {
    x[at(k)] = grid_.axis(k).center(grid_.axis(k).wrapped(cell[at(k)]));
  }
}

/// A periodic axis may carry a potential that grows by a constant per period (a tilted ring);
/// any other jump at the seam has no meaning.
void FaceFluxes::require_periodic_potential() {
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  for (int k = 0; k < grid_.dimension(); ++k) {
    const spaces::Axis& axis = grid_.axis(k);
    if (!axis.periodic()) continue;
    std::array<double, 3> extremes{-infinity, -infinity, 0}; // max(-jump), max(jump), max |V|
    grid_.for_each_cell([&](PetscInt, const Index& cell) {
      if (cell[at(k)] != grid_.block().start[at(k)]) return;
      center(cell, point);
      x[at(k)] = axis.from();
      const double low = sde_.potential(point);
      x[at(k)] = axis.to();
      const double high = sde_.potential(point);
      extremes = {std::max(extremes[0], low - high), std::max(extremes[1], high - low),
                  std::max({extremes[2], std::abs(low), std::abs(high)})};
    });
    MPI_Allreduce(MPI_IN_PLACE, extremes.data(), 3, MPI_DOUBLE, MPI_MAX, grid_.comm());
    const double round_off = 1e-11 * (1 + extremes[2]);
    const double jump = 0.5 * (extremes[1] - extremes[0]);
    if (extremes[0] + extremes[1] > round_off) {
      throw base::InputError(fmt::format(
          "{} is not periodic along {}: from one end to the other it changes by {:.6g} to {:.6g}; "
          "make it periodic (or periodic plus a constant slope), or choose another boundary",
          sde_.potential_name(), axis.name(), -extremes[0], extremes[1]));
    }
    tilt_[at(k)] = std::abs(jump) > round_off ? jump : 0.0;
  }
}

void FaceFluxes::keep_cells() {
  const int dimension = grid_.dimension();
  for (int k = 0; k < dimension; ++k) {
    const spaces::Block& block = grid_.block();
    const PetscInt reach = undiffused(k) && second_order_ ? 2 : 1;
    PetscInt low = block.start[at(k)] - reach;
    PetscInt high = block.start[at(k)] + block.count[at(k)] + reach;
    if (!grid_.axis(k).periodic()) {
      low = std::max<PetscInt>(low, 0);
      high = std::min(high, grid_.axis(k).cells());
    }
    kept_start_[at(k)] = low;
    kept_count_[at(k)] = grid_.local_cells() > 0 ? high - low : 0; // who owns nothing keeps nothing
  }
  using Quantity = models::Sde::Quantity;
  if (sde_.has_potential()) {
    potential_ = kept_values(
        Quantity::potential, 0, -infinity,
        [&](std::span<const double> p) { return sde_.potential(p); }, sde_.potential_name());
  }
  drift_.resize(at(dimension));
  diffusion_.resize(at(dimension));
  for (int k = 0; k < dimension; ++k) {
    if (sde_.has_drift()) {
      drift_[at(k)] = kept_values(
          Quantity::drift, k, -infinity,
          [&](std::span<const double> p) { return sde_.drift(k, p); }, sde_.drift_name(k));
      if (face_drift_ == FaceDrift::midpoint || sde_.full_diffusion()) drift_[at(k)] = {};
    }
    if (sde_.full_diffusion()) continue; // the lattice sees to it
    diffusion_[at(k)] = kept_values(
        Quantity::diffusion, k, 0, [&](std::span<const double> p) { return sde_.diffusion(k, p); },
        sde_.diffusion_name());
    if (sde_.constant_diffusion(k)) diffusion_[at(k)] = {};
  }
}

/// The values at all kept cells, found finite and not below `least`. Collective.
std::vector<double> FaceFluxes::kept_values(models::Sde::Quantity quantity, int k, double least,
                                            const spaces::Field& formula,
                                            const std::string& name) const {
  const int last = grid_.dimension() - 1;
  const auto length = static_cast<std::size_t>(kept_count_[at(last)]);
  std::size_t total = 1;
  for (int j = 0; j <= last; ++j) total *= static_cast<std::size_t>(kept_count_[at(j)]);
  std::vector<double> values(total);
  std::vector<double> places(length);
  for (std::size_t i = 0; i < length; ++i) {
    const spaces::Axis& axis = grid_.axis(last);
    places[i] = axis.center(axis.wrapped(kept_start_[at(last)] + static_cast<PetscInt>(i)));
  }
  models::LineSampler sampler(sde_, quantity, k, length);
  Index cell = kept_start_;
  Point point{};
  for (std::size_t start = 0; start < total; start += length) {
    center(cell, point);
    sampler.sample(point, places, values.data() + start);
    for (int j = last - 1; j >= 0; --j) {
      if (++cell[at(j)] < kept_start_[at(j)] + kept_count_[at(j)]) break;
      cell[at(j)] = kept_start_[at(j)];
    }
  }
  int wrong = 0;
  for (const double value : values) {
    wrong |= static_cast<int>(!(value >= least)) | static_cast<int>(!(std::abs(value) < infinity));
  }
  MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_MAX, grid_.comm());
  if (wrong == 0) return values;
  // Every cell belongs to some rank, so the first wrong one is found, and named.
  spaces::require_finite(grid_, formula, name);
  spaces::require(
      grid_, formula, [&](double value) { return value >= least; },
      fmt::format("{} is negative", name));
  return values;
}

std::ptrdiff_t FaceFluxes::kept(const Index& cell) const {
  std::ptrdiff_t position = 0;
  for (int k = 0; k < grid_.dimension(); ++k) {
    const PetscInt offset = cell[at(k)] - kept_start_[at(k)];
    if (offset < 0 || offset >= kept_count_[at(k)]) return -1;
    position = position * kept_count_[at(k)] + offset;
  }
  return position;
}

double FaceFluxes::potential(const Index& cell) const {
  double over_seam = 0;
  for (int k = 0; k < grid_.dimension(); ++k) {
    if (tilt_[at(k)] == 0) continue;
    const PetscInt cells = grid_.axis(k).cells();
    if (cell[at(k)] >= cells) over_seam += tilt_[at(k)];
    if (cell[at(k)] < 0) over_seam -= tilt_[at(k)];
  }
  const std::ptrdiff_t position = kept(cell);
  if (position >= 0) return potential_[static_cast<std::size_t>(position)] + over_seam;
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  center(cell, point);
  return sde_.potential(point) + over_seam;
}

double FaceFluxes::cell_drift(int k, const Index& cell) const {
  const std::ptrdiff_t position = kept(cell);
  if (position >= 0) return drift_[at(k)][static_cast<std::size_t>(position)];
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  center(cell, point);
  return sde_.drift(k, point);
}

double FaceFluxes::cell_diffusion(int k, const Index& cell) const {
  const std::ptrdiff_t position = kept(cell);
  if (position >= 0) return diffusion_[at(k)][static_cast<std::size_t>(position)];
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  center(cell, point);
  return sde_.diffusion(k, point);
}

/// The drift as written, on the face above the cell `lower`.
double FaceFluxes::explicit_drift(int k, const Index& lower,
                                  std::span<const double> on_face) const {
  if (!sde_.has_drift()) return 0;
  if (face_drift_ == FaceDrift::midpoint) return sde_.drift(k, on_face);
  const double mean = 0.5 * (cell_drift(k, lower) + cell_drift(k, shifted(lower, k, 1)));
  return face_drift_ == FaceDrift::mean ? mean : (mean + 2 * sde_.drift(k, on_face)) / 3;
}

FaceFluxes::Face FaceFluxes::face(int k, const Index& cell) const {
  const spaces::Axis& axis = grid_.axis(k);
  const Index next = shifted(cell, k, 1);
  const std::optional<double> constant = sde_.constant_diffusion(k);
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  if (sde_.has_drift() || !constant) {
    center(cell, point);
    x[at(k)] = axis.edge(axis.wrapped(cell[at(k)]) + 1);
  }
  Face face;
  face.distance = axis.distance(axis.wrapped(cell[at(k)]));
  face.diffusion = constant ? *constant : sde_.diffusion(k, point);
  face.lower = constant ? *constant : cell_diffusion(k, cell);
  face.upper = constant ? *constant : cell_diffusion(k, next);
  // The force times the distance: a difference of the potential is exact, a drift is averaged.
  double work = face.distance * explicit_drift(k, cell, point);
  if (sde_.has_potential()) work -= potential(next) - potential(cell);
  face.velocity = work / face.distance;
  face.peclet = work / face.diffusion;
  return face;
}

FaceFlux FaceFluxes::flux_of(const Face& face) const {
  const double theta = sde_.theta();
  if (!(face.diffusion >= 0)) { // negative on a face although not at any centre
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {nan, nan};
  }
  if (face.diffusion == 0) { // transport alone, and what Ito's term d(Dp)/dx leaves
    const double spread = theta == 1 ? 1 / face.distance : 0;
    return {std::max(face.velocity, 0.0) + spread * face.lower,
            std::max(-face.velocity, 0.0) + spread * face.upper};
  }
  double forward = 0;
  double backward = 0;
  if (square_root_) {
    forward = std::exp(0.5 * face.peclet);
    backward = std::exp(-0.5 * face.peclet);
  } else {
    const auto [down, up] = bernoulli(std::abs(face.peclet));
    forward = face.peclet > 0 ? up : down;
    backward = face.peclet > 0 ? down : up;
  }
  double lower = face.diffusion;
  double upper = face.diffusion;
  if (theta == 1) {
    lower = face.lower;
    upper = face.upper;
  } else if (theta == 0.5) {
    lower = std::sqrt(face.diffusion * face.lower);
    upper = std::sqrt(face.diffusion * face.upper);
  }
  return {lower * forward / face.distance, upper * backward / face.distance};
}

FaceFlux FaceFluxes::between(int k, const Index& cell) const {
  const FaceFlux flux = flux_of(face(k, cell));
  note_if_not_finite(flux, k, cell);
  return flux;
}

FaceFlux FaceFluxes::wall(int k, const Index& cell, Side side) const {
  const spaces::Axis& axis = grid_.axis(k);
  const double outward = side == Side::upper ? 1 : -1;
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  center(cell, point);
  const double at_center = sde_.has_drift() ? sde_.drift(k, point) : 0;
  x[at(k)] = side == Side::upper ? axis.to() : axis.from();
  Face face;
  face.distance = 0.5 * axis.width(cell[at(k)]);
  face.diffusion = sde_.diffusion(k, point);
  face.lower = sde_.constant_diffusion(k) ? face.diffusion : cell_diffusion(k, cell);
  face.upper = face.diffusion;
  double work = 0;
  if (sde_.has_drift()) {
    work += face.distance * outward * 0.5 * (at_center + sde_.drift(k, point));
  }
  if (sde_.has_potential()) work -= sde_.potential(point) - potential(cell);
  face.velocity = work / face.distance;
  face.peclet = work / face.diffusion;
  const FaceFlux flux{flux_of(face).lower, 0};
  note_if_not_finite(flux, k, cell);
  return flux;
}

double FaceFluxes::log_ratio(int k, const Index& cell) const {
  if (!axis_aligned()) return lattice_->axis_work(k, cell);
  const Face face = this->face(k, cell);
  if (face.diffusion == 0 || face.lower == 0 || face.upper == 0) {
    return std::numeric_limits<double>::infinity();
  }
  const double theta = sde_.theta();
  return face.peclet - (theta == 0 ? 0.0 : theta * std::log(face.upper / face.lower));
}

double FaceFluxes::face_velocity(int k, const Index& cell) const {
  return face(k, cell).velocity;
}

bool FaceFluxes::gibbs() const {
  if (sde_.has_drift() || !sde_.has_potential() || sde_.full_diffusion()) return false;
  for (int k = 0; k < grid_.dimension(); ++k) {
    const std::optional<double> diffusion = sde_.constant_diffusion(k);
    if (!diffusion || *diffusion == 0 || *diffusion != *sde_.constant_diffusion(0)) return false;
    if (tilt_[at(k)] != 0) return false;
  }
  return true;
}

void FaceFluxes::note_if_not_finite(const FaceFlux& flux, int k, const Index& cell) const {
  if (std::isfinite(flux.lower) && std::isfinite(flux.upper)) return;
  if (!trouble_.empty()) return;
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  center(cell, point);
  trouble_ = fmt::format("between the cell at {} and the next one along {}",
                         spaces::place_text(grid_, point), grid_.axis(k).name());
}

void FaceFluxes::require_finite() const {
  const std::string trouble =
      base::first_text(grid_.comm(), axis_aligned() ? trouble_ : lattice_->trouble());
  if (trouble.empty()) return;
  throw base::InputError(fmt::format(
      "the model's rates are not finite {}: a formula is singular there, or the force over the "
      "diffusion exceeds what a number can hold; move the grid's edges or soften the formula",
      trouble));
}

} // namespace komori::operators
