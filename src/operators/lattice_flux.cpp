#include "operators/lattice_flux.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace komori::operators {
namespace {

using spaces::Boundary;
using spaces::Index;
using Point = std::array<double, spaces::max_dimension>;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

} // namespace

Index LatticeFluxes::moved(Index cell, std::size_t q, int by) const {
  for (int k = 0; k < grid_.dimension(); ++k) cell[at(k)] += by * offsets_[q][at(k)];
  return cell;
}

Index LatticeFluxes::wrapped(Index cell) const {
  for (int k = 0; k < grid_.dimension(); ++k) cell[at(k)] = grid_.axis(k).wrapped(cell[at(k)]);
  return cell;
}

/// The centre of cell i on axis k, beyond the seam of a periodic axis too.
double LatticeFluxes::position(int k, PetscInt i) const {
  const spaces::Axis& axis = grid_.axis(k);
  const PetscInt inside = axis.wrapped(i);
  const PetscInt periods = (i - inside) / axis.cells();
  return axis.center(inside) + static_cast<double>(periods) * axis.length();
}

void LatticeFluxes::widths(const Index& cell, std::span<double> width) const {
  for (int k = 0; k < grid_.dimension(); ++k) {
    width[at(k)] = grid_.axis(k).width(grid_.axis(k).wrapped(cell[at(k)]));
  }
}

bool LatticeFluxes::is_kept(const Index& cell) const {
  for (int k = 0; k < grid_.dimension(); ++k) {
    const PetscInt offset = cell[at(k)] - kept_start_[at(k)];
    if (offset < 0 || offset >= kept_count_[at(k)]) return false;
  }
  return true;
}

std::size_t LatticeFluxes::kept(const Index& cell) const {
  PetscInt position = 0;
  for (int k = 0; k < grid_.dimension(); ++k) {
    position = position * kept_count_[at(k)] + (cell[at(k)] - kept_start_[at(k)]);
  }
  return static_cast<std::size_t>(position);
}

bool LatticeFluxes::near_wall(const Index& cell) const {
  for (int k = 0; k < grid_.dimension(); ++k) {
    const spaces::Axis& axis = grid_.axis(k);
    if (axis.periodic()) continue;
    if (cell[at(k)] < reach_ || cell[at(k)] + reach_ >= axis.cells()) return true;
  }
  return false;
}

LatticeFluxes::Fate LatticeFluxes::fate_of(const Index& cell, std::size_t q, int sign) const {
  Fate fate;
  for (int k = 0; k < grid_.dimension(); ++k) {
    const spaces::Axis& axis = grid_.axis(k);
    const int step = sign * offsets_[q][at(k)];
    if (step == 0 || axis.periodic()) continue;
    const PetscInt i = cell[at(k)];
    if (axis.contains(i + step)) continue;
    const double to_wall =
        step < 0 ? static_cast<double>(i) + 0.5 : static_cast<double>(axis.cells() - i) - 0.5;
    const double fraction = to_wall / std::abs(step);
    if (!fate.inside && fraction >= fate.fraction) continue;
    const Side side = step < 0 ? Side::lower : Side::upper;
    fate = {.inside = false,
            .absorbed = (side == Side::lower ? axis.lower() : axis.upper()) == Boundary::absorbing,
            .axis = k,
            .side = side,
            .fraction = fraction};
  }
  return fate;
}

/// Both ends of the offset lie behind reflecting walls.
bool LatticeFluxes::lost(const Index& cell, std::size_t q) const {
  return fate_of(cell, q, 1).dropped() && fate_of(cell, q, -1).dropped();
}

/// The part of the noise at `cell` that acts along sign * offset q, as lambda.
double LatticeFluxes::weight(const Index& cell, std::size_t q, int sign) const {
  const bool near = near_wall(cell);
  const std::size_t first = shared_ ? 0 : kept(cell) * at(terms_);
  double sum = 0;
  for (std::size_t n = first; n < first + at(terms_); ++n) {
    const std::size_t own = which_[n];
    if (own == q) {
      if (!near || !lost(cell, q)) sum += weights_[n];
    } else if (near && along_axis_[q] >= 0 && weights_[n] > 0) {
      const double step = offsets_[own][at(along_axis_[q])];
      if (step != 0 && lost(cell, own)) sum += weights_[n] * step * step;
    }
  }
  return near && sum > 0 && fate_of(cell, q, -sign).dropped() ? 2 * sum : sum;
}

bool LatticeFluxes::find_link(const Index& cell, std::size_t q, int sign, Link& link) const {
  if (near_wall(cell) && !fate_of(cell, q, sign).inside) return false;
  const Index other = moved(cell, q, sign);
  const double here = weight(cell, q, sign);
  const double there = weight(other, q, -sign);
  if (here + there == 0 || wrapped(other) == cell) return false; // once round a short axis
  const double volume = grid_.volume(cell);
  const double other_volume = grid_.volume(wrapped(other));
  const double total = volume * here + other_volume * there;
  const double work = sign > 0 ? this->work(cell, other) : -this->work(other, cell);
  double forward = std::exp(0.5 * work);
  double backward = std::exp(-0.5 * work);
  if (!square_root_) {
    const auto [down, up] = bernoulli(std::abs(work));
    forward = work > 0 ? up : down;
    backward = work > 0 ? down : up;
  }
  link = {.cell = other,
          .out = 0.5 * total * forward / volume,
          .back = 0.5 * total * backward / other_volume,
          .log_ratio = work,
          .share = volume * here / total,
          .upper = sign > 0};
  if (!std::isfinite(link.out) || !std::isfinite(link.back)) note(cell);
  return true;
}

double LatticeFluxes::exit_rate(const Index& cell, std::size_t q, int sign, double fraction) const {
  const double weight = this->weight(cell, q, sign);
  if (weight == 0) return 0;
  Point force{};
  Point width{};
  force_at(cell, std::span(force.data(), at(grid_.dimension())));
  widths(cell, width);
  double work = 0;
  for (int k = 0; k < grid_.dimension(); ++k) {
    work += fraction * sign * offsets_[q][at(k)] * width[at(k)] * force[at(k)];
  }
  double factor = std::exp(0.5 * work);
  if (!square_root_) {
    const auto [down, up] = bernoulli(std::abs(work));
    factor = work > 0 ? up : down;
  }
  const double rate = weight / fraction * factor;
  if (!std::isfinite(rate)) note(cell);
  return rate;
}

void LatticeFluxes::force_at(const Index& cell, std::span<double> force) const {
  const std::size_t d = force.size();
  if (is_kept(cell) && !forces_.empty()) {
    const std::size_t first = kept(cell) * d;
    std::copy_n(forces_.begin() + static_cast<std::ptrdiff_t>(first), d, force.begin());
    return;
  }
  Point x{};
  Point width{};
  grid_.center(wrapped(cell), std::span(x.data(), d));
  widths(cell, width);
  force_(std::span<const double>(x.data(), d), width, force);
}

/// Work of the force on the straight way between the centres of two cells.
double LatticeFluxes::work(const Index& from, const Index& to) const {
  int axis = -1;
  for (int k = 0; k < grid_.dimension(); ++k) {
    const PetscInt step = to[at(k)] - from[at(k)];
    if (step == 0) continue;
    if (step != 1 || axis >= 0) return work_along(from, to);
    axis = k;
  }
  return axis_work(axis, from);
}

double LatticeFluxes::axis_work(int k, const Index& cell) const {
  if (!axis_works_.empty() && is_kept(cell)) {
    return axis_works_[kept(cell) * at(grid_.dimension()) + at(k)];
  }
  Index next = cell;
  ++next[at(k)];
  return work_along(cell, next);
}

double LatticeFluxes::work_along(const Index& from, const Index& to) const {
  const std::size_t d = at(grid_.dimension());
  Point step{};
  for (int k = 0; k < grid_.dimension(); ++k) {
    step[at(k)] = position(k, to[at(k)]) - position(k, from[at(k)]);
  }
  const auto along = [&](const Point& force) {
    double sum = 0;
    for (std::size_t k = 0; k < d; ++k) sum += force[k] * step[k];
    return sum;
  };
  double mean = 0;
  if (rule_ != Rule::midpoint) {
    Point one{};
    Point two{};
    force_at(from, std::span(one.data(), d));
    force_at(to, std::span(two.data(), d));
    mean = 0.5 * (along(one) + along(two));
    if (rule_ == Rule::mean) return mean;
  }
  Point x{};
  Point width{};
  Point force{};
  widths(from, width);
  for (int k = 0; k < grid_.dimension(); ++k) {
    const spaces::Axis& axis = grid_.axis(k);
    double& place = x[at(k)];
    place = position(k, from[at(k)]) + 0.5 * step[at(k)];
    if (axis.periodic()) place -= std::floor((place - axis.from()) / axis.length()) * axis.length();
  }
  force_(std::span<const double>(x.data(), d), width, std::span(force.data(), d));
  return rule_ == Rule::midpoint ? along(force) : (mean + 2 * along(force)) / 3;
}

void LatticeFluxes::note(const Index& cell) const {
  if (!trouble_.empty()) return;
  Point x{};
  const std::span<double> point(x.data(), at(grid_.dimension()));
  grid_.center(cell, point);
  trouble_ = fmt::format("between the cell at {} and those it is linked to",
                         spaces::place_text(grid_, point));
}

} // namespace komori::operators
