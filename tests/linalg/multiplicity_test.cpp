#include "linalg/multiplicity.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "linalg/pair_order.hpp"
#include "mpi_main.hpp"

namespace komori::linalg {
namespace {

using base::check;

TEST(Multiplicity, copies_are_found_in_a_matrix_that_is_not_normal) {
  // 1 five times, 0.8 three times, then others; coupled upwards where neighbours differ.
  const PetscInt size = 60;
  const auto entry = [](PetscInt i) { return i < 5 ? 1.0 : i < 8 ? 0.8 : 0.01 * (60.0 - i); };
  base::UniqueMat matrix;
  check(MatCreateAIJ(test_session().comm(), PETSC_DECIDE, PETSC_DECIDE, size, size, 2, nullptr, 1,
                     nullptr, matrix.put()));
  PetscInt first = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(matrix.get(), &first, &end));
  for (PetscInt i = first; i < end; ++i) {
    check(MatSetValue(matrix.get(), i, i, entry(i), INSERT_VALUES));
    if (i + 1 < size && entry(i) != entry(i + 1)) {
      check(MatSetValue(matrix.get(), i, i + 1, i < 8 ? 0.2 : 0.002, INSERT_VALUES));
    }
  }
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  const EigenRequest request{.pairs = 8, .tolerance = 1e-11, .largest = true, .prefix = "test_"};

  EigenPairs pairs = general_pairs(matrix.get(), request, test_session().log());
  const auto belongs = [](std::complex<double> value) { return std::abs(value) > 0.8 - 1e-8; };
  EXPECT_TRUE(complete_multiplicities(matrix.get(), request, pairs, belongs, test_session().log()));
  sort_units(pairs, [](auto a, auto b) { return a.real() > b.real(); });

  ASSERT_GE(pairs.values.size(), 8);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(pairs.values[i].real(), i < 5 ? 1 : 0.8, 1e-9) << i;
    EXPECT_LE(eigen_residual(matrix.get(), pairs.values[i], pairs.vectors[i].get(), nullptr), 1e-9);
  }
  const auto ones = std::count_if(pairs.values.begin(), pairs.values.end(),
                                  [](auto value) { return std::abs(value - 1.0) < 1e-6; });
  EXPECT_EQ(ones, 5); // and none twice
}

} // namespace
} // namespace komori::linalg
