#include "spaces/gauss_rules.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <Eigen/Eigenvalues>

namespace komori::spaces {

Rule gauss_legendre(std::size_t n) {
  Rule rule{std::vector<double>(n), std::vector<double>(n)};
  const auto size = static_cast<double>(n);
  for (std::size_t i = 0; i < (n + 1) / 2; ++i) {
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (size + 0.5));
    double slope = 1;
    for (int iteration = 0; iteration < 100; ++iteration) {
      double value = x; // P_k
      double before = 1;
      for (std::size_t k = 2; k <= n; ++k) {
        const auto index = static_cast<double>(k);
        const double next = ((2 * index - 1) * x * value - (index - 1) * before) / index;
        before = value;
        value = next;
      }
      slope = size * (x * value - before) / (x * x - 1);
      const double step = value / slope;
      x -= step;
      if (std::abs(step) <= 4e-16) break;
    }
    if (2 * i + 1 == n) x = 0;
    rule.nodes[i] = -x;
    rule.nodes[n - 1 - i] = x;
    rule.weights[i] = rule.weights[n - 1 - i] = 1 / ((1 - x * x) * slope * slope);
  }
  return rule;
}

Rule gauss_hermite(std::size_t n) {
  const auto size = static_cast<Eigen::Index>(n);
  const Eigen::VectorXd diagonal = Eigen::VectorXd::Zero(size);
  Eigen::VectorXd beside(size - 1);
  for (Eigen::Index k = 0; k + 1 < size; ++k) beside[k] = std::sqrt(static_cast<double>(k + 1));
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(diagonal, beside);
  Rule rule;
  for (Eigen::Index i = 0; i < size; ++i) {
    rule.nodes.push_back(solver.eigenvalues()[i]);
    rule.weights.push_back(std::pow(solver.eigenvectors()(0, i), 2));
  }
  return rule;
}

double normal_quantile(double u) {
  // Newton's iteration on the logarithm of the smaller tail, from its asymptotic form.
  const double tail = std::min(u, 1 - u);
  double x = std::sqrt(-2 * std::log(2 * tail)) * 0.8;
  for (int iteration = 0; iteration < 60; ++iteration) {
    const double above = 0.5 * std::erfc(x / std::numbers::sqrt2);
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
    const double step = std::log(above / tail) * above / density;
    x += step;
    if (std::abs(step) <= 1e-15 * std::max(1.0, x)) break;
  }
  return u < 0.5 ? -x : x;
}

} // namespace komori::spaces
