#include "operators/local_rows.hpp"

#include <map>

#include <gtest/gtest.h>

#include "support.hpp"

namespace komori::operators {
namespace {

using base::check;
using Row = std::map<PetscInt, double>;

void expect_same_rows(Mat matrix) {
  const LocalRows rows(matrix);
  PetscInt first = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(matrix, &first, &end));
  std::size_t entries = 0;
  for (PetscInt i = 0; i < end - first; ++i) {
    Row found;
    const auto read = [&](const LocalRows::Part& part, const auto& column) {
      if (part.starts == nullptr) return;
      for (PetscInt e = part.starts[i]; e < part.starts[i + 1]; ++e) {
        found[column(part.columns[e])] = part.values[e];
      }
    };
    read(rows.own(), [&](PetscInt j) { return first + j; });
    read(rows.others(),
         [&](PetscInt j) { return rows.columns_of_others()[static_cast<std::size_t>(j)]; });
    PetscInt count = 0;
    const PetscInt* columns = nullptr;
    const PetscScalar* values = nullptr;
    check(MatGetRow(matrix, first + i, &count, &columns, &values));
    Row expected;
    for (PetscInt e = 0; e < count; ++e) expected[columns[e]] = values[e];
    check(MatRestoreRow(matrix, first + i, &count, &columns, &values));
    EXPECT_EQ(found, expected);
    entries += expected.size();
  }
  EXPECT_EQ(rows.entries(), entries);
}

TEST(LocalRows, are_those_of_the_matrix) {
  support::Case c({.drift = {"y", "-x - y"}, .diffusion = {"0", "0.25"}},
                  {support::axis("x", -2, 2, 9), support::axis("y", -2, 2, 7)});
  const Mat entries = c.problem().generator_entries();
  expect_same_rows(entries);
  base::UniqueMat transposed;
  check(MatTranspose(entries, MAT_INITIAL_MATRIX, transposed.put()));
  expect_same_rows(transposed.get());
}

} // namespace
} // namespace komori::operators
