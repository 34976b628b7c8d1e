#include "models/layer_noise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::models {
namespace {

constexpr double inverse_sqrt_pi = std::numbers::inv_sqrtpi;

/// P(z > x) of the standard normal distribution.
double normal_above(double x) noexcept {
  return 0.5 * std::erfc(x / std::numbers::sqrt2);
}

/// The standard normal quantile of p in (0, 1): Acklam's rational approximation, then two steps of
/// Halley on erfc.
double normal_quantile(double p) noexcept {
  constexpr double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                          1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                          6.680131188771972e+01, -1.328068155288572e+01};
  constexpr double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                          -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                          3.754408661907416e+00};
  const double tail = std::min(p, 1 - p);
  double x = 0;
  if (tail < 0.02425) {
    const double q = std::sqrt(-2 * std::log(tail));
    x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
        ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
    if (p > 0.5) x = -x;
  } else {
    const double q = p - 0.5;
    const double r = q * q;
    x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
        (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
  }
  for (int step = 0; step < 2; ++step) {
    const double e = (1 - p) - normal_above(x);
    const double u = e * std::sqrt(2 * std::numbers::pi) * std::exp(0.5 * x * x);
    x -= u / (1 + 0.5 * x * u);
  }
  return x;
}

void require_given(const LayerNoiseInput& input, const std::string& path, std::size_t given,
                   std::size_t neurons) {
  if (given == 1 || given == neurons) return;
  throw base::InputError(fmt::format("{}: '{}' has {} values, but the layer has {} neuron{}; give "
                                     "one for all, or one per neuron",
                                     input.origin.text(), path, given, neurons,
                                     neurons == 1 ? "" : "s"));
}

} // namespace

NeuronNoise NeuronNoise::uniform(double half_width) {
  NeuronNoise noise;
  noise.kind_ = NoiseKind::uniform;
  noise.reach_ = half_width;
  return noise;
}

NeuronNoise NeuronNoise::gaussian(double sigma, double reach) {
  NeuronNoise noise;
  noise.kind_ = NoiseKind::gaussian;
  noise.sigma_ = sigma;
  noise.reach_ = reach * sigma;
  return noise;
}

NeuronNoise NeuronNoise::truncated_gaussian(double sigma, double half_width) {
  NeuronNoise noise;
  noise.kind_ = NoiseKind::truncated_gaussian;
  noise.sigma_ = sigma;
  noise.reach_ = half_width;
  noise.mass_ = std::erf(half_width / (sigma * std::numbers::sqrt2));
  return noise;
}

double NeuronNoise::lost() const noexcept {
  return kind_ == NoiseKind::gaussian ? 2 * normal_above(reach_ / sigma_) : 0;
}

double NeuronNoise::density(double z) const noexcept {
  if (kind_ == NoiseKind::gaussian || std::abs(z) <= reach_) {
    if (kind_ == NoiseKind::uniform) return 0.5 / reach_;
    const double s = z / sigma_;
    return inverse_sqrt_pi / (std::numbers::sqrt2 * sigma_ * mass_) * std::exp(-0.5 * s * s);
  }
  return 0;
}

double NeuronNoise::probability(double a, double b) const noexcept {
  if (kind_ == NoiseKind::none) return a < 0 && 0 <= b ? 1 : 0;
  if (kind_ != NoiseKind::gaussian) {
    a = std::clamp(a, -reach_, reach_);
    b = std::clamp(b, -reach_, reach_);
  }
  if (kind_ == NoiseKind::uniform) return 0.5 * (b - a) / reach_;
  // The tail both ends lie in: differences of numbers near 1 would lose the small ones.
  const double p = a >= 0   ? normal_above(a / sigma_) - normal_above(b / sigma_)
                   : b <= 0 ? normal_above(-b / sigma_) - normal_above(-a / sigma_)
                            : 1 - normal_above(-a / sigma_) - normal_above(b / sigma_);
  return p / mass_;
}

double NeuronNoise::squared_density() const noexcept {
  switch (kind_) {
  case NoiseKind::none:
    return std::numeric_limits<double>::infinity();
  case NoiseKind::uniform:
    return 0.5 / reach_;
  case NoiseKind::gaussian:
    return 0.5 * inverse_sqrt_pi / sigma_;
  case NoiseKind::truncated_gaussian:
    return 0.5 * inverse_sqrt_pi / sigma_ * std::erf(reach_ / sigma_) / (mass_ * mass_);
  }
  return 0;
}

double NeuronNoise::variance() const noexcept {
  switch (kind_) {
  case NoiseKind::none:
    return 0;
  case NoiseKind::uniform:
    return reach_ * reach_ / 3;
  case NoiseKind::gaussian:
    return sigma_ * sigma_;
  case NoiseKind::truncated_gaussian:
    return sigma_ * sigma_ - 2 * sigma_ * sigma_ * reach_ * density(reach_);
  }
  return 0;
}

double NeuronNoise::sample(const base::Random& random, std::uint64_t index) const {
  switch (kind_) {
  case NoiseKind::none:
    return 0;
  case NoiseKind::uniform:
    return reach_ * (2 * random.uniform(index) - 1);
  case NoiseKind::gaussian:
    return sigma_ * random.normal(index);
  case NoiseKind::truncated_gaussian: {
    const double p = 0.5 + mass_ * (random.uniform(index) - 0.5);
    return std::clamp(sigma_ * normal_quantile(p), -reach_, reach_);
  }
  }
  return 0;
}

void declare(config::Declarer& declarer, LayerNoiseInput& input) {
  using config::Range;
  declarer.choice("kind", input.kind, {"uniform", "gaussian", "truncated_gaussian", "none"},
                  {.help = "The distribution of what is added to every neuron after its "
                           "activation, independent of all others.",
                   .need = config::Need::required});
  declarer.reals("half_width", input.half_width,
                 {.help = "uniform and truncated_gaussian: the largest displacement, one for all "
                          "neurons or one for each.",
                  .unit = "of the neuron"},
                 Range::positive());
  declarer.reals("sigma", input.sigma,
                 {.help = "gaussian and truncated_gaussian: the standard deviation (before it is "
                          "cut), one for all neurons or one for each.",
                  .unit = "of the neuron"},
                 Range::positive());
  declarer.real("reach", input.reach,
                {.help = "gaussian: at how many sigmas ranges are cut; the probability lost there "
                         "is reported (1.2e-15 at 8).",
                 .unit = "sigma"},
                Range::between(1, 38));
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  const bool width = input.kind == "uniform" || input.kind == "truncated_gaussian";
  const bool sigma = input.kind == "gaussian" || input.kind == "truncated_gaussian";
  const auto fits = [&](const char* key, bool wanted, bool given) {
    if (wanted && !given) {
      declarer.reject("", fmt::format("of kind '{}' needs '{}'", input.kind, key));
    }
    if (!wanted && given) {
      declarer.reject(key, fmt::format("does not belong to noise of kind '{}'", input.kind));
    }
  };
  fits("half_width", width, !input.half_width.empty());
  fits("sigma", sigma, !input.sigma.empty());
}

std::vector<NeuronNoise> make_layer_noise(const LayerNoiseInput& input, const std::string& name,
                                          std::size_t neurons) {
  if (input.kind.empty() || input.kind == "none") return {NeuronNoise()};
  if (!input.half_width.empty()) {
    require_given(input, name + ".half_width", input.half_width.size(), neurons);
  }
  if (!input.sigma.empty()) require_given(input, name + ".sigma", input.sigma.size(), neurons);
  const std::size_t count = std::max(input.half_width.size(), input.sigma.size());
  const auto entry = [](const std::vector<double>& values, std::size_t i) {
    return values[values.size() == 1 ? 0 : i];
  };
  std::vector<NeuronNoise> noise;
  for (std::size_t i = 0; i < count; ++i) {
    if (input.kind == "uniform") {
      noise.push_back(NeuronNoise::uniform(entry(input.half_width, i)));
    } else if (input.kind == "gaussian") {
      noise.push_back(NeuronNoise::gaussian(entry(input.sigma, i), input.reach));
    } else {
      noise.push_back(
          NeuronNoise::truncated_gaussian(entry(input.sigma, i), entry(input.half_width, i)));
    }
  }
  return noise;
}

} // namespace komori::models
