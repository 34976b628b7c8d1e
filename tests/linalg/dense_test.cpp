#include "linalg/dense.hpp"

#include <cmath>
#include <complex>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "numbers.hpp"

namespace komori::linalg {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using support::near;

MatrixXd random_matrix(Index rows, Index columns, std::uint64_t seed) {
  const base::Random random(seed);
  MatrixXd matrix(rows, columns);
  for (Index i = 0; i < matrix.size(); ++i) {
    matrix.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  }
  return matrix;
}

TEST(Dense, basis_of_eigenvectors_makes_functions_of_the_matrix) {
  const Index n = 20;
  const MatrixXd a = random_matrix(n, n, 1);
  const VectorXd b = random_matrix(n, 1, 2);
  const VectorXd c = random_matrix(n, 1, 3);
  const EigenBasis basis = eigen_basis(a);
  ASSERT_EQ(basis.values.size(), n);
  const Eigen::RowVectorXd seen = c.transpose() * basis.vectors;
  const VectorXd components = basis.inverse * b;
  std::complex<double> one = 0;
  std::complex<double> square = 0;
  int complex = 0;
  for (std::size_t i = 0; i < basis.values.size(); ++i) {
    const std::complex<double> term = basis.along(seen, i) * basis.component(components, i);
    one += term;
    square += basis.values[i] * basis.values[i] * term;
    complex += basis.values[i].imag() != 0 ? 1 : 0;
  }
  EXPECT_GT(complex, 0);
  EXPECT_LT(complex, n);
  EXPECT_TRUE(near(one.real(), c.dot(b), {1e-11, 1e-11}));
  EXPECT_TRUE(near(square.real(), c.dot(a * (a * b)), {1e-10, 1e-10}));
  EXPECT_TRUE(near(one.imag(), 0, {1e-12, 0}));
}

TEST(Dense, basis_that_does_not_exist_has_no_finite_inverse) {
  MatrixXd jordan(2, 2);
  jordan << 1, 1, 0, 1;
  EXPECT_GT(eigen_basis(jordan).inverse.cwiseAbs().maxCoeff(), 1e15);
  EXPECT_EQ(eigen_basis(MatrixXd(0, 0)).values.size(), 0);
}

TEST(Dense, PairsOfGradedMatricesHoldInTheMatrixItself) {
  // Q T Q of a chain that never comes back to its last states, whose weights are 1e-200: a matrix
  // that is scaled for its eigenvalues has vectors of its own.
  constexpr Index n = 30;
  const auto visited = [](Index i) { return i % 3 == 1; };
  MatrixXd steps = MatrixXd::Zero(n, n);
  Eigen::VectorXd weights = Eigen::VectorXd::Constant(n, 1e-200);
  for (Index j = 0; j < n; ++j) {
    if (!visited(j)) continue;
    weights[j] = 3.0 / n;
    for (Index i = 0; i < n; ++i) {
      steps(i, j) = 1 + std::sin(static_cast<double>(7 * i + j * j));
    }
  }
  steps = steps.rowwise().sum().cwiseInverse().asDiagonal() * steps;
  const MatrixXd rest = MatrixXd::Identity(n, n) - Eigen::VectorXd::Ones(n) * weights.transpose();
  const MatrixXd matrix = rest * steps * rest;
  const GeneralPairs pairs = general_pairs(matrix);
  int large = 0;
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    if (std::abs(pairs.values[i]) < 1e-3) continue; // one of many at 0
    ++large;
    const Eigen::VectorXcd right = complex_column(pairs.values, pairs.right, i);
    const Eigen::VectorXcd left = complex_column(pairs.values, pairs.left, i);
    EXPECT_LE((matrix * right - pairs.values[i] * right).norm(), 1e-14) << i;
    EXPECT_LE((left.adjoint() * matrix - pairs.values[i] * left.adjoint()).norm(), 1e-14) << i;
  }
  EXPECT_GE(large, 2);
}

} // namespace
} // namespace komori::linalg
