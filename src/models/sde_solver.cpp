#include "models/sde_solver.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"

namespace komori::models {
namespace {

std::string place_text(const std::vector<std::string>& names, const spaces::Points& points,
                       std::size_t i) {
  std::string text;
  for (std::size_t k = 0; k < names.size(); ++k) {
    text += fmt::format("{}{} = {:.6g}", k ? ", " : "", names[k], points.x[k * points.count + i]);
  }
  return text;
}

/// Keeps the numbers of this purpose apart from those of random places of the same seed.
constexpr std::uint64_t purpose = 0x77696e6572; // "wiener"

} // namespace

NoiseAmplitude::NoiseAmplitude(TimedFormulas formulas, Shape shape, std::size_t dimension,
                               std::string key)
    : formulas_(std::move(formulas)), shape_(shape), dimension_(dimension),
      columns_(shape == Shape::rectangular_root ? formulas_.size() / dimension : dimension),
      key_(std::move(key)) {}

void NoiseAmplitude::refuse(double t, const spaces::Points& points, std::size_t i,
                            const std::vector<std::string>& names,
                            const std::string& problem) const {
  throw base::InputError(
      fmt::format("{} {} at {}, t = {:g}", key_, problem, place_text(names, points, i), t));
}

void NoiseAmplitude::evaluate(double t, const spaces::Points& points,
                              const std::vector<std::string>& names,
                              std::span<double> values) const {
  const std::size_t n = points.count;
  formulas_.evaluate(t, points, values);
  for (std::size_t e = 0; e < size(); ++e) {
    for (std::size_t i = 0; i < n; ++i) {
      if (!std::isfinite(values[e * n + i])) refuse(t, points, i, names, "is not finite");
    }
  }
  if (shape_ == Shape::diagonal) {
    for (std::size_t e = 0; e < dimension_; ++e) {
      for (std::size_t i = 0; i < n; ++i) {
        double& value = values[e * n + i];
        if (value < 0) refuse(t, points, i, names, fmt::format("is negative ({:g})", value));
        value = std::sqrt(2 * value);
      }
    }
  }
  if (shape_ != Shape::matrix) return;
  // Cholesky's factor of 2 D, in place; a direction without noise leaves a column of zeros.
  constexpr double rounding = 1e-12;
  const std::size_t d = dimension_;
  for (std::size_t i = 0; i < n; ++i) {
    const auto at = [&](std::size_t k, std::size_t l) -> double& {
      return values[(k * d + l) * n + i];
    };
    double scale = 0;
    for (std::size_t k = 0; k < d; ++k) scale = std::max(scale, std::abs(2 * at(k, k)));
    for (std::size_t k = 0; k < d; ++k) {
      for (std::size_t l = 0; l < k; ++l) {
        if (std::abs(at(k, l) - at(l, k)) > rounding * scale) {
          refuse(t, points, i, names, "is not symmetric");
        }
      }
    }
    for (std::size_t l = 0; l < d; ++l) {
      for (std::size_t k = l; k < d; ++k) {
        double sum = 2 * at(k, l);
        for (std::size_t m = 0; m < l; ++m) sum -= at(k, m) * at(l, m);
        if (k == l) {
          if (sum < -rounding * scale) refuse(t, points, i, names, "is not positive semidefinite");
          at(l, l) = sum > rounding * scale ? std::sqrt(sum) : 0;
        } else if (at(l, l) > 0) {
          at(k, l) = sum / at(l, l);
        } else {
          if (std::abs(sum) > 1e-6 * scale) {
            refuse(t, points, i, names, "is not positive semidefinite");
          }
          at(k, l) = 0;
        }
      }
      for (std::size_t k = 0; k < l; ++k) at(k, l) = 0;
    }
  }
}

SdeSolver::SdeSolver(const TimedFormulas& field, const NoiseAmplitude& noise,
                     std::vector<std::string> names, const Control& control)
    : field_(field), noise_(noise), names_(std::move(names)), control_(control) {}

void SdeSolver::draw(const spaces::Points& points, std::int64_t path, std::int64_t step,
                     double length) {
  const std::size_t columns = noise_.columns();
  increments_.resize(columns * points.count);
  const std::int64_t whole = control_.halved ? step / 2 : step;
  // Per path first the increments of whole steps, then what bridges their halves.
  const auto index = [&](std::int64_t number, std::size_t c) {
    const std::int64_t row = 2 * path * control_.steps + number;
    return static_cast<std::uint64_t>(row) * columns + c;
  };
  const double sign = step % 2 == 0 ? 1 : -1;
  const double size = control_.halved ? std::sqrt(length / 2) : std::sqrt(length);
  for (std::size_t i = 0; i < points.count; ++i) {
    const base::Random random(static_cast<std::uint64_t>(control_.seed) ^ purpose << 20,
                              static_cast<std::uint64_t>(points.first) + i);
    for (std::size_t c = 0; c < columns; ++c) {
      double number = random.normal(index(whole, c));
      if (control_.halved) number += sign * random.normal(index(control_.steps + whole, c));
      increments_[c * points.count + i] = size * number;
    }
  }
}

void SdeSolver::add_noise(std::span<const double> sigma, double weight, std::size_t count,
                          std::span<double> state) const {
  const bool diagonal = noise_.diagonal();
  const std::size_t columns = noise_.columns();
  for (std::size_t k = 0; k < names_.size(); ++k) {
    double* const to = state.data() + k * count;
    for (std::size_t c = diagonal ? k : 0; c < (diagonal ? k + 1 : columns); ++c) {
      const double* const s = sigma.data() + (diagonal ? k : k * columns + c) * count;
      const double* const w = increments_.data() + c * count;
      for (std::size_t i = 0; i < count; ++i) to[i] += weight * s[i] * w[i];
    }
  }
}

void SdeSolver::follow(double start, double end, const spaces::Points& points, std::int64_t path,
                       std::span<double> images) {
  const std::size_t n = points.count;
  if (n == 0) return;
  const std::int64_t steps = control_.steps * (control_.halved ? 2 : 1);
  const double h = (end - start) / static_cast<double>(steps);
  state_.assign(points.x.begin(), points.x.end());
  drift_.resize(state_.size());
  sigma_.resize(noise_.size() * n);
  const auto here = [&](std::span<const double> x) {
    return spaces::Points{.x = x, .count = n, .first = points.first};
  };
  for (std::int64_t step = 0; step < steps; ++step) {
    const double t = start + h * static_cast<double>(step);
    draw(points, path, step, h);
    field_.evaluate(t, here(state_), drift_);
    if (step == 0 || !noise_.constant()) noise_.evaluate(t, here(state_), names_, sigma_);
    moved_ = state_;
    for (std::size_t i = 0; i < moved_.size(); ++i) moved_[i] += h * drift_[i];
    add_noise(sigma_, 1, n, moved_);
    if (!control_.heun) {
      std::swap(state_, moved_);
    } else {
      moved_drift_.resize(state_.size());
      field_.evaluate(t + h, here(moved_), moved_drift_);
      for (std::size_t i = 0; i < state_.size(); ++i) {
        state_[i] += 0.5 * h * (drift_[i] + moved_drift_[i]);
      }
      if (noise_.constant()) {
        add_noise(sigma_, 1, n, state_);
      } else {
        moved_sigma_.resize(sigma_.size());
        noise_.evaluate(t + h, here(moved_), names_, moved_sigma_);
        add_noise(sigma_, 0.5, n, state_);
        add_noise(moved_sigma_, 0.5, n, state_);
      }
    }
    for (std::size_t j = 0; j < state_.size(); ++j) {
      if (std::isfinite(state_[j])) continue;
      throw base::InputError(fmt::format(
          "a path from {} is not finite after step {} of {} (t = {:g}): the steps are too long for "
          "the drift, or it has no value where the path has come; raise 'model.steps', or keep "
          "such places out of the grid",
          place_text(names_, points, j % n), step + 1, steps, t + h));
    }
  }
  std::copy(state_.begin(), state_.end(), images.begin());
}

} // namespace komori::models
