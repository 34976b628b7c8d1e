#include "operators/counts.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "io/temporary_folder.hpp"
#include "npy.hpp"
#include "operators/connectivity.hpp"
#include "operators/estimate.hpp"
#include "operators/reversible.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using io::message_of;
using io::TemporaryFolder;
using support::npy;
using testing::HasSubstr;

/// A matrix on every rank, by cell positions along one axis.
std::vector<double> dense(const spaces::Grid& grid, Mat matrix) {
  const auto n = static_cast<std::size_t>(grid.cells());
  std::vector<double> values(n * n, 0.0);
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    PetscInt count = 0;
    const PetscInt* columns = nullptr;
    const PetscScalar* entries = nullptr;
    const PetscInt row = grid.first() + local;
    base::check(MatGetRow(matrix, row, &count, &columns, &entries));
    for (PetscInt k = 0; k < count; ++k) {
      const auto column = static_cast<std::size_t>(grid.natural(grid.cell(columns[k])));
      values[static_cast<std::size_t>(grid.natural(cell)) * n + column] = entries[k];
    }
    base::check(MatRestoreRow(matrix, row, &count, &columns, &entries));
  });
  MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  return values;
}

class Counts : public testing::Test {
protected:
  /// Trajectories of one variable, a file each.
  models::TrajectoryInput input(const std::vector<std::vector<double>>& files) {
    models::TrajectoryInput input;
    input.variables = {"x"};
    input.origin = {"t.yaml", 3};
    input.lag_origin = {"t.yaml", 4};
    for (const auto& values : files) {
      const std::string name = std::to_string(input.files.size()) + ".npy";
      folder_.put(name, npy(values, 1));
      input.files.push_back(folder_.file(name));
    }
    return input;
  }
  static spaces::Grid states(PetscInt n, spaces::Boundary boundary = spaces::Boundary::reflecting) {
    return support::grid({support::axis("x", -0.5, static_cast<double>(n) - 0.5, n, boundary)});
  }
  TemporaryFolder folder_;
};

TEST_F(Counts, by_hand) {
  // 0 1 1 2 0 | 2 2 1: pairs at lag 1: 01 11 12 20 | 22 21; at lag 2: 01 12 10 | 21.
  const TrajectorySource source(folder_.comm(), input({{0, 1, 1, 2, 0}, {2, 2, 1}}));
  const spaces::Grid grid = states(3);
  TransitionCounts one(source, grid, 1, {});
  EXPECT_EQ(dense(grid, one.data()), (std::vector<double>{0, 1, 0, 0, 1, 1, 1, 1, 1}));
  EXPECT_EQ(one.pairs(), 6);
  TransitionCounts two(source, grid, 2, {});
  EXPECT_EQ(dense(grid, two.data()), (std::vector<double>{0, 1, 0, 1, 0, 1, 0, 1, 0}));
  const EstimatedChain chain = estimate_chain(one.data(), {});
  const std::vector<double> expected{0, 1, 0, 0, 0.5, 0.5, 1. / 3, 1. / 3, 1. / 3};
  EXPECT_EQ(dense(grid, chain.transfer.matrix.get()), expected);
  EXPECT_EQ(chain.states, 3);
  EXPECT_EQ(chain.kept, 1);
}

TEST_F(Counts, frames_beyond_the_seam_and_outside) {
  const TrajectorySource source(folder_.comm(), input({{0, 3, 4.2, -1, -0.9}}));
  const spaces::Grid round = states(3, spaces::Boundary::periodic); // cells 0 0 1 2 2
  TransitionCounts counts(source, round, 1, {});
  EXPECT_EQ(dense(round, counts.data()), (std::vector<double>{1, 1, 0, 0, 0, 1, 0, 0, 1}));
  const spaces::Grid bounded = states(3);
  EXPECT_THAT(
      message_of<base::InputError>([&] { TransitionCounts(source, bounded, 1, {}); }),
      HasSubstr("0.npy', row 1 (from 0): x = 3 lies outside 'grid.x' from -0.5 to 2.5; widen "
                "it, or set 'counts.outside: skip'"));
  EXPECT_EQ(message_of<base::InputError>(
                [&] { TransitionCounts(source, bounded, 1, {.outside = "skip"}); }),
            "no pair of frames lies within the grid; widen 'grid'");
  const spaces::Grid wide = states(4);
  TransitionCounts some(source, wide, 1, {.outside = "skip"});
  EXPECT_EQ(some.pairs(), 1);
  EXPECT_EQ(some.skipped(), 3);
}

TEST_F(Counts, the_chain_is_on_the_largest_connected_set) {
  // 0 leads to 1 and 2, which lead to each other and on to 3, where it ends; 5 and 6 are apart.
  const TrajectorySource source(folder_.comm(), input({{0, 1, 2, 1, 2, 2, 1, 3}, {5, 6, 5, 6}}));
  const spaces::Grid grid = states(8);
  TransitionCounts counts(source, grid, 1, {});
  for (const char* estimator : {"plain", "reversible"}) {
    const EstimatedChain chain = estimate_chain(counts.data(), {.estimator = estimator});
    EXPECT_EQ(chain.visited, 5); // 3 begins no pair
    EXPECT_EQ(chain.states, 2);
    EXPECT_DOUBLE_EQ(chain.kept, 5. / 10);
    const std::vector<double> matrix = dense(grid, chain.transfer.matrix.get());
    for (std::size_t i = 0; i < 8; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < 8; ++j) sum += matrix[8 * i + j];
      EXPECT_NEAR(sum, i == 1 || i == 2 ? 1 : 0, 1e-14) << i;
    }
  }
}

TEST_F(Counts, the_reversible_estimate_is_the_most_likely_one) {
  // Counts (rows) 5 2 3 / 1 6 4 / 4 2 7 as cycles through a path of 3 states are not needed: the
  // matrix is given at once.
  const spaces::Grid grid = states(3);
  const std::vector<double> c{5, 2, 3, 1, 6, 4, 4, 2, 7};
  base::UniqueMat counts;
  base::check(MatCreateAIJ(grid.comm(), grid.local_cells(), grid.local_cells(), 3, 3, 3, nullptr, 3,
                           nullptr, counts.put()));
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    for (PetscInt j = 0; j < 3; ++j) {
      base::check(MatSetValue(counts.get(), grid.first() + local, grid.number({j}),
                              c[static_cast<std::size_t>(3 * cell[0] + j)], INSERT_VALUES));
    }
  });
  base::check(MatAssemblyBegin(counts.get(), MAT_FINAL_ASSEMBLY));
  base::check(MatAssemblyEnd(counts.get(), MAT_FINAL_ASSEMBLY));
  base::UniqueMat transposed;
  base::check(MatTranspose(counts.get(), MAT_INITIAL_MATRIX, transposed.put()));
  const std::vector<double> p =
      dense(grid, reversible_estimate(counts.get(), transposed.get(), 1e-13).get());
  // Kolmogorov's criterion on the one cycle there is.
  EXPECT_NEAR(p[1] * p[5] * p[6], p[2] * p[7] * p[3], 1e-12);
  const auto likelihood = [&](const std::vector<double>& q) {
    double sum = 0;
    for (std::size_t i = 0; i < 9; ++i) sum += c[i] * std::log(q[i]);
    return sum;
  };
  // No reversible matrix next to it is more likely: x_ij = pi_i p_ij changed symmetrically.
  std::vector<double> pi{1, p[1] / p[3], p[2] / p[6]};
  std::vector<double> x(9);
  for (std::size_t i = 0; i < 9; ++i) x[i] = pi[i / 3] * p[i];
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = i; j < 3; ++j) {
      for (const double change : {1e-4, -1e-4}) {
        std::vector<double> y = x;
        y[3 * i + j] *= 1 + change;
        if (i != j) y[3 * j + i] *= 1 + change;
        for (std::size_t r = 0; r < 3; ++r) {
          const double sum = y[3 * r] + y[3 * r + 1] + y[3 * r + 2];
          for (std::size_t k = 0; k < 3; ++k) y[3 * r + k] /= sum;
        }
        EXPECT_LT(likelihood(y), likelihood(p));
      }
    }
  }
}

TEST_F(Counts, the_reversible_estimate_of_a_metastable_chain) {
  // Two groups of ten states that meet once in 10^5 steps, counts of no symmetry.
  constexpr PetscInt n = 20;
  const spaces::Grid grid = states(n);
  const auto count = [](PetscInt i, PetscInt j) {
    if (i / 10 != j / 10) return i % 10 == 0 && j % 10 == 0 ? (i < j ? 3.0 : 1.0) : 0.0;
    return static_cast<double>((i * 7 + j * 13) % 5) * 1000 + (i == j ? 90'000 : i < j ? 40 : 10);
  };
  base::UniqueMat counts;
  base::check(MatCreateAIJ(grid.comm(), grid.local_cells(), grid.local_cells(), n, n, n, nullptr, n,
                           nullptr, counts.put()));
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    for (PetscInt j = 0; j < n; ++j) {
      if (count(cell[0], j) == 0) continue;
      base::check(MatSetValue(counts.get(), grid.first() + local, grid.number({j}),
                              count(cell[0], j), INSERT_VALUES));
    }
  });
  base::check(MatAssemblyBegin(counts.get(), MAT_FINAL_ASSEMBLY));
  base::check(MatAssemblyEnd(counts.get(), MAT_FINAL_ASSEMBLY));
  base::UniqueMat transposed;
  base::check(MatTranspose(counts.get(), MAT_INITIAL_MATRIX, transposed.put()));
  const std::vector<double> p =
      dense(grid, reversible_estimate(counts.get(), transposed.get(), 1e-10).get());
  // Masses follow from detailed balance along links; every link must then hold it.
  std::vector<double> x(n, 1);
  for (std::size_t i = 1; i < n; ++i) {
    const std::size_t from = i == 10 ? 0 : i < 10 ? 0 : 10;
    x[i] = x[from] * p[from * n + i] / p[i * n + from];
  }
  std::vector<double> sums(n, 0);
  double both = 0;
  for (PetscInt i = 0; i < n; ++i) {
    for (PetscInt j = 0; j < n; ++j) sums[static_cast<std::size_t>(i)] += count(i, j);
    both += x[static_cast<std::size_t>(i)];
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  for (double& mass : x) mass *= 2 * total / both; // masses as the fixed point has them
  // x_ij = (c_ij + c_ji) / (c_i / x_i + c_j / x_j), Bowman et al. 2009.
  for (PetscInt i = 0; i < n; ++i) {
    for (PetscInt j = 0; j < n; ++j) {
      const auto a = static_cast<std::size_t>(i);
      const auto b = static_cast<std::size_t>(j);
      const double there = count(i, j) + count(j, i);
      const double flow = there / (sums[a] / x[a] + sums[b] / x[b]);
      EXPECT_NEAR(x[a] * p[a * n + b], flow, 1e-8 * flow) << i << ' ' << j;
    }
  }
}

TEST_F(Counts, samples_of_blocks) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back((i * 7 % 11 + i / 90) % 3);
  const TrajectorySource source(folder_.comm(), input({values, {0, 1, 2, 0, 1}}));
  const BlockSamples blocks(source, 50, 3);
  EXPECT_EQ(blocks.blocks(), 21);
  EXPECT_EQ(blocks.block(0, 49), 0);
  EXPECT_EQ(blocks.block(0, 999), 19);
  EXPECT_EQ(blocks.block(1, 4), 20);
  const spaces::Grid grid = states(3);
  TransitionCounts counts(source, grid, 2, {}, &blocks, 5, 3);
  TransitionCounts all(source, grid, 2, {});
  EXPECT_EQ(dense(grid, counts.data()), dense(grid, all.data()));
  for (std::int64_t s = 0; s < 3; ++s) {
    // Counted by hand, block after block.
    const std::vector<std::int32_t> drawn = blocks.drawn(5 + s);
    std::int64_t total = 0;
    for (const std::int32_t n : drawn) total += n;
    EXPECT_EQ(total, 21);
    std::vector<double> expected(9, 0.0);
    for (std::size_t i = 0; i + 2 < values.size(); ++i) {
      expected[static_cast<std::size_t>(3 * values[i] + values[i + 2])] += drawn[i / 50];
    }
    for (const auto e : {std::size_t{2}, std::size_t{3}, std::size_t{7}}) expected[e] += drawn[20];
    EXPECT_EQ(dense(grid, counts.sample(s)), expected) << s;
  }
  EXPECT_THAT(
      message_of<base::InputError>(
          [&] { BlockSamples(TrajectorySource(folder_.comm(), input({values})), 900, 1); }),
      HasSubstr("'bootstrap.block' of 900 cuts the trajectory into 1 block; there must be 2"));
}

} // namespace
} // namespace komori::operators
