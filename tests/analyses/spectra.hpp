/// What the tests of spectra share.
#pragma once

#include <complex>
#include <vector>

#include "analyses/spectrum.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::support {

inline testing::AssertionResult near(std::complex<double> actual, std::complex<double> expected,
                                     double absolute) {
  if (std::abs(actual - expected) <= absolute) return testing::AssertionSuccess();
  return testing::AssertionFailure() << actual << " differs from " << expected << " by "
                                     << std::abs(actual - expected) << ", allowed is " << absolute;
}

} // namespace komori::support

namespace komori::analyses {

inline Spectrum spectrum_of(support::Case& c, std::int64_t pairs,
                            const std::string& sides = "right",
                            const std::string& solver = "auto") {
  SpectrumInput input;
  input.pairs = pairs;
  input.sides = sides;
  input.solver = solver;
  return compute_spectrum(c.problem(), input);
}

/// -Re lambda in the order found.
inline std::vector<double> rates_of(support::Case& c, std::int64_t pairs) {
  std::vector<double> rates;
  for (const std::complex<double>& value : spectrum_of(c, pairs).values) {
    rates.push_back(-value.real());
  }
  return rates;
}

/// (4 fine - coarse) / 3: the h^2 term of two grids, one half as wide, removed.
template <class Number> Number extrapolated(Number coarse, Number fine) {
  return (4.0 * fine - coarse) / 3.0;
}

} // namespace komori::analyses
