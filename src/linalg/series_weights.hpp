/// Coefficients of the series that exponentials are summed from. All local.
#pragma once

#include <cstdint>
#include <vector>

namespace komori::linalg {

/// sum_k values[k - first] x_k. The values are positive and add up to 1; what was cut off added up
/// to at most `tail`, so that the cut and the scaling to 1 together err by at most 2 `tail`.
struct SeriesWeights {
  std::int64_t first = 0;
  std::vector<double> values;
  double tail = 0;
  /// The coefficient of x_k, 0 where there is none.
  double at(std::int64_t k) const {
    return k < first || k > last() ? 0 : values[static_cast<std::size_t>(k - first)];
  }
  std::int64_t last() const { return first + static_cast<std::int64_t>(values.size()) - 1; }
};

/// e^-z I_0(z), 2 e^-z I_1(z), 2 e^-z I_2(z), ...: Chebyshev coefficients of exp(-z(1 - x)), x in
/// [-1, 1], by backward recurrence (Miller's algorithm); z >= 0 of any size. `tail` > 0.
SeriesWeights bessel_weights(double z, double tail);

/// e^-z z^k / k!, by recurrence from the mode; z >= 0 of any size.
SeriesWeights poisson_weights(double z, double tail);

/// The last index of `bessel_weights(z, tail)` up to a few per cent, in no time.
double bessel_length(double z, double tail);

} // namespace komori::linalg
