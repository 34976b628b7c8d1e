#include "operators/selling.hpp"

#include <cmath>

#include <Eigen/Dense>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "numbers.hpp"

namespace komori::operators {
namespace {

/// Q diag(from 1 to `condition`, evenly in the logarithm) Q^T with a random rotation Q.
Eigen::MatrixXd random_definite(int n, double condition, std::uint64_t seed) {
  const base::Random random(seed);
  Eigen::MatrixXd gauss(n, n);
  for (int i = 0; i < n * n; ++i) gauss(i / n, i % n) = random.normal(static_cast<unsigned>(i));
  const Eigen::MatrixXd q = Eigen::HouseholderQR<Eigen::MatrixXd>(gauss).householderQ();
  Eigen::VectorXd values(n);
  for (int i = 0; i < n; ++i) values(i) = std::pow(condition, static_cast<double>(i) / (n - 1));
  const Eigen::MatrixXd d = q * values.asDiagonal() * q.transpose();
  return 0.5 * (d + d.transpose());
}

Eigen::MatrixXd recomposed(const LatticeTerms& terms, int n) {
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(n, n);
  for (int t = 0; t < terms.count; ++t) {
    Eigen::VectorXd e(n);
    for (int k = 0; k < n; ++k) e(k) = terms.term[t].offset[k];
    sum += terms.term[t].weight * e * e.transpose();
  }
  return sum;
}

TEST(Selling, recomposes_any_definite_matrix_from_positive_weights) {
  for (const int n : {2, 3}) {
    for (const double condition : {1.0, 3.0, 100.0, 1e4}) {
      for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const Eigen::MatrixXd d = random_definite(n, condition, seed);
        const LatticeTerms terms = selling(std::span(d.data(), static_cast<std::size_t>(n * n)), n);
        EXPECT_LE(terms.count, n * (n + 1) / 2);
        double longest = 0;
        for (int t = 0; t < terms.count; ++t) {
          EXPECT_GT(terms.term[t].weight, 0);
          double square = 0;
          for (const int step : terms.term[t].offset) square += step * step;
          longest = std::max(longest, std::sqrt(square));
        }
        EXPECT_LE(longest, 2 * std::sqrt(condition)) << n << ' ' << condition << ' ' << seed;
        // Rounding of the weights comes back times the squares of the offsets.
        const double error = (recomposed(terms, n) - d).cwiseAbs().maxCoeff();
        EXPECT_LE(error, 4e-16 * condition * (1 + longest * longest)) << n << ' ' << condition;
      }
    }
  }
}

TEST(Selling, leaves_diagonal_matrices_alone) {
  const std::array<double, 9> d{2, 0, 0, 0, 3, 0, 0, 0, 5};
  const LatticeTerms terms = selling(d, 3);
  ASSERT_EQ(terms.count, 3);
  double sum = 0;
  for (int t = 0; t < 3; ++t) {
    const auto& [offset, weight] = terms.term[static_cast<std::size_t>(t)];
    EXPECT_EQ(std::abs(offset[0]) + std::abs(offset[1]) + std::abs(offset[2]), 1);
    EXPECT_EQ(weight, offset[0] ? 2 : offset[1] ? 3 : 5);
    sum += weight;
  }
  EXPECT_EQ(sum, 10);
}

TEST(Selling, a_hand_example) {
  // [[2, 1], [1, 2]] = (1, 1)(1, 1)^T + (1, 0)(1, 0)^T + (0, 1)(0, 1)^T.
  const std::array<double, 4> d{2, 1, 1, 2};
  const LatticeTerms terms = selling(d, 2);
  ASSERT_EQ(terms.count, 3);
  for (int t = 0; t < 3; ++t) {
    EXPECT_EQ(terms.term[static_cast<std::size_t>(t)].weight, 1);
  }
}

TEST(Selling, indefinite_matrices_end) {
  const std::array<double, 4> d{1, 2, 2, 1};
  EXPECT_THROW(selling(d, 2), std::invalid_argument);
}

} // namespace
} // namespace komori::operators
