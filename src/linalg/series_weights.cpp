#include "linalg/series_weights.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace komori::linalg {
namespace {

/// ln of e^-z I_k(z) to leading order, uniformly in k and z (Abramowitz, Stegun 9.7.7).
double log_bessel(double k, double z) {
  const double root = std::hypot(k, z);
  // root - z without cancellation for k << z
  return k * k / (root + z) - k * std::log((k + root) / z);
}

/// Where ln of the coefficient has fallen to `level` < 0.
double index_at(double z, double level) {
  double low = 0;
  double high = 1;
  while (log_bessel(high, z) > level) high *= 2;
  while (high - low > 0.5) {
    const double middle = 0.5 * (low + high);
    (log_bessel(middle, z) > level ? low : high) = middle;
  }
  return high;
}

/// Scales the values to a sum of 1 after cutting off ends that add up to `tail` of it.
SeriesWeights trimmed(std::int64_t first, const std::vector<double>& values, double tail,
                      bool both_ends) {
  long double total = 0;
  for (const double value : values) total += value;
  const long double share = (both_ends ? 0.5L : 1.0L) * tail * total;
  std::size_t begin = 0;
  std::size_t end = values.size();
  long double cut_right = 0;
  while (end > 1 && cut_right + values[end - 1] <= share) cut_right += values[--end];
  long double cut_left = 0;
  while (both_ends && begin + 1 < end && cut_left + values[begin] <= share) {
    cut_left += values[begin++];
  }
  const long double kept = total - cut_left - cut_right;
  SeriesWeights weights{.first = first + static_cast<std::int64_t>(begin),
                        .values = {values.begin() + static_cast<std::ptrdiff_t>(begin),
                                   values.begin() + static_cast<std::ptrdiff_t>(end)},
                        .tail = static_cast<double>((cut_left + cut_right) / total)};
  for (double& value : weights.values) value = static_cast<double>(value / kept);
  return weights;
}

/// Below this, relative to the largest term, nothing adds to a sum.
constexpr double negligible = 1e-30;

} // namespace

SeriesWeights bessel_weights(double z, double tail) {
  if (z < 1e-30) return {.first = 0, .values = {1.0}, .tail = z};
  const double start = index_at(z, std::log(negligible)) + 2;
  std::vector<double> values(static_cast<std::size_t>(start) + 1, 0.0);
  double above = 0;
  double here = std::numeric_limits<double>::min() / negligible;
  for (std::size_t k = values.size() - 1; k > 0; --k) {
    values[k] = 2 * here;
    const double below = above + 2 * static_cast<double>(k) / z * here;
    above = here;
    here = below;
  }
  values[0] = here;
  return trimmed(0, values, tail, false);
}

SeriesWeights poisson_weights(double z, double tail) {
  if (z == 0) return {.first = 0, .values = {1.0}, .tail = 0};
  const auto mode = static_cast<std::int64_t>(z);
  std::vector<double> values;
  double weight = 1;
  std::int64_t first = mode;
  for (; first > 0 && weight > negligible; --first) {
    weight *= static_cast<double>(first) / z;
    values.push_back(weight);
  }
  std::reverse(values.begin(), values.end());
  weight = 1;
  for (std::int64_t k = mode; weight > negligible; ++k) {
    values.push_back(weight);
    weight *= z / static_cast<double>(k + 1);
  }
  return trimmed(first, values, tail, true);
}

double bessel_length(double z, double tail) {
  if (z < 1e-30) return 0;
  // The rest beyond k is about the k-th term times z / k.
  return index_at(z, std::log(std::max(tail, negligible)));
}

} // namespace komori::linalg
