#include "linalg/volterra.hpp"

#include <cmath>

#include <gtest/gtest.h>
#include <unsupported/Eigen/MatrixFunctions>

#include "numbers.hpp"

namespace komori::linalg {
namespace {

using Eigen::MatrixXd;
using support::near;

MatrixXd scalar(double value) {
  return MatrixXd::Constant(1, 1, value);
}

/// C' = -int k exp(-a (t-s)) C(s) ds in closed form, for three choices of k and a.
struct Exponential {
  double k;
  double a;
  double c(double t) const {
    if (k == 1 && a == 2) return (1 + t) * std::exp(-t);
    if (k == 2) return 2 * std::exp(-t) - std::exp(-2 * t);
    const double w = std::sqrt(3) / 2;
    return std::exp(-t / 2) * (std::cos(w * t) + std::sin(w * t) / (2 * w));
  }
};

double worst_error(const Exponential& problem, std::size_t steps) {
  const double step = 4.0 / static_cast<double>(steps);
  std::vector<MatrixXd> r;
  for (std::size_t n = 0; n <= steps + volterra_margin; ++n) {
    r.push_back(scalar(problem.c(static_cast<double>(n) * step)));
  }
  const VolterraKernel found = invert_volterra(r, step);
  EXPECT_EQ(found.kernel.size(), steps + 1);
  EXPECT_EQ(found.integral.size(), steps + 1);
  double worst = 0;
  for (std::size_t n = 0; n <= steps; ++n) {
    const double t = static_cast<double>(n) * step;
    const double exact = problem.k * std::exp(-problem.a * t);
    worst = std::max(worst, std::abs(found.kernel[n](0, 0) - exact));
  }
  return worst;
}

TEST(Volterra, exponential_kernels_to_second_order) {
  for (const Exponential problem : {Exponential{1, 2}, Exponential{2, 3}, Exponential{1, 1}}) {
    const double coarse = worst_error(problem, 64);
    const double fine = worst_error(problem, 128);
    EXPECT_GT(support::order(coarse, fine), 1.8) << problem.k << ' ' << problem.a;
    EXPECT_LT(fine, 8e-3);
  }
}

TEST(Volterra, kernels_of_matrices_and_kinks_at_zero) {
  // Two of three coupled variables seen: z' = -d z - c x, x' = A x + b z: K = b c^T exp(-d t).
  MatrixXd whole(3, 3);
  whole << -1, 0.3, 0.7, -0.4, -0.5, 0.2, -0.6, -0.9, -1.5;
  const MatrixXd kernel0 = -whole.topRightCorner(2, 1) * whole.bottomLeftCorner(1, 2);
  double before = 0;
  for (const std::size_t steps : {100, 200}) {
    const double step = 3.0 / static_cast<double>(steps);
    std::vector<MatrixXd> r;
    for (std::size_t n = 0; n <= steps + volterra_margin; ++n) {
      r.emplace_back((whole * (static_cast<double>(n) * step)).exp().topLeftCorner(2, 2));
    }
    const VolterraKernel found = invert_volterra(r, step);
    EXPECT_LT((found.omega - whole.topLeftCorner(2, 2)).norm(), 1e-5);
    double worst = 0;
    for (std::size_t n = 0; n <= steps; ++n) {
      const double t = static_cast<double>(n) * step;
      worst = std::max(worst, (found.kernel[n] - std::exp(-1.5 * t) * kernel0).norm());
    }
    if (before > 0) {
      EXPECT_GT(support::order(before, worst), 1.8);
    }
    before = worst;
  }
}

TEST(MemoryMatrices, solve_the_identity) {
  MatrixXd whole(3, 3);
  whole << 0.5, 0.1, 0.3, -0.2, 0.6, 0.1, 0.2, 0.3, 0.4;
  std::vector<MatrixXd> r;
  MatrixXd power = MatrixXd::Identity(3, 3);
  for (int n = 0; n < 8; ++n) {
    r.emplace_back(power.topLeftCorner(2, 2));
    power = (power * whole).eval();
  }
  const std::vector<MatrixXd> omega = memory_matrices(r, 6);
  ASSERT_EQ(omega.size(), 7);
  EXPECT_LT((omega[0] - whole.topLeftCorner(2, 2)).norm(), 1e-15);
  for (std::size_t l = 1; l < omega.size(); ++l) {
    const MatrixXd exact = std::pow(whole(2, 2), static_cast<double>(l) - 1) *
                           whole.topRightCorner(2, 1) * whole.bottomLeftCorner(1, 2);
    EXPECT_LT((omega[l] - exact).norm(), 1e-14);
  }
}

TEST(Smoothing, keeps_lines_and_damps_by_the_fourth_power) {
  constexpr std::size_t count = 401;
  std::vector<MatrixXd> line;
  std::vector<MatrixXd> wave;
  const double w = 0.3;
  for (std::size_t n = 0; n < count; ++n) {
    line.push_back(scalar(2 - 0.5 * static_cast<double>(n)));
    wave.push_back(scalar(std::cos(w * static_cast<double>(n))));
  }
  smooth(line, 1, 5);
  for (std::size_t n = 0; n < count; ++n) {
    EXPECT_TRUE(near(line[n](0, 0), 2 - 0.5 * static_cast<double>(n), {1e-8, 0}));
  }
  smooth(wave, 0, 4);
  // Far from the ends; second differences of the wave are 2 (1 - cos w), somewhat less than w^2.
  const double share = 1 / (1 + std::pow(4, 4) * std::pow(2 * (1 - std::cos(w)), 2));
  EXPECT_TRUE(near(wave[200](0, 0), share * std::cos(w * 200), {1e-6, 0}));
}

} // namespace
} // namespace komori::linalg
