#include "operators/koopman_matrix.hpp"

#include <cmath>

#include <Eigen/QR>
#include <gtest/gtest.h>

namespace komori::operators {
namespace {

/// Orthogonal, without a pattern.
Eigen::MatrixXd mixing(Eigen::Index size) {
  Eigen::MatrixXd entries(size, size);
  for (Eigen::Index i = 0; i < entries.size(); ++i) {
    entries(i) = std::sin(static_cast<double>(i * i + 1));
  }
  return Eigen::HouseholderQR<Eigen::MatrixXd>(entries).householderQ();
}

TEST(KoopmanMatrix, FunctionsOfTheOperatorComeFirstAmongThoseOfTheSameValue) {
  // The operator keeps two functions and leads two others, whose norm it keeps, out of their span:
  // there the orthogonal matrix is arbitrary, here 1.
  constexpr Eigen::Index kept = 2;
  constexpr Eigen::Index size = 4;
  KoopmanMatrix matrix;
  matrix.basis = Eigen::MatrixXd::Identity(size, size);
  matrix.k = Eigen::MatrixXd::Identity(size, size);
  matrix.l = Eigen::MatrixXd::Identity(size, size);
  matrix.a = Eigen::MatrixXd::Zero(size, size);
  matrix.a.topLeftCorner(kept, kept).setIdentity();
  linalg::GeneralPairs pairs;
  pairs.values.assign(static_cast<std::size_t>(size), 1.0);
  pairs.right = mixing(size);
  pairs.left = pairs.right;
  // Mixed, all have residuals; ||K v - v||^2 = 2 for what is led out.
  for (Eigen::Index i = 0; i < size; ++i) {
    EXPECT_GT(gram_residual(matrix, 1, pairs.right.col(i)), 0.1) << i;
  }
  sort_multiple(matrix, pairs);
  for (Eigen::Index i = 0; i < size; ++i) {
    // A root of what is 0 to rounding.
    EXPECT_NEAR(gram_residual(matrix, 1, pairs.right.col(i)), i < kept ? 0 : std::sqrt(2.0), 1e-7)
        << i;
    EXPECT_NEAR(pairs.right.col(i).norm(), 1, 1e-14) << i;
  }
  EXPECT_LE((pairs.left.transpose() * pairs.right - Eigen::MatrixXd::Identity(size, size)).norm(),
            1e-13);
}

} // namespace
} // namespace komori::operators
