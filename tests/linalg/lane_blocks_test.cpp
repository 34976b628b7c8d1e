#include "linalg/lane_blocks.hpp"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "base/petsc.hpp"
#include "numbers.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;

constexpr std::size_t rows = 700; // several stretches and a part of one
const std::vector<std::size_t> slots{0, 2, 3, 9};

MatrixXd columns() {
  MatrixXd x(static_cast<Index>(rows), static_cast<Index>(slots.size()));
  for (Index j = 0; j < x.cols(); ++j) {
    for (Index i = 0; i < x.rows(); ++i) {
      x(i, j) =
          std::sin(0.1 * static_cast<double>((i + 1) * (j + 1))) + 0.01 * static_cast<double>(j);
    }
  }
  return x;
}

std::vector<base::UniqueVec> vectors_of(const MatrixXd& x) {
  std::vector<base::UniqueVec> vectors(slots.size());
  for (std::size_t j = 0; j < slots.size(); ++j) {
    check(VecCreateSeq(PETSC_COMM_SELF, static_cast<PetscInt>(rows), vectors[j].put()));
    const base::WriteArray to(vectors[j].get());
    for (std::size_t i = 0; i < rows; ++i) to[i] = x(static_cast<Index>(i), static_cast<Index>(j));
  }
  return vectors;
}

MatrixXd matrix_of(const std::vector<base::UniqueVec>& vectors) {
  MatrixXd x(static_cast<Index>(rows), static_cast<Index>(slots.size()));
  for (std::size_t j = 0; j < slots.size(); ++j) {
    const base::ReadArray from(vectors[j].get());
    for (std::size_t i = 0; i < rows; ++i)
      x(static_cast<Index>(i), static_cast<Index>(j)) = from[i];
  }
  return x;
}

std::vector<Vec> handles(const std::vector<base::UniqueVec>& vectors) {
  std::vector<Vec> raw;
  for (const base::UniqueVec& vector : vectors) raw.push_back(vector.get());
  return raw;
}

/// Rows in reverse order.
std::vector<PetscInt> reversed() {
  std::vector<PetscInt> entries(rows);
  std::iota(entries.rbegin(), entries.rend(), 0);
  return entries;
}

TEST(LaneBlocks, hold_vectors_in_their_lanes_and_0_in_others) {
  const MatrixXd x = columns();
  const std::vector<PetscInt> entries = reversed();
  const std::vector<base::UniqueVec> vectors = vectors_of(x);
  const LaneBlocks blocks = side_by_side(handles(vectors), {slots, entries}, rows);
  ASSERT_EQ(blocks.size(), 2);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = static_cast<Index>(rows - 1 - i);
    EXPECT_EQ(blocks[0][i][2], x(row, 1));
    EXPECT_EQ(blocks[1][i][1], x(row, 3));
    EXPECT_EQ(blocks[0][i][1], 0);
    EXPECT_EQ(blocks[1][i][7], 0);
  }
  const std::vector<base::UniqueVec> back = vectors_of(MatrixXd::Zero(x.rows(), x.cols()));
  separate(blocks, {slots, entries}, handles(back));
  EXPECT_EQ(matrix_of(back), x);
  separate(rounded(blocks), {slots, entries}, handles(back));
  EXPECT_EQ(matrix_of(back), x.cast<float>().cast<double>());
}

TEST(LaneBlocks, are_multiplied_and_combined_across_blocks) {
  const MatrixXd x = columns();
  LaneBlocks blocks = side_by_side(handles(vectors_of(x)), {slots, {}}, rows);
  MatrixXd sums = MatrixXd::Zero(8, 8);
  add_products(blocks[0], blocks[1].data(), sums);
  EXPECT_TRUE(support::near(sums(3, 1), x.col(2).dot(x.col(3)), {1e-11, 0}));
  EXPECT_EQ(sums(1, 1), 0);
  MatrixXd by = MatrixXd::Zero(16, 8);
  by(2, 5) = 0.5;
  by(9, 5) = -2;
  by(3, 0) = 1;
  combine(blocks, by);
  ASSERT_EQ(blocks.size(), 1);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = static_cast<Index>(i);
    EXPECT_TRUE(
        support::near(blocks[0][i][5], 0.5 * x(row, 1) - 2 * x(row, 3), support::round_off));
    EXPECT_EQ(blocks[0][i][0], x(row, 2));
  }
}

TEST(LaneBlocks, know_residuals_of_complex_values) {
  const MatrixXd x = columns();
  const LaneBlocks blocks = side_by_side(handles(vectors_of(x)), {slots, {}}, rows);
  WideLaneVectors image(rows);
  for (std::size_t i = 0; i < rows; ++i) image[i].set(3, 1);
  const std::complex<double> value(0.3, -1.2);
  WideLaneFactors factor;
  factor.set(0, 2);
  factor.set(2, value);
  LaneVectors kept(rows);
  LaneVectors residual(rows);
  ResidualSums sums;
  find_residuals(factor, blocks[0].data(), image, kept.data(), residual.data(), sums);
  double square = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = static_cast<Index>(i);
    const std::complex<double> r =
        value * std::complex<double>(x(row, 1), x(row, 2)) - std::complex<double>(0, 1);
    square += std::norm(r);
    EXPECT_TRUE(support::near(static_cast<double>(residual[i].v[2]), r.real(), {1e-7, 1e-7}));
    EXPECT_TRUE(support::near(static_cast<double>(residual[i].v[3]), r.imag(), {1e-7, 1e-7}));
    EXPECT_EQ(kept[i].v[2], static_cast<float>(x(row, 1)));
  }
  EXPECT_TRUE(support::near(sums.residual[2] + sums.residual[3], square, {0, 1e-12}));
  EXPECT_TRUE(support::near(sums.residual[0], 4 * x.col(0).squaredNorm(), {0, 1e-12}));
  EXPECT_TRUE(support::near(sums.vector[2], x.col(1).squaredNorm(), {0, 1e-12}));
}

} // namespace
} // namespace komori::linalg
