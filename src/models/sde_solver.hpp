/// Stochastic differential equations dX = f dt + sigma dW by steps of equal length.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/timed_formulas.hpp"
#include "spaces/points.hpp"

namespace komori::models {

/// What multiplies dW: sigma itself, or a D = sigma sigma^T / 2 whose root is taken.
class NoiseAmplitude {
public:
  enum class Shape {
    diagonal,        ///< D_k, one formula per variable
    diagonal_root,   ///< sigma_k
    matrix,          ///< D, symmetric positive semidefinite, row by row
    rectangular_root ///< sigma, a row per variable, a column per Wiener process
  };
  /// `key`: of the formulas with its place, for messages.
  NoiseAmplitude(TimedFormulas formulas, Shape shape, std::size_t dimension, std::string key);

  bool constant() const noexcept { return formulas_.constant(); }
  bool uses_time() const noexcept { return formulas_.uses_time(); }
  bool diagonal() const noexcept { return shape_ != Shape::matrix && !rectangular(); }
  /// Wiener processes.
  std::size_t columns() const noexcept { return columns_; }
  /// Numbers per point that `evaluate` makes.
  std::size_t size() const noexcept { return diagonal() ? dimension_ : dimension_ * columns_; }
  /// sigma at all points: values[k * count + i] if diagonal, values[(k * columns + c) * count + i]
  /// otherwise. Throws InputError where D is not finite, or no square. Local.
  void evaluate(double t, const spaces::Points& points, const std::vector<std::string>& names,
                std::span<double> values) const;

private:
  bool rectangular() const noexcept { return shape_ == Shape::rectangular_root; }
  [[noreturn]] void refuse(double t, const spaces::Points& points, std::size_t i,
                           const std::vector<std::string>& names, const std::string& problem) const;
  TimedFormulas formulas_;
  Shape shape_;
  std::size_t dimension_;
  std::size_t columns_;
  std::string key_;
};

/// Euler and Maruyama's method (weak order 1, Ito), or Heun's (Stratonovich; weak order 2 where
/// sigma is constant) with Gaussian increments (Kloeden, Platen, Numerical Solution of Stochastic
/// Differential Equations, 1992).
///
/// An increment is a function of the seed, of a point's number, of the path and of the step. A
/// solver with `halved` steps takes two for one; their increments add up to those of the other, so
/// that paths can be compared one by one. Local.
class SdeSolver {
public:
  struct Control {
    bool heun = false;
    std::int64_t steps = 1; ///< before they are halved
    bool halved = false;
    std::int64_t seed = 1;
  };
  SdeSolver(const TimedFormulas& field, const NoiseAmplitude& noise, std::vector<std::string> names,
            const Control& control);

  /// Follows all points from `start` to `end`. Throws InputError where a path or the noise has no
  /// finite value.
  void follow(double start, double end, const spaces::Points& points, std::int64_t path,
              std::span<double> images);

private:
  void draw(const spaces::Points& points, std::int64_t path, std::int64_t step, double length);
  /// state += weight * sigma dW.
  void add_noise(std::span<const double> sigma, double weight, std::size_t count,
                 std::span<double> state) const;

  const TimedFormulas& field_;
  const NoiseAmplitude& noise_;
  std::vector<std::string> names_;
  Control control_;
  std::vector<double> increments_; ///< increments_[c * count + i]
  std::vector<double> state_;
  std::vector<double> moved_;
  std::vector<double> drift_;
  std::vector<double> moved_drift_;
  std::vector<double> sigma_;
  std::vector<double> moved_sigma_;
};

} // namespace komori::models
