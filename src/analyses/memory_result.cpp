#include "analyses/memory_result.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "analyses/memory_model.hpp"

namespace komori::analyses {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

/// A memory below this share of the streaming is rounding.
constexpr double no_memory = 1e-11;
/// What the modes may leave of the kernel's tail where its decay is exponential.
constexpr double exponential_share = 0.05;

/// The kernel as a sequence: K(t), or Omega_l from l = 1 on.
std::vector<MatrixXd> sequence(const MemoryResult& result) {
  if (!result.discrete) return result.kernel;
  std::vector<MatrixXd> tail;
  for (std::size_t l = 1; l < result.omega.size(); ++l) tail.push_back(result.omega[l]);
  return tail;
}

/// Sum of the modes at entry i of the sequence.
MatrixXd modes_at(const MemoryResult& result, std::size_t i) {
  const Index k = result.gram.rows();
  MatrixXd sum = MatrixXd::Zero(k, k);
  for (const MemoryMode& mode : result.modes) {
    if (!mode.amplitude.allFinite()) continue;
    const std::complex<double> factor = result.discrete
                                            ? std::pow(mode.value, static_cast<double>(i))
                                            : std::exp(mode.value * result.times[i]);
    sum += (factor * mode.amplitude).real();
  }
  return sum;
}

/// Norms of the integral and of the first moment over all times.
void integrate(MemoryResult& result, const std::vector<MatrixXd>& kernel) {
  double weight = 0;
  double moment = 0;
  if (result.integral.size() == 0) {
    result.integral = MatrixXd::Zero(result.gram.rows(), result.gram.cols());
    for (std::size_t i = 0; i < kernel.size(); ++i) {
      double width = 1;
      if (!result.discrete) {
        const double before = i > 0 ? result.times[i] - result.times[i - 1] : 0;
        const double after = i + 1 < kernel.size() ? result.times[i + 1] - result.times[i] : 0;
        width = 0.5 * (before + after);
      }
      result.integral += width * kernel[i];
    }
  }
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    const double t = result.discrete ? static_cast<double>(i + 1) * result.lag : result.times[i];
    double width = 1;
    if (!result.discrete) {
      const double before = i > 0 ? t - result.times[i - 1] : 0;
      const double after = i + 1 < kernel.size() ? result.times[i + 1] - t : 0;
      width = 0.5 * (before + after);
    }
    weight += width * kernel[i].norm();
    moment += width * t * kernel[i].norm();
  }
  result.memory_time = weight > 0 ? moment / weight : 0;
  const double streaming = result.omega.front().norm();
  result.strength = streaming > 0 ? result.integral.norm() / streaming
                    : result.integral.norm() > 0 ? std::numeric_limits<double>::infinity()
                                                 : 0;
}

/// The largest share of the kernel's tail that the modes do not explain; NaN without kernel or
/// modes. The tail is the later half of the times at which the kernel is above its rounding.
double remainder_of(const MemoryResult& result, const std::vector<MatrixXd>& kernel) {
  if (kernel.empty() || result.modes.empty()) return std::nan("");
  double largest = 0;
  for (const MatrixXd& k : kernel) largest = std::max(largest, k.norm());
  if (largest == 0) return std::nan("");
  std::size_t end = 0;
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    if (kernel[i].norm() > 1e-7 * largest) end = i + 1;
  }
  double size = 0;
  double rest = 0;
  for (std::size_t i = end / 2; i < end; ++i) {
    size = std::max(size, kernel[i].norm());
    rest = std::max(rest, (kernel[i] - modes_at(result, i)).norm());
  }
  return size > 0 ? rest / size : std::nan("");
}

std::string verdict_of(const MemoryResult& result, const std::vector<MatrixXd>& kernel) {
  double largest = 0;
  for (const MatrixXd& k : kernel) largest = std::max(largest, k.norm());
  const double streaming = result.omega.front().norm();
  const double unit = result.discrete ? streaming : streaming * streaming;
  const bool any_mode = std::any_of(result.modes.begin(), result.modes.end(),
                                    [](const MemoryMode& mode) { return mode.visible; });
  if (!kernel.empty() && largest <= no_memory * unit && !any_mode) return "no memory";
  if (kernel.empty()) {
    if (result.modes.empty()) return "rates not asked for";
    return any_mode ? "rates alone" : "no memory in the slowest modes";
  }
  if (result.modes.empty()) return "rates not asked for";
  return result.remainder <= exponential_share ? "exponential" : "not exponential";
}

} // namespace

void judge(MemoryResult& result) {
  const std::vector<MatrixXd> kernel = sequence(result);
  integrate(result, kernel);
  result.remainder = remainder_of(result, kernel);
  if (result.discrete) {
    discrete_model(result);
  }
  result.verdict = verdict_of(result, kernel);
  for (std::size_t i = 0; i < result.truncation_lags.size(); ++i) {
    if (result.truncation_error[i] > result.accuracy) continue;
    result.enough = result.truncation_lags[i];
    break;
  }
}

} // namespace komori::analyses
