#include "operators/face_lines.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "operators/rate_loops.hpp"

namespace komori::operators {
namespace {

using spaces::Index;
using Quantity = models::Sde::Quantity;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

} // namespace

FaceLines::FaceLines(const FaceFluxes& fluxes, int k, bool couplings)
    : fluxes_(fluxes), grid_(fluxes.grid()), k_(k), last_(grid_.dimension() - 1),
      constant_(fluxes.sde().constant_diffusion(k)) {
  const auto longest = static_cast<std::size_t>(grid_.block().count[at(last_)]) + 1;
  const models::Sde& sde = fluxes.sde();
  if (sde.has_drift() && fluxes.face_drift_ != FaceFluxes::FaceDrift::mean) {
    drift_.emplace(sde, Quantity::drift, k, std::min(longest, chunk));
  }
  if (!constant_) diffusion_.emplace(sde, Quantity::diffusion, k, std::min(longest, chunk));
  for (base::LaneArray* array : {&up_, &down_}) *array = base::LaneArray(longest);
  for (base::LaneArray* array : {&distance_, &up_scale_, &down_scale_}) {
    *array = base::LaneArray(k_ == last_ ? longest : std::min(longest, chunk), 1);
  }
  if (couplings) couplings_ = base::LaneArray(longest);
  places_.resize(longest);
  placed_.fill(std::numeric_limits<PetscInt>::min());
}

Index FaceLines::cell_at(Index first, std::size_t i) const {
  first[at(last_)] += static_cast<PetscInt>(i);
  return first;
}

/// What depends on the place along axis k and along the line alone.
void FaceLines::set_scales(const Index& first, std::size_t count) {
  const spaces::Axis& axis = grid_.axis(k_);
  const spaces::Axis& line = grid_.axis(last_);
  const bool moved = placed_[at(last_)] != first[at(last_)];
  if (moved) {
    for (std::size_t i = 0; i < count; ++i) {
      const PetscInt along = line.wrapped(first[at(last_)] + static_cast<PetscInt>(i));
      places_[i] = k_ == last_ ? line.edge(along + 1) : line.center(along);
    }
  }
  // On the faces of other axes one number serves the line; it is kept for as many as are worked on.
  if (moved || placed_[at(k_)] != first[at(k_)]) {
    for (std::size_t i = 0; i < (k_ == last_ ? count : 1); ++i) {
      const PetscInt lower = axis.wrapped(cell_at(first, i)[at(k_)]);
      const double distance = axis.distance(lower);
      distance_.data()[i] = distance;
      up_scale_.data()[i] = 1 / (distance * axis.width(lower));
      down_scale_.data()[i] = 1 / (distance * axis.width(axis.wrapped(lower + 1)));
    }
    for (base::LaneArray* array : {&distance_, &up_scale_, &down_scale_}) {
      if (k_ != last_) std::fill_n(array->data(), array->size(), *array->data());
    }
  }
  placed_ = first;
}

void FaceLines::compute(const Index& first, std::size_t count) {
  set_scales(first, count);
  for (std::size_t start = 0; start < count; start += chunk) {
    const std::size_t part = std::min(chunk, count - start);
    works(first, start, part);
    if (!constant_) diffusions(first, start, part);
    rates(first, start, part);
    if (couplings_.size() == 0) continue;
    base::apply(base::Elementary::sqrt, up_.data() + start, b_.lower.data(), base::padded(part));
    base::apply(base::Elementary::sqrt, down_.data() + start, b_.upper.data(), base::padded(part));
    for (std::size_t i = 0; i < part; ++i) { // the product may underflow, the roots do not
      couplings_.data()[start + i] = b_.lower.data()[i] * b_.upper.data()[i];
    }
  }
}

/// The force times the distance: a difference of the potential is exact, a drift is averaged.
void FaceLines::works(const Index& first, std::size_t start, std::size_t count) {
  double* const work = b_.work.data();
  const models::Sde& sde = fluxes_.sde();
  const Index lower = cell_at(first, start);
  Index upper = lower;
  ++upper[at(k_)];
  std::fill_n(work, chunk, 0.0);
  if (sde.has_drift()) {
    if (drift_) {
      std::array<double, spaces::max_dimension> point{};
      fluxes_.center(lower, point);
      if (k_ != last_) {
        point[at(k_)] = grid_.axis(k_).edge(grid_.axis(k_).wrapped(lower[at(k_)]) + 1);
      }
      drift_->sample(point, std::span<const double>(places_).subspan(start, count), work);
    }
    if (fluxes_.face_drift_ != FaceFluxes::FaceDrift::midpoint) {
      const double* const here = fluxes_.kept_line(fluxes_.drift_[at(k_)], lower);
      const double* const there = fluxes_.kept_line(fluxes_.drift_[at(k_)], upper);
      const bool simpson = fluxes_.face_drift_ == FaceFluxes::FaceDrift::simpson;
      for (std::size_t i = 0; i < count; ++i) {
        const double mean = 0.5 * (here[i] + there[i]);
        work[i] = simpson ? (mean + 2 * work[i]) / 3 : mean;
      }
    }
    const double* const distance = distance_.data() + scale_at(start);
    for (std::size_t i = 0; i < count; ++i) work[i] *= distance[i];
  }
  if (!sde.has_potential()) return;
  const double* const here = fluxes_.kept_line(fluxes_.potential_, lower);
  const double* const there = fluxes_.kept_line(fluxes_.potential_, upper);
  for (std::size_t i = 0; i < count; ++i) work[i] -= there[i] - here[i];
  // Over the seam of a tilted ring the potential grows by its tilt.
  const double tilt = fluxes_.tilt(k_);
  if (tilt == 0) return;
  const PetscInt cells = grid_.axis(k_).cells();
  const auto over_seam = [&](PetscInt j) { return j == -1 || j == cells - 1; };
  for (std::size_t i = 0; i < count; ++i) {
    if (over_seam(lower[at(k_)] + (k_ == last_ ? static_cast<PetscInt>(i) : 0))) work[i] -= tilt;
  }
}

/// D on the faces, and at both cells as the convention wants it.
void FaceLines::diffusions(const Index& first, std::size_t start, std::size_t count) {
  const Index lower = cell_at(first, start);
  Index upper = lower;
  ++upper[at(k_)];
  std::array<double, spaces::max_dimension> point{};
  fluxes_.center(lower, point);
  if (k_ != last_) {
    point[at(k_)] = grid_.axis(k_).edge(grid_.axis(k_).wrapped(lower[at(k_)]) + 1);
  }
  double* const face = b_.face.data();
  diffusion_->sample(point, std::span<const double>(places_).subspan(start, count), face);
  const double theta = fluxes_.sde().theta();
  const auto from_cells = [&](const Index& cell, double* to) {
    const double* const values = fluxes_.kept_line(fluxes_.diffusion_[at(k_)], cell);
    if (theta == 1) {
      std::copy_n(values, count, to);
    } else if (theta == 0) {
      std::copy_n(face, count, to);
    } else {
      for (std::size_t i = 0; i < count; ++i) b_.size.data()[i] = face[i] * values[i];
      base::apply(base::Elementary::sqrt, b_.size.data(), to, base::padded(count));
    }
  };
  from_cells(lower, b_.lower.data());
  from_cells(upper, b_.upper.data());
}

void FaceLines::rates(const Index& first, std::size_t start, std::size_t count) {
  const bool finite = compute_rates({.work = b_.work.data(),
                                     .face = constant_ ? nullptr : b_.face.data(),
                                     .lower = b_.lower.data(),
                                     .upper = b_.upper.data(),
                                     .diffusion = constant_.value_or(0),
                                     .up_scale = up_scale_.data() + scale_at(start),
                                     .down_scale = down_scale_.data() + scale_at(start),
                                     .size = b_.size.data(),
                                     .growth = b_.growth.data(),
                                     .up = up_.data() + start,
                                     .down = down_.data() + start},
                                    count, fluxes_.square_root_);
  if (!finite) patch(first, start, count);
}

/// Faces without diffusion, and those where a rate is not a number, one by one.
void FaceLines::patch(const Index& first, std::size_t start, std::size_t count) {
  double* const up = up_.data() + start;
  double* const down = down_.data() + start;
  for (std::size_t i = 0; i < count; ++i) {
    const double diffusion = constant_ ? *constant_ : b_.face.data()[i];
    if (diffusion > 0 && std::isfinite(up[i]) && std::isfinite(down[i])) continue;
    const FaceFlux flux = fluxes_.between(k_, cell_at(first, start + i));
    const std::size_t place = scale_at(start) + (k_ == last_ ? i : 0);
    const double distance = distance_.data()[place];
    up[i] = flux.lower * (distance * up_scale_.data()[place]);
    down[i] = flux.upper * (distance * down_scale_.data()[place]);
  }
}

} // namespace komori::operators
