/// Reordering and cutting of eigenpairs without splitting complex pairs.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <functional>
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

/// The index of every single value and of the first of every complex pair. Local.
inline std::vector<std::size_t> units_of(const EigenPairs& pairs) {
  std::vector<std::size_t> units;
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    units.push_back(i);
    if (pairs.values[i].imag() != 0) ++i;
  }
  return units;
}

/// Moves units, by the indices of their first values, into this order. Local.
inline void arrange(EigenPairs& pairs, const std::vector<std::size_t>& units) {
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

/// Moves whole units (single values or pairs) into the order of `before`. Local.
template <class Before> void sort_units(EigenPairs& pairs, Before&& before) {
  std::vector<std::size_t> units = units_of(pairs);
  std::stable_sort(units.begin(), units.end(), [&](std::size_t a, std::size_t b) {
    return before(pairs.values[a], pairs.values[b]);
  });
  arrange(pairs, units);
}

using PairKey = std::function<double(std::complex<double>)>;

/// Moves whole units into the order of a key, largest first. What lies nearer to the one before
/// than `resolution` (of its value) counts as equal, and the next key decides: rounding does not.
/// Local.
inline void sort_units(EigenPairs& pairs, const std::vector<PairKey>& keys,
                       const PairKey& resolution) {
  using Iterator = std::vector<std::size_t>::iterator;
  std::vector<std::size_t> units = units_of(pairs);
  const auto sort = [&](const auto& self, Iterator begin, Iterator end, std::size_t k) -> void {
    if (k == keys.size() || end - begin < 2) return;
    const auto key = [&](std::size_t unit) { return keys[k](pairs.values[unit]); };
    std::stable_sort(begin, end, [&](std::size_t a, std::size_t b) { return key(a) > key(b); });
    for (Iterator first = begin; first != end;) {
      Iterator last = first + 1;
      while (last != end && key(*(last - 1)) - key(*last) <= resolution(pairs.values[*last])) {
        ++last;
      }
      self(self, first, last, k + 1);
      first = last;
    }
  };
  sort(sort, units.begin(), units.end(), 0);
  arrange(pairs, units);
}

/// The order of `slower_step`. Local.
inline void sort_steps(EigenPairs& pairs) {
  constexpr double resolution = 1e-9;
  sort_units(pairs,
             {[](std::complex<double> z) { return std::abs(z); },
              [](std::complex<double> z) { return z.real(); }},
             [](std::complex<double>) { return resolution; });
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

/// Moves the units of `other` to where their partners in `leading` are: each unit of that takes, of
/// those left of its kind (single or pair), the one of the nearest value. Vectors are null where
/// there is none within half of the value or `slack`. Returns how many values those are. Local.
inline std::size_t match(const EigenPairs& leading, EigenPairs& other, double slack) {
  std::vector<std::size_t> left = units_of(other);
  EigenPairs matched;
  matched.values = leading.values;
  matched.vectors.resize(leading.values.size());
  matched.residuals.resize(leading.values.size());
  std::size_t lacking = 0;
  for (const std::size_t unit : units_of(leading)) {
    const std::complex<double> value = leading.values[unit];
    const bool complex = value.imag() != 0;
    auto best = left.end();
    double nearest = std::max(0.5 * std::abs(value), slack);
    for (auto i = left.begin(); i != left.end(); ++i) {
      if ((other.values[*i].imag() != 0) != complex) continue;
      const double distance = std::abs(other.values[*i] - value);
      if (distance >= nearest) continue;
      nearest = distance;
      best = i;
    }
    const std::size_t size = complex ? 2 : 1;
    if (best == left.end()) {
      lacking += size;
      continue;
    }
    for (std::size_t i = 0; i < size; ++i) {
      matched.vectors[unit + i] = std::move(other.vectors[*best + i]);
      matched.residuals[unit + i] = other.residuals[*best + i];
    }
    left.erase(best);
  }
  matched.iterations = other.iterations;
  other = std::move(matched);
  return lacking;
}

} // namespace komori::linalg
