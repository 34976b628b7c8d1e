#include "spaces/univariate.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

namespace komori::spaces {
namespace {

/// p_{n+1} = a t p_n - c p_{n-1}.
struct Step {
  double a = 1;
  double c = 0;
};

Step step(Family family, std::size_t index) {
  const auto n = static_cast<double>(index);
  switch (family) {
  case Family::legendre: {
    const double norm = std::sqrt(2 * n + 3) / (n + 1);
    return {norm * std::sqrt(2 * n + 1), index ? norm * n / std::sqrt(2 * n - 1) : 0};
  }
  case Family::chebyshev:
    return index ? Step{2, 1} : Step{1, 0};
  case Family::hermite:
    return {1 / std::sqrt(n + 1), std::sqrt(n / (n + 1))};
  default:
    return {};
  }
}

/// One more order of derivative of all functions: differentiating the recurrence,
/// p'_{n+1} = a (order p^{(order-1)}_n + t p'_n) - c p'_{n-1}.
void advance(Family family, std::span<const double> t, std::size_t terms, int order,
             std::span<const double> lower, std::span<double> values) {
  const std::size_t count = t.size();
  std::fill_n(values.begin(), count, order == 0 ? 1.0 : 0.0);
  for (std::size_t n = 0; n + 1 < terms; ++n) {
    const Step s = step(family, n);
    const double* current = values.data() + n * count;
    const double* previous = n ? current - count : current;
    double* next = values.data() + (n + 1) * count;
    for (std::size_t i = 0; i < count; ++i) next[i] = s.a * t[i] * current[i] - s.c * previous[i];
    if (order == 0) continue;
    const double* below = lower.data() + n * count;
    for (std::size_t i = 0; i < count; ++i) next[i] += s.a * order * below[i];
  }
}

/// Frequencies after which sines and cosines are computed afresh, so that rounding stays below some
/// 1e-14.
constexpr std::size_t renewed = 32;

void fourier(std::span<const double> t, std::size_t terms, int order, std::span<double> values) {
  const std::size_t count = t.size();
  std::fill_n(values.begin(), count, order == 0 ? 1.0 : 0.0);
  std::vector<double> first(2 * count); // cosine and sine of pi t
  std::vector<double> now(2 * count);   // of pi t times the frequency
  for (std::size_t i = 0; i < count && terms > 1; ++i) {
    now[i] = first[i] = std::cos(std::numbers::pi * t[i]);
    now[count + i] = first[count + i] = std::sin(std::numbers::pi * t[i]);
  }
  for (std::size_t wave = 1; 2 * wave - 1 < terms; ++wave) {
    const double frequency = std::numbers::pi * static_cast<double>(wave);
    if (wave % renewed == 0) {
      for (std::size_t i = 0; i < count; ++i) {
        now[i] = std::cos(frequency * t[i]);
        now[count + i] = std::sin(frequency * t[i]);
      }
    } else if (wave > 1) { // the sums of angles
      for (std::size_t i = 0; i < count; ++i) {
        const double c = now[i] * first[i] - now[count + i] * first[count + i];
        now[count + i] = now[count + i] * first[i] + now[i] * first[count + i];
        now[i] = c;
      }
    }
    // Each derivative goes a quarter of a period on: cos, -sin, -cos; sin, cos, -sin.
    const double size = std::numbers::sqrt2 * std::pow(frequency, order);
    for (std::size_t n = 2 * wave - 1; n <= 2 * wave && n < terms; ++n) {
      const bool cosine = (n + static_cast<std::size_t>(order)) % 2 == 1;
      const bool negative = n % 2 == 1 ? order > 0 : order > 1;
      const double scale = negative ? -size : size;
      const double* from = now.data() + (cosine ? 0 : count);
      double* next = values.data() + n * count;
      for (std::size_t i = 0; i < count; ++i) next[i] = scale * from[i];
    }
  }
}

} // namespace

void Univariate::evaluate(std::span<const double> x, std::size_t terms, int order,
                          std::span<double> values) const {
  if (terms == 0) return;
  std::vector<double> t(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) t[i] = (x[i] - centre) / scale;
  if (family == Family::fourier) {
    fourier(t, terms, order, values);
  } else {
    std::vector<double> lower;
    for (int k = 0; k <= order; ++k) {
      advance(family, t, terms, k, lower, values);
      if (k < order) lower.assign(values.begin(), values.end());
    }
  }
  if (order == 0) return;
  const double chain = std::pow(scale, -order);
  for (double& value : values.subspan(0, terms * x.size())) value *= chain;
}

std::string Univariate::name(std::size_t n, const std::string& variable) const {
  if (n == 0) return "";
  switch (family) {
  case Family::monomial: {
    const bool plain = centre == 0 && scale == 1;
    const std::string base = plain ? variable : fmt::format("t({})", variable);
    return n == 1 ? base : fmt::format("{}^{}", base, n);
  }
  case Family::legendre:
    return fmt::format("P{}({})", n, variable);
  case Family::chebyshev:
    return fmt::format("T{}({})", n, variable);
  case Family::hermite:
    return fmt::format("He{}({})", n, variable);
  case Family::fourier:
    return fmt::format("{}({} {})", n % 2 == 1 ? "cos" : "sin", level(n), variable);
  }
  return "";
}

} // namespace komori::spaces
