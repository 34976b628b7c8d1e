#include "analyses/memory_result.hpp"

#include <algorithm>
#include <array>
#include <cmath>

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
/// A power of time before an exponential adds some tenths to the rate seen at the end.
constexpr double clearly_faster = 1.5;

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
  result.strength = streaming > 0                ? result.integral.norm() / streaming
                    : result.integral.norm() > 0 ? std::numeric_limits<double>::infinity()
                                                 : 0;
}

/// What the modes leave of the kernel in its tail: the later half of the times at which it is above
/// its rounding.
struct Tail {
  double share = std::nan(""); ///< largest remainder over largest kernel; NaN without either
  double rate = 0;             ///< at which the remainder decays from the first half to the second
  double kernel_rate = 0;      ///< and the kernel itself
};
Tail tail_of(const MemoryResult& result, const std::vector<MatrixXd>& kernel) {
  Tail tail;
  if (kernel.empty() || result.modes.empty()) return tail;
  double largest = 0;
  for (const MatrixXd& k : kernel) largest = std::max(largest, k.norm());
  if (largest == 0) return tail;
  std::size_t end = 0;
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    if (kernel[i].norm() > 1e-7 * largest) end = i + 1;
  }
  const std::size_t begin = end / 2;
  const std::size_t middle = (begin + end) / 2;
  std::array<double, 2> all{0, 0};
  std::array<double, 2> rest{0, 0};
  for (std::size_t i = begin; i < end; ++i) {
    const std::size_t half = i < middle ? 0 : 1;
    all[half] = std::max(all[half], kernel[i].norm());
    rest[half] = std::max(rest[half], (kernel[i] - modes_at(result, i)).norm());
  }
  const double size = std::max(all[0], all[1]);
  if (size > 0) tail.share = std::max(rest[0], rest[1]) / size;
  const double apart =
      static_cast<double>(middle - begin) *
      (result.discrete ? result.lag : result.times.back() / static_cast<double>(kernel.size()));
  const auto decay = [&](const std::array<double, 2>& halves) {
    return halves[1] > 0 && halves[0] > 0 && apart > 0 ? std::log(halves[0] / halves[1]) / apart
                                                       : 0;
  };
  tail.rate = decay(rest);
  tail.kernel_rate = decay(all);
  return tail;
}

std::string verdict_of(const MemoryResult& result, const std::vector<MatrixXd>& kernel,
                       const Tail& tail) {
  double largest = 0;
  for (const MatrixXd& k : kernel) largest = std::max(largest, k.norm());
  const double streaming = result.omega.front().norm();
  const double unit = result.discrete ? streaming : streaming * streaming;
  const bool any_mode = std::any_of(result.modes.begin(), result.modes.end(),
                                    [](const MemoryMode& mode) { return mode.visible; });
  const double least = std::max(no_memory * unit, result.rounding);
  if (!kernel.empty() && largest <= least && !any_mode) return "no memory";
  if (kernel.empty()) {
    if (result.modes.empty()) return "rates not asked for";
    return any_mode ? "rates alone" : "no memory in the slowest modes";
  }
  if (result.modes.empty()) return "rates not asked for";
  if (tail.share <= exponential_share) return "exponential";
  // What decays much faster than all rates found is made of modes that were not asked for.
  double fastest = 0;
  for (const MemoryMode& mode : result.modes) {
    if (std::isfinite(mode.rate)) fastest = std::max(fastest, mode.rate);
  }
  // Larger than the kernel, the remainder is what modes found and others take from each other,
  // whose beats may look like decay: then the kernel's own decay counts.
  const double rate = tail.share > 1 ? std::min(tail.rate, tail.kernel_rate) : tail.rate;
  return rate > clearly_faster * fastest ? "faster than the rates asked for" : "not exponential";
}

/// Of a time series: the last time at which bands leave out 0 without a gap of more than a step
/// before it, and what that says.
std::string verdict_of_bands(MemoryResult& result) {
  MemoryBands& bands = result.bands;
  if (bands.samples == 0) return "estimated without bands";
  const auto& lower = result.discrete ? bands.omega_lower : bands.kernel_lower;
  const auto& upper = result.discrete ? bands.omega_upper : bands.kernel_upper;
  std::size_t seen = 0;
  std::size_t entries = 0;
  std::size_t outside = 0;
  const std::size_t first = result.discrete ? 1 : 0;
  for (std::size_t n = first; n < lower.size(); ++n) {
    const auto leaves_out = (lower[n].array() > 0 || upper[n].array() < 0).eval();
    entries += static_cast<std::size_t>(leaves_out.size());
    outside += static_cast<std::size_t>(leaves_out.count());
    if (leaves_out.any() && n <= seen + 1 + first) {
      seen = n;
      bands.seen_until = result.times[n];
    }
  }
  // As many would by chance.
  const double chance = 2 * (1 - bands.confidence) * static_cast<double>(entries);
  return static_cast<double>(outside) <= chance ? "within its bands" : "beyond its bands";
}

} // namespace

void judge(MemoryResult& result) {
  const std::vector<MatrixXd> kernel = sequence(result);
  integrate(result, kernel);
  const Tail tail = tail_of(result, kernel);
  result.remainder = tail.share;
  if (result.discrete) {
    discrete_model(result);
  }
  result.verdict = result.series ? verdict_of_bands(result) : verdict_of(result, kernel, tail);
  for (std::size_t i = 0; i < result.truncation_lags.size(); ++i) {
    if (result.truncation_error[i] > result.accuracy) continue;
    result.enough = result.truncation_lags[i];
    break;
  }
}

} // namespace komori::analyses
