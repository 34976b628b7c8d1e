#include "analyses/grid_error.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace komori::analyses {
namespace {

constexpr double lowest_order = 0.5;
constexpr double highest_order = 8;

/// |v2 - v1| / |v1 - v0| where errors fall like width^p, for the ratios of neighbouring widths.
double ratio_of_differences(double fine, double coarse, double p) {
  return std::pow(fine, p) * (std::pow(coarse, p) - 1) / (std::pow(fine, p) - 1);
}

/// The p for which it is `ratio`; it grows with p.
double observed_order(double fine, double coarse, double ratio) {
  double low = 1e-3;
  double high = highest_order;
  if (ratio <= ratio_of_differences(fine, coarse, low)) return low;
  if (ratio >= ratio_of_differences(fine, coarse, high)) return high;
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    (ratio_of_differences(fine, coarse, middle) < ratio ? low : high) = middle;
  }
  return low;
}

} // namespace

GridError grid_error(std::span<const std::complex<double>> values, std::span<const double> widths,
                     double order, double noise) {
  GridError result;
  if (values.size() < 2) {
    result.basis = "no coarser grid";
    return result;
  }
  const double fine = widths[1] / widths[0];
  const double difference = std::abs(values[0] - values[1]);
  if (difference <= noise) {
    result.error = difference;
    result.basis = "coarser grids differ by rounding";
    return result;
  }
  if (values.size() == 2) {
    result.error = difference / (fine - 1);
    result.basis = "one coarser grid, order not checked";
    return result;
  }
  const double coarse = widths[2] / widths[1];
  const double before = std::abs(values[1] - values[2]);
  const double same_way =
      std::real((values[0] - values[1]) * std::conj(values[1] - values[2])) / (difference * before);
  const double from_coarse = before / ratio_of_differences(fine, coarse, order);
  const double richardson = std::pow(fine, order) - 1;
  if (!(same_way > 0.5)) { // the angle between complex differences may be up to 60 degrees
    result.error = std::max(difference / (fine - 1), from_coarse);
    result.basis = "differences between grids change sign";
    return result;
  }
  result.order = observed_order(fine, coarse, before / difference);
  constexpr double band = 0.3;
  if (std::abs(result.order - order) <= band * order) {
    result.error = difference / (std::pow(fine, std::min(result.order, order)) - 1);
    result.extrapolated = values[0] + (values[0] - values[1]) / richardson;
    result.basis = "order confirmed";
  } else if (result.order > order) {
    result.error = std::max(difference, from_coarse) / richardson;
    result.basis = "order above the theory's, the coarser grids decide";
  } else {
    result.error = difference / (std::pow(fine, std::max(result.order, lowest_order)) - 1);
    result.basis = "order below the theory's";
  }
  return result;
}

int trusted_digits(double size, double error) {
  constexpr int most = 15; // of a double
  if (!(size > 0) || !std::isfinite(error)) return 0;
  if (error <= 0) return most;
  return static_cast<int>(std::clamp(std::floor(-std::log10(2 * error / size)), 0.0, 15.0));
}

} // namespace komori::analyses
