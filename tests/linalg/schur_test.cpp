#include "linalg/schur.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "linalg/pair_order.hpp"
#include "mpi_main.hpp"
#include "numbers.hpp"

namespace komori::linalg {
namespace {

using base::check;
using support::near;

/// A matrix by its entries, distributed.
base::UniqueMat assembled(const std::vector<std::vector<double>>& rows) {
  const auto n = static_cast<PetscInt>(rows.size());
  base::UniqueMat matrix;
  check(MatCreateAIJ(test_session().comm(), PETSC_DECIDE, PETSC_DECIDE, n, n, n, nullptr, n,
                     nullptr, matrix.put()));
  PetscInt first = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(matrix.get(), &first, &end));
  for (PetscInt i = first; i < end; ++i) {
    for (PetscInt j = 0; j < n; ++j) {
      const double value = rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
      if (value != 0) check(MatSetValue(matrix.get(), i, j, value, INSERT_VALUES));
    }
  }
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return matrix;
}

SchurSpace space_of(Mat matrix, PetscInt values) {
  return schur_space(
      matrix, {.pairs = values, .largest = true, .prefix = "schur_"}, slower_step,
      [&](const EigenRequest& request) {
        return general_space(matrix, request, test_session().log());
      },
      test_session().log());
}

void expect_sound(const SchurSpace& space) {
  EXPECT_TRUE(space.whole);
  EXPECT_TRUE(space.all_copies);
  for (std::size_t i = 0; i < space.vectors.size(); ++i) {
    EXPECT_LT(space.residuals[i], 1e-9);
    for (std::size_t j = 0; j <= i; ++j) {
      EXPECT_TRUE(near(base::dot(space.vectors[i].get(), space.vectors[j].get()), i == j ? 1 : 0,
                       {1e-12, 0}));
    }
  }
}

TEST(SchurSpace, of_a_defective_value_has_as_many_vectors_as_values) {
  // 0.9 is double with one eigenvector; eigenvectors would span one dimension less.
  const base::UniqueMat matrix = assembled({{1, 0, 0, 0, 0, 0, 0, 0},
                                            {.1, .9, 0, 0, 0, 0, 0, 0},
                                            {0, .1, .9, 0, 0, 0, 0, 0},
                                            {0, 0, .9, .1, 0, 0, 0, 0},
                                            {0, 0, 0, .8, .2, 0, 0, 0},
                                            {0, 0, .5, 0, .2, .3, 0, 0},
                                            {0, 0, 0, 0, .2, .4, .4, 0},
                                            {.5, 0, 0, 0, 0, 0, 0, .5}});

  const SchurSpace space = space_of(matrix.get(), 3);

  ASSERT_EQ(space.vectors.size(), 3);
  expect_sound(space);
  EXPECT_TRUE(near(space.values[0].real(), 1, {1e-10, 0}));
  for (const std::size_t i : {1U, 2U}) { // of a double value rounding leaves half the digits
    EXPECT_LT(std::abs(space.values[i] - 0.9), 1e-6);
  }
}

TEST(SchurSpace, holds_all_copies_and_keeps_pairs_whole) {
  // A ring of four turns: 1, i, -i, -1 of modulus 1; and 0.5 four times.
  std::vector<std::vector<double>> rows(40, std::vector<double>(40, 0.0));
  for (std::size_t i = 0; i < 4; ++i) rows[i][(i + 1) % 4] = 1;
  for (std::size_t i = 4; i < 8; ++i) rows[i][i] = 0.5;
  for (std::size_t i = 8; i < 40; ++i) rows[i][i] = 0.01 * static_cast<double>(i % 7);
  const base::UniqueMat matrix = assembled(rows);

  const SchurSpace space = space_of(matrix.get(), 6);

  ASSERT_EQ(space.values.size(), 6);
  expect_sound(space);
  EXPECT_LT(std::abs(space.values[0] - 1.0), 1e-9);
  EXPECT_GT(space.values[1].imag(), 0.9);
  EXPECT_LT(std::abs(space.values[3] + 1.0), 1e-9);
  EXPECT_LT(std::abs(space.values[4] - 0.5), 1e-9);
  EXPECT_LT(std::abs(space.values[5] - 0.5), 1e-9);
  EXPECT_TRUE(space.splits(2));
  EXPECT_FALSE(space.splits(3));
  EXPECT_EQ(space_of(matrix.get(), 2).values.size(), 3); // one more, for the whole pair
}

} // namespace
} // namespace komori::linalg
