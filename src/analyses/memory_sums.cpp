#include "analyses/memory_sums.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <unsupported/Eigen/MatrixFunctions>

#include "analyses/memory_model.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXcd;
using Eigen::MatrixXd;
using Eigen::VectorXcd;

/// (e^x - 1) / x and int_0^1 u e^(xu) du, without cancellation.
Complex phi(Complex x) {
  if (std::abs(x) > 0.5) return (std::exp(x) - 1.0) / x;
  Complex term = 1;
  Complex sum = 1;
  for (int n = 2; n < 20; ++n) sum += term *= x / static_cast<double>(n);
  return sum;
}
Complex moment(Complex x) {
  if (std::abs(x) > 0.5) return (std::exp(x) * (x - 1.0) + 1.0) / (x * x);
  Complex power = 1; // x^n / n!, times 1 / (n + 2)
  Complex sum = 0.5;
  for (int n = 1; n < 20; ++n) {
    power *= x / static_cast<double>(n);
    sum += power / static_cast<double>(n + 2);
  }
  return sum;
}

/// (e^(at) - e^(bt)) / (a - b).
Complex difference(Complex a, Complex b, double t) {
  const Complex x = (a - b) * t;
  if (std::abs(x) < 0.5) return t * std::exp(b * t) * phi(x);
  return (std::exp(a * t) - std::exp(b * t)) / (a - b);
}

} // namespace

void MemorySums::normalise(const Coupling& coupling) {
  const Index k = functions();
  const auto divide = [&](Eigen::Ref<MatrixXcd> weights, double sign) {
    const MatrixXd re = coupling.divided(weights.real().transpose());
    const MatrixXd im = coupling.divided(weights.imag().transpose());
    weights = sign * (re.cast<Complex>() + Complex(0, 1) * im.cast<Complex>()).transpose();
  };
  for (linalg::ExponentialSum& sum : kernel_) {
    if (sum.exponents.size() == 0) continue;
    divide(sum.weights.topRows(k), -1);
    divide(sum.weights.bottomRows(k), 1);
  }
  for (linalg::ExponentialSum& sum : propagator_) divide(sum.weights, 1);
}

MatrixXd MemorySums::kernel(double time) const {
  MatrixXd value(functions(), functions());
  for (Index a = 0; a < functions(); ++a) {
    value.row(a) = kernel_[static_cast<std::size_t>(a)].value(time).head(functions()).transpose();
  }
  return value;
}

MatrixXd MemorySums::forces(double time) const {
  MatrixXd value(functions(), functions());
  for (Index a = 0; a < functions(); ++a) {
    value.row(a) = kernel_[static_cast<std::size_t>(a)].value(time).tail(functions()).transpose();
  }
  return value;
}

MatrixXd MemorySums::propagator(double time) const {
  MatrixXd value(functions(), functions());
  for (Index a = 0; a < functions(); ++a) {
    value.row(a) = propagator_[static_cast<std::size_t>(a)].value(time).transpose();
  }
  return value;
}

MatrixXd MemorySums::propagator_slope(double time) const {
  MatrixXd value(functions(), functions());
  for (Index a = 0; a < functions(); ++a) {
    value.row(a) = propagator_[static_cast<std::size_t>(a)].slope(time).transpose();
  }
  return value;
}

MatrixXd MemorySums::convolution(double time) const {
  const Index k = functions();
  MatrixXd value = MatrixXd::Zero(k, k);
  for (Index a = 0; a < k; ++a) {
    const linalg::ExponentialSum& left = kernel_[static_cast<std::size_t>(a)];
    for (Index c = 0; c < k; ++c) {
      const linalg::ExponentialSum& right = propagator_[static_cast<std::size_t>(c)];
      VectorXcd folded = VectorXcd::Zero(right.exponents.size());
      for (Index n = 0; n < folded.size(); ++n) {
        for (Index m = 0; m < left.exponents.size(); ++m) {
          folded[n] += left.weights(c, m) * difference(left.exponents[m], right.exponents[n], time);
        }
      }
      value.row(a) += (right.weights * folded).real().transpose();
    }
  }
  return value;
}

MatrixXd MemorySums::integral() const {
  const Index k = functions();
  MatrixXd value = MatrixXd::Zero(k, k);
  for (Index a = 0; a < k; ++a) {
    const linalg::ExponentialSum& sum = kernel_[static_cast<std::size_t>(a)];
    for (Index m = 0; m < sum.exponents.size(); ++m) {
      value.row(a) -= (sum.weights.col(m).head(k) / sum.exponents[m]).real().transpose();
    }
  }
  return value;
}

std::vector<MatrixXd> MemorySums::model(const MatrixXd& omega, double step,
                                        std::size_t steps) const {
  const Index k = functions();
  Index size = k;
  for (const linalg::ExponentialSum& sum : kernel_) size += sum.exponents.size();
  constexpr Index largest = 400;
  if (size > largest) return {};
  MatrixXcd system = MatrixXcd::Zero(size, size);
  system.topLeftCorner(k, k) = omega.cast<Complex>();
  Index at = k;
  for (Index a = 0; a < k; ++a) {
    const linalg::ExponentialSum& sum = kernel_[static_cast<std::size_t>(a)];
    for (Index m = 0; m < sum.exponents.size(); ++m, ++at) {
      system(at, at) = sum.exponents[m];
      system.row(at).head(k) = sum.weights.col(m).head(k).transpose();
      system(a, at) = -1;
    }
  }
  const MatrixXcd advance = (system * step).exp();
  MatrixXcd state = MatrixXcd::Zero(size, k);
  state.topRows(k).setIdentity();
  std::vector<MatrixXd> values{MatrixXd::Identity(k, k)};
  for (std::size_t n = 0; n < steps; ++n) {
    state = (advance * state).eval();
    values.emplace_back(state.topRows(k).real());
  }
  return values;
}

void MemorySums::step_weights(double step, std::size_t j, MatrixXd& near, MatrixXd& far) const {
  const Index k = functions();
  near.setZero(k, k);
  far.setZero(k, k);
  const double begin = static_cast<double>(j) * step;
  for (Index a = 0; a < k; ++a) {
    const linalg::ExponentialSum& sum = kernel_[static_cast<std::size_t>(a)];
    for (Index m = 0; m < sum.exponents.size(); ++m) {
      const Complex x = sum.exponents[m] * step;
      const Complex start = step * std::exp(sum.exponents[m] * begin);
      const Complex second = start * moment(x);
      const Complex first = start * phi(x) - second;
      near.row(a) += (first * sum.weights.col(m).head(k)).real().transpose();
      far.row(a) += (second * sum.weights.col(m).head(k)).real().transpose();
    }
  }
}

namespace {

/// Times between which straight lines follow the kernel to `share` of its largest norm.
std::vector<double> adaptive_times(const MemorySums& sums, double to, double share) {
  const double allowed = share * sums.kernel(0).norm();
  std::vector<double> times{0};
  constexpr double shortest = 1e-6;
  constexpr std::size_t most = 100'000;
  const auto split = [&](auto&& self, double a, double b, const MatrixXd& at_a,
                         const MatrixXd& at_b) -> void {
    const double middle = 0.5 * (a + b);
    const MatrixXd value = sums.kernel(middle);
    const bool straight = (value - 0.5 * (at_a + at_b)).norm() <= allowed;
    if ((straight && b - a <= to / 8) || b - a <= shortest * to || times.size() > most) {
      times.push_back(b);
      return;
    }
    self(self, a, middle, at_a, value);
    self(self, middle, b, value, at_b);
  };
  split(split, 0, to, sums.kernel(0), sums.kernel(to));
  return times;
}

/// Errors of the propagator with a shorter memory, in steps that exponentials fit exactly.
void truncate_sums(const MemorySums& sums, double to, std::size_t steps, MemoryResult& result) {
  const Index k = result.gram.rows();
  // The work grows with the square of the steps.
  const double most = std::sqrt(2e10 / (20 * std::pow(static_cast<double>(k), 3)));
  const std::size_t count = std::min(steps, static_cast<std::size_t>(std::max(20.0, most)));
  const double step = to / static_cast<double>(count);
  std::vector<MatrixXd> near(count);
  std::vector<MatrixXd> far(count);
  for (std::size_t j = 0; j < count; ++j) sums.step_weights(step, j, near[j], far[j]);
  truncate(near, far, step, result);
}

/// The largest defect of R' = Omega R - K * R at some times, relative to the largest term there.
double identity_defect(const MemorySums& sums, const MatrixXd& omega, double to) {
  double worst = 0;
  for (const double share : {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 1.0}) {
    const double t = share * to;
    const MatrixXd slope = sums.propagator_slope(t);
    const MatrixXd streamed = omega * sums.propagator(t);
    const MatrixXd remembered = sums.convolution(t);
    // Where everything has decayed the terms at the start set the scale.
    const double size =
        std::max({slope.norm(), streamed.norm(), remembered.norm(), 1e-3 * omega.norm()});
    if (size > 0) worst = std::max(worst, (slope - streamed + remembered).norm() / size);
  }
  return worst;
}

} // namespace

void evaluate(const MemorySums& sums, const MemoryTimesInput& times, MemoryResult& result) {
  const auto steps = static_cast<std::size_t>(times.steps);
  const double step = times.to / static_cast<double>(steps);
  for (std::size_t i = 0; i <= steps; ++i) {
    result.propagated_times.push_back(static_cast<double>(i) * step);
  }
  result.times =
      times.adaptive > 0 ? adaptive_times(sums, times.to, times.adaptive) : result.propagated_times;
  double largest = 0;
  std::array<double, 2> apart{0, 0}; // K from + and - the force correlation
  for (const double t : result.times) {
    result.kernel.push_back(sums.kernel(t));
    result.forces.push_back(sums.forces(t));
    largest = std::max(largest, result.forces.back().norm());
    apart[0] = std::max(apart[0], (result.kernel.back() - result.forces.back()).norm());
    apart[1] = std::max(apart[1], (result.kernel.back() + result.forces.back()).norm());
  }
  result.fluctuation_sign = apart[0] <= apart[1] ? 1 : -1;
  if (largest > 0) result.fluctuation_dissipation = std::min(apart[0], apart[1]) / largest;
  for (const double t : result.propagated_times) result.propagator.push_back(sums.propagator(t));
  result.kernel_error = sums.kernel_error();
  result.integral = sums.integral();
  if (!result.closed) return;
  result.identity_error =
      std::max(result.identity_error, identity_defect(sums, result.omega.front(), times.to));
  result.model = sums.model(result.omega.front(), step, steps);
  for (std::size_t i = 0; i < result.model.size(); ++i) {
    result.gme_error.push_back((result.model[i] - result.propagator[i]).norm());
  }
  truncate_sums(sums, times.to, steps, result);
}

} // namespace komori::analyses
