/// Reordering and cutting of eigenpairs without splitting complex pairs.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <utility>
#include <vector>

#include "linalg/eigen.hpp"

namespace komori::linalg {

/// Largest modulus first; of equal ones, up to rounding, the largest real part. Local.
inline bool slower_step(std::complex<double> a, std::complex<double> b) {
  const auto rounded = [](double value) { return std::llround(value * 1e9); };
  if (rounded(std::abs(a)) != rounded(std::abs(b))) {
    return rounded(std::abs(a)) > rounded(std::abs(b));
  }
  return rounded(a.real()) > rounded(b.real());
}

/// Moves whole units (single values or pairs) into the order of `before`. Local.
template <class Before> void sort_units(EigenPairs& pairs, Before&& before) {
  std::vector<std::size_t> units;
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    units.push_back(i);
    if (pairs.values[i].imag() != 0) ++i;
  }
  std::stable_sort(units.begin(), units.end(), [&](std::size_t a, std::size_t b) {
    return before(pairs.values[a], pairs.values[b]);
  });
  EigenPairs sorted;
  for (const std::size_t unit : units) {
    const std::size_t size = pairs.values[unit].imag() != 0 ? 2 : 1;
    for (std::size_t i = unit; i < unit + size; ++i) {
      sorted.values.push_back(pairs.values[i]);
      sorted.vectors.push_back(std::move(pairs.vectors[i]));
      sorted.residuals.push_back(pairs.residuals[i]);
    }
  }
  pairs.values = std::move(sorted.values);
  pairs.vectors = std::move(sorted.vectors);
  pairs.residuals = std::move(sorted.residuals);
}

/// Keeps the first `count` values, one more where that would split a pair. Local.
inline void keep_first(EigenPairs& pairs, std::size_t count) {
  std::size_t kept = 0;
  while (kept < pairs.values.size() && kept < count) {
    kept += pairs.values[kept].imag() != 0 ? 2 : 1;
  }
  pairs.values.resize(kept);
  pairs.vectors.resize(kept);
  pairs.residuals.resize(kept);
}

/// Cuts both lists to the same length, at which neither splits a pair: the least that is `asked` or
/// more, or if there is none the largest below. Local.
inline void keep_same(EigenPairs& a, EigenPairs& b, std::size_t asked) {
  const auto whole = [](const EigenPairs& pairs, std::size_t count) {
    std::size_t kept = 0;
    while (kept < count) kept += pairs.values[kept].imag() != 0 ? 2 : 1;
    return kept == count;
  };
  const std::size_t longest = std::min(a.values.size(), b.values.size());
  std::size_t count = std::min(asked, longest);
  while (count < longest && !(whole(a, count) && whole(b, count))) ++count;
  while (!(whole(a, count) && whole(b, count))) --count;
  keep_first(a, count);
  keep_first(b, count);
}

} // namespace komori::linalg
