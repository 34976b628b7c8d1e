#include "linalg/basis_passes.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "base/petsc.hpp"

namespace komori::linalg {
namespace {

/// Rows of this rank, more than a stretch on the first and none on the last of several.
std::size_t rows() {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &ranks);
  return ranks > 1 && rank == ranks - 1 ? 0 : 1300 - 100 * static_cast<std::size_t>(rank);
}

std::vector<double> wave(double frequency) {
  std::vector<double> values(rows());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::cos(frequency * static_cast<double>(i + 1));
  }
  return values;
}

double product(const std::vector<double>& x, const std::vector<double>& y,
               const std::vector<double>& weights) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i] * weights[i];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  return sum;
}

TEST(BasisPasses, orthogonalise_vectors_that_nearly_depend_on_each_other) {
  std::vector<double> weights(rows());
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 0.1 + static_cast<double>(i % 7);
  std::vector<std::vector<double>> basis;
  Columns columns;
  constexpr int vectors = 9;
  basis.reserve(vectors);
  for (int k = 0; k < vectors; ++k) {
    std::vector<double> x = wave(0.001 * k); // of neighbours a part in thousands differs
    const std::vector<double> before = x;
    const Projections found = orthogonalise(PETSC_COMM_WORLD, columns, weights, x, 1e-14);
    EXPECT_NEAR(found.square, product(x, x, weights), 1e-12 * product(before, before, weights));
    std::vector<double> again = x;
    for (std::size_t j = 0; j < columns.size(); ++j) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        again[i] += found.along[static_cast<Eigen::Index>(j)] * basis[j][i];
      }
    }
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(again[i], before[i], 1e-12);
    for (double& value : x) value /= std::sqrt(found.square);
    basis.push_back(std::move(x));
    columns.push_back(basis.back().data());
    for (int j = 0; j <= k; ++j) {
      EXPECT_NEAR(product(basis.back(), basis[static_cast<std::size_t>(j)], weights),
                  j == k ? 1.0 : 0.0, 1e-12);
    }
  }
}

TEST(BasisPasses, multiply_two_vectors_at_once) {
  const std::vector<std::vector<double>> basis{wave(0.3), wave(0.7), wave(1.1)};
  const Columns columns{basis[0].data(), basis[1].data(), basis[2].data()};
  const std::vector<double> x = wave(0.2);
  const std::vector<double> y = wave(0.9);
  const std::vector<double> one(rows(), 1.0);
  const Eigen::MatrixXd found = project_both(PETSC_COMM_WORLD, columns, x, y);
  ASSERT_EQ(found.rows(), 3);
  for (int j = 0; j < 3; ++j) {
    const auto& v = basis[static_cast<std::size_t>(j)];
    EXPECT_NEAR(found(j, 0), product(v, x, one), 1e-10);
    EXPECT_NEAR(found(j, 1), product(v, y, one), 1e-10);
  }
}

} // namespace
} // namespace komori::linalg
