#include "analyses/pair_conditions.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include <Eigen/Dense>

#include "linalg/pair_order.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using linalg::EigenPairs;
using linalg::units_of;
using Units = std::vector<std::size_t>;

/// Eigenvalues nearer to each other than this, relative to the norm, have one space together.
constexpr double coincide = 1e-7;
constexpr double round_off = 1e-15;

/// Of a pair that starts at `unit`: real part, and imaginary part or null.
struct Parts {
  Vec re = nullptr;
  Vec im = nullptr;
};
Parts parts_of(const EigenPairs& pairs, std::size_t unit) {
  const bool complex = pairs.values[unit].imag() != 0;
  return {pairs.vectors[unit].get(), complex ? pairs.vectors[unit + 1].get() : nullptr};
}

/// a^T b, or a^H b. Collective.
Complex product(Parts a, Parts b, bool conjugate) {
  const auto dot = [](Vec x, Vec y) { return x && y ? base::dot(x, y) : 0.0; };
  const double sign = conjugate ? 1 : -1;
  return {dot(a.re, b.re) + sign * dot(a.im, b.im), dot(a.re, b.im) - sign * dot(a.im, b.re)};
}

/// (X^H X)^(-1/2) on the space that the vectors span.
Eigen::MatrixXcd whitening(const EigenPairs& pairs, const std::vector<std::size_t>& units) {
  const auto n = static_cast<Eigen::Index>(units.size());
  Eigen::MatrixXcd gram(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = i; j < n; ++j) {
      gram(i, j) = product(parts_of(pairs, units[static_cast<std::size_t>(i)]),
                           parts_of(pairs, units[static_cast<std::size_t>(j)]), true);
      gram(j, i) = std::conj(gram(i, j));
    }
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> solver(gram);
  const double top = solver.eigenvalues().maxCoeff();
  Eigen::Index first = 0; // ascending; parallel vectors have eigenvalues of rounding
  while (first + 1 < n && solver.eigenvalues()[first] < 1e-10 * top) ++first;
  return solver.eigenvectors().rightCols(n - first) *
         solver.eigenvalues().tail(n - first).cwiseSqrt().cwiseInverse().asDiagonal();
}

/// The condition of the space of some right units from that of some left ones.
double condition_of(const EigenPairs& right, const std::vector<std::size_t>& rights,
                    const EigenPairs& left, const std::vector<std::size_t>& lefts) {
  Eigen::MatrixXcd mixed(static_cast<Eigen::Index>(lefts.size()),
                         static_cast<Eigen::Index>(rights.size()));
  for (std::size_t i = 0; i < lefts.size(); ++i) {
    for (std::size_t j = 0; j < rights.size(); ++j) {
      // Vectors of P^T belong to y^T P = mu y^T, so the product is without conjugation.
      mixed(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) =
          product(parts_of(left, lefts[i]), parts_of(right, rights[j]), false);
    }
  }
  const Eigen::MatrixXcd overlap =
      whitening(left, lefts).transpose() * mixed * whitening(right, rights);
  const Eigen::JacobiSVD<Eigen::MatrixXcd> svd(overlap);
  const double least = svd.singularValues().minCoeff();
  return least > 0 ? std::max(1.0, 1 / least) : std::numeric_limits<double>::infinity();
}

} // namespace

PairConditions pair_conditions(const EigenPairs& right, const EigenPairs& left, double norm) {
  const std::vector<std::size_t> units = units_of(right);
  const std::vector<std::size_t> others = units_of(left);
  PairConditions result;
  result.condition.assign(right.values.size(), std::numeric_limits<double>::infinity());
  result.uncertainty.assign(right.values.size(), std::numeric_limits<double>::infinity());
  std::map<std::pair<Units, Units>, double> known; // copies share their space
  const auto upper = [](Complex value) { return Complex(value.real(), std::abs(value.imag())); };
  for (const std::size_t unit : units) {
    const Complex value = upper(right.values[unit]);
    Units rights;
    Units lefts;
    double nearest = std::numeric_limits<double>::infinity();
    std::size_t closest = 0;
    double residual = 0;
    for (const std::size_t other : units) {
      if (std::abs(upper(right.values[other]) - value) > coincide * norm) continue;
      rights.push_back(other);
      residual = std::max(residual, right.residuals[other]);
    }
    for (const std::size_t other : others) {
      const double distance = std::abs(upper(left.values[other]) - value);
      if (distance < nearest) closest = other;
      nearest = std::min(nearest, distance);
      if (distance <= coincide * norm) lefts.push_back(other);
    }
    // Both sides may find an eigenvalue that rounding moves at places that differ by more.
    if (lefts.empty() && nearest < 0.5 * std::abs(value)) lefts.push_back(closest);
    double condition = std::numeric_limits<double>::infinity();
    double uncertainty = nearest;
    if (!lefts.empty()) {
      const auto found = known.try_emplace({rights, lefts}, condition);
      if (found.second) found.first->second = condition_of(right, rights, left, lefts);
      condition = found.first->second;
      uncertainty = std::max(nearest, condition * std::max(residual, 10 * round_off * norm));
    }
    const std::size_t size = right.values[unit].imag() != 0 ? 2 : 1;
    for (std::size_t i = unit; i < unit + size; ++i) {
      result.condition[i] = condition;
      result.uncertainty[i] = uncertainty;
    }
  }
  return result;
}

} // namespace komori::analyses
