#include "linalg/rounded_pairs.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <utility>

namespace komori::linalg {
namespace {

using base::check;

base::UniqueVec copy_of(Vec vector) {
  base::UniqueVec copy = base::duplicate(vector);
  check(VecCopy(vector, copy.get()));
  return copy;
}

} // namespace

void part_rounded_pairs(Mat matrix, double norm, EigenPairs& pairs) {
  const double rounding = 1e-13 * norm;
  constexpr double least = 1e-6; // of a vector that is left when another is taken out
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    if (pairs.values[i].imag() == 0) continue;
    const std::size_t first = i++; // both halves of the pair
    const double value = pairs.values[first].real();
    if (!(std::abs(pairs.values[first].imag()) <= rounding)) continue;
    base::UniqueVec a = copy_of(pairs.vectors[first].get());
    base::UniqueVec b = copy_of(pairs.vectors[first + 1].get());
    double length = base::norm2(a.get());
    if (length < base::norm2(b.get())) {
      std::swap(a, b);
      length = base::norm2(a.get());
    }
    check(VecScale(a.get(), 1 / length));
    check(VecAXPY(b.get(), -base::dot(a.get(), b.get()), a.get()));
    const double left = base::norm2(b.get());
    if (!(left > least * length)) continue;
    check(VecScale(b.get(), 1 / left));
    const double of_a = eigen_residual(matrix, value, a.get(), nullptr);
    const double of_b = eigen_residual(matrix, value, b.get(), nullptr);
    const double allowed = std::max(rounding, 2 * pairs.residuals[first]);
    if (!(std::max(of_a, of_b) <= allowed)) continue;
    pairs.values[first] = pairs.values[first + 1] = value;
    pairs.vectors[first] = std::move(a);
    pairs.vectors[first + 1] = std::move(b);
    pairs.residuals[first] = of_a;
    pairs.residuals[first + 1] = of_b;
  }
}

} // namespace komori::linalg
