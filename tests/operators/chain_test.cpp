#include "operators/chain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "operators/connectivity.hpp"
#include "operators/separate_parts.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using support::message_of;
using testing::HasSubstr;

models::ChainInput input(std::vector<std::vector<double>> matrix) {
  models::ChainInput chain;
  chain.matrix = std::move(matrix);
  chain.origin = {"a.yaml", 2};
  return chain;
}

Chain assemble(const models::ChainInput& chain, Eigen::MatrixXd* dense = nullptr) {
  const ChainSource source(test_session().comm(), chain);
  const spaces::Grid grid = source.grid();
  Chain made = assemble_chain(source, grid);
  if (dense) *dense = support::dense(grid, made.transfer.matrix.get());
  return made;
}

Connectivity connectivity_of(const std::vector<std::vector<double>>& matrix) {
  const Chain chain = assemble(input(matrix));
  base::UniqueMat transposed;
  base::check(MatTranspose(chain.transfer.matrix.get(), MAT_INITIAL_MATRIX, transposed.put()));
  return connectivity(chain.transfer.matrix.get(), transposed.get());
}

TEST(Chain, probabilities_and_rates) {
  Eigen::MatrixXd dense;
  const Chain p = assemble(input({{0.5, 0.5, 0}, {0, 0.5, 0.5}, {0.25, 0, 0.75}}), &dense);
  EXPECT_FALSE(p.rates);
  EXPECT_EQ(p.transfer.nonzeros, 6);
  EXPECT_EQ(p.transfer.norm, 1);
  EXPECT_EQ(dense(2, 0), 0.25);
  const Chain rates = assemble(input({{-2, 2, 0}, {0, 0, 0}, {1, 0, -1}}), &dense);
  EXPECT_TRUE(rates.rates);
  EXPECT_EQ(rates.transfer.norm, 4);
  EXPECT_EQ(dense(0, 0), -2);
}

TEST(Chain, rows_that_are_not_allowed) {
  const auto error = [](std::vector<std::vector<double>> matrix) {
    return message_of([&] { assemble(input(std::move(matrix))); });
  };
  EXPECT_EQ(error({{0.5, 0.5, 0}, {0, 0.5, 0.5}, {0.25, 0, 0.73}}),
            "a.yaml:2: 'model.matrix': row 2 (from 0) sums to 0.98, but rows of a matrix of "
            "probabilities must sum to 1");
  EXPECT_THAT(error({{1.5, -0.5}, {0, 1}}),
              HasSubstr("row 0, column 1 (from 0) is -0.5, but probabilities cannot be negative"));
  EXPECT_THAT(
      error({{-1, 1}, {0.5, -0.4}}),
      HasSubstr("row 1 (from 0) sums to 0.1, but rows of a matrix of rates (it has negative "
                "diagonal entries) must sum to 0"));
  EXPECT_THAT(error({{-1, 1}, {-0.5, 0.5}}), HasSubstr("rates between states cannot be negative"));
  EXPECT_THAT(error({{0, 0}, {0.5, 0.5}}), HasSubstr("row 0 (from 0) sums to 0, but"));
  EXPECT_THAT(
      error({{0.3333333, 0.6666666}, {0.5, 0.5}}),
      HasSubstr("sum to 1; write more digits (double precision), or divide every row by its "
                "sum"));
  EXPECT_THAT(error({{-1.0000003, 1}, {0.5, -0.5}}),
              HasSubstr("sum to 0; write more digits (double precision), or set the diagonal to "
                        "minus the others"));
}

TEST(Chain, connectivity_counts_what_is_cut_off) {
  const auto counts = [](const std::vector<std::vector<double>>& matrix) {
    const Connectivity found = connectivity_of(matrix);
    return std::pair(found.unreachable, found.dead_ends);
  };
  EXPECT_EQ(counts({{0, 1, 0}, {0, 0, 1}, {1, 0, 0}}), std::pair(0L, 0L));
  EXPECT_EQ(counts({{0.5, 0.5, 0}, {0, 1, 0}, {1, 0, 0}}), std::pair(1L, 1L));
  EXPECT_EQ(counts({{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}), std::pair(2L, 2L));
  EXPECT_EQ(counts({{-1, 1}, {2, -2}}), std::pair(0L, 0L));
  // A long path back and forth crosses the ranks' borders many times.
  const std::size_t n = 101;
  std::vector<std::vector<double>> path(n, std::vector<double>(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) path[i][(i + 37) % n] = 1;
  EXPECT_EQ(counts(path), std::pair(0L, 0L));
}

TEST(Chain, separate_parts_are_what_never_meets) {
  // States in a ring by threes, a path that crosses all ranks, and one alone.
  constexpr std::size_t n = 41;
  std::vector<std::vector<double>> rows(n, std::vector<double>(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) rows[i][i] = 0.5;
  std::vector<double> wanted(n);
  for (std::size_t i = 0; i < n - 1; ++i) {
    if (i % 2 == 0) { // one way only: the even states from the last to the first
      rows[i][i > 1 ? i - 2 : i] += 0.5;
      wanted[i] = 0;
    } else { // neighbours in pairs: {1, 3}, {5, 7}, ...
      rows[i][i % 4 == 1 ? std::min(i + 2, n - 2) : i] += 0.5;
      wanted[i] = static_cast<double>(i % 4 == 1 ? i : i - 2);
    }
  }
  rows[n - 1][n - 1] = 1;
  wanted[n - 1] = n - 1;
  const Chain chain = assemble(input(rows));
  const spaces::Grid grid = support::grid({support::axis("state", -0.5, n - 0.5, n)});
  std::vector<double> names;
  grid.for_each_cell([&](PetscInt, const spaces::Index& cell) {
    names.push_back(static_cast<double>(grid.natural(cell)));
  });

  const auto parts = separate_parts(chain.transfer.matrix.get(), names);

  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->count, 12); // the path, ten pairs, the one alone
  EXPECT_EQ(support::gathered(grid, parts->first.get()), wanted);
}

TEST(Chain, closed_sets_are_what_is_never_left) {
  // {1, 4} and {6} are closed; 0 leads to both, 2 and 3 to one another and to 6, 5 to all.
  const Chain chain = assemble(input({{.4, .3, 0, 0, 0, 0, .3},
                                      {0, .5, 0, 0, .5, 0, 0},
                                      {0, 0, .1, .9, 0, 0, 0},
                                      {0, 0, .8, 0, 0, 0, .2},
                                      {0, 1, 0, 0, 0, 0, 0},
                                      {.5, 0, .5, 0, 0, 0, 0},
                                      {0, 0, 0, 0, 0, 0, 1}}));
  const Mat matrix = chain.transfer.matrix.get();
  base::UniqueMat transposed;
  base::check(MatTranspose(matrix, MAT_INITIAL_MATRIX, transposed.put()));

  const auto sets = closed_sets(matrix, transposed.get(), 100);

  ASSERT_TRUE(sets);
  std::vector<std::vector<double>> found;
  const spaces::Grid grid = support::grid({support::axis("state", -0.5, 6.5, 7)});
  for (const base::UniqueVec& set : *sets) found.push_back(support::gathered(grid, set.get()));
  EXPECT_THAT(found, testing::UnorderedElementsAre(testing::ElementsAre(0, 1, 0, 0, 1, 0, 0),
                                                   testing::ElementsAre(0, 0, 0, 0, 0, 0, 1)));
  EXPECT_FALSE(closed_sets(matrix, transposed.get(), 1)); // two sets take two searches at least
}

} // namespace
} // namespace komori::operators
