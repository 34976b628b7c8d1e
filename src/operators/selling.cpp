#include "operators/selling.hpp"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace komori::operators {
namespace {

using Vector = std::array<std::int64_t, 3>;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// (a, D b). Long vectors nearly along the weak direction of D cancel, hence the wider type.
double product(std::span<const double> matrix, int n, const Vector& a, const Vector& b) {
  long double sum = 0;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      sum += static_cast<long double>(matrix[at(i * n + j)]) *
             static_cast<long double>(a[at(i)] * b[at(j)]);
    }
  }
  return static_cast<double>(sum);
}

Vector plus(const Vector& a, const Vector& b) {
  return {a[0] + b[0], a[1] + b[1], a[2] + b[2]};
}
Vector minus(const Vector& a) {
  return {-a[0], -a[1], -a[2]};
}
Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

/// The other vectors of the superbase 0 .. n.
std::array<int, 2> others(int n, int i, int j) {
  std::array<int, 2> rest{-1, -1};
  int found = 0;
  for (int k = 0; k <= n; ++k) {
    if (k != i && k != j) rest[at(found++)] = k;
  }
  return rest;
}

void add(LatticeTerms& terms, const Vector& offset, double weight) {
  int sign = 0;
  for (const std::int64_t entry : offset) {
    if (sign == 0 && entry != 0) sign = entry > 0 ? 1 : -1;
  }
  LatticeTerm& term = terms.term[at(terms.count++)];
  for (int k = 0; k < 3; ++k) term.offset[at(k)] = sign * static_cast<int>(offset[at(k)]);
  term.weight = weight;
}

} // namespace

LatticeTerms selling(std::span<const double> matrix, int n) {
  LatticeTerms terms;
  if (n == 1) {
    add(terms, {1, 0, 0}, matrix[0]);
    return terms;
  }
  std::array<Vector, 4> base{Vector{1, 0, 0}, Vector{0, 1, 0}, Vector{0, 0, 1}, Vector{}};
  base[at(n)] = n == 2 ? Vector{-1, -1, 0} : Vector{-1, -1, -1};
  double scale = 0;
  for (int i = 0; i < n; ++i) scale += matrix[at(i * n + i)];
  constexpr int most_steps = 1'000; // many times the logarithm of any condition number
  for (int step = 0;; ++step) {
    // The most acute pair; below rounding it counts as a right angle.
    double most = 1e-15 * scale;
    int left = -1;
    int right = -1;
    for (int i = 0; i <= n; ++i) {
      for (int j = i + 1; j <= n; ++j) {
        const double angle = product(matrix, n, base[at(i)], base[at(j)]);
        if (angle <= most) continue;
        most = angle;
        left = i;
        right = j;
      }
    }
    if (left < 0) break;
    constexpr std::int64_t longest = 10'000'000;
    bool endless = step == most_steps;
    for (const Vector& b : base) {
      for (const std::int64_t entry : b) endless = endless || std::abs(entry) > longest;
    }
    if (endless) throw std::invalid_argument("matrix is not positive definite");
    const auto [k, l] = others(n, left, right);
    if (n == 2) {
      base[at(k)] = plus(base[at(left)], minus(base[at(right)]));
    } else {
      base[at(k)] = plus(base[at(k)], base[at(left)]);
      base[at(l)] = plus(base[at(l)], base[at(left)]);
    }
    base[at(left)] = minus(base[at(left)]);
  }
  for (int i = 0; i <= n; ++i) {
    for (int j = i + 1; j <= n; ++j) {
      const double weight = -product(matrix, n, base[at(i)], base[at(j)]);
      const auto [k, l] = others(n, i, j);
      const Vector offset =
          n == 2 ? Vector{-base[at(k)][1], base[at(k)][0], 0} : cross(base[at(k)], base[at(l)]);
      const auto length = static_cast<double>(offset[0] * offset[0] + offset[1] * offset[1] +
                                              offset[2] * offset[2]);
      if (weight * length > 1e-16 * scale) add(terms, offset, weight); // the rest is rounding
    }
  }
  return terms;
}

} // namespace komori::operators
