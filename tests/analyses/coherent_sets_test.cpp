#include "analyses/coherent_sets.hpp"

#include <cmath>
#include <complex>
#include <numbers>

#include <Eigen/Dense>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "operators/csr.hpp"
#include "transfer_cases.hpp"

namespace komori::analyses {
namespace {

using support::message_of;
using support::near;
using testing::HasSubstr;

const std::vector<std::string> state{"state"};

CoherentSets sets_of(TransferProblem& problem, const CoherentSetsInput& input,
                     const std::vector<std::string>& variables = state) {
  CoherentSets sets = compute_coherent_sets(problem, input, variables, {});
  EXPECT_TRUE(sets.complete);
  for (const double residual : sets.residuals) EXPECT_LT(residual, 1e-9);
  return sets;
}

/// A ring that turns by seven places with noise; its operator is normal with known values.
std::vector<std::vector<double>> noisy_turn(std::size_t states) {
  std::vector<std::vector<double>> matrix(states, std::vector<double>(states, 0.0));
  for (std::size_t i = 0; i < states; ++i) {
    matrix[i][(i + 7) % states] += .5;
    matrix[i][(i + 8) % states] += .3;
    matrix[i][(i + 9) % states] += .2;
  }
  return matrix;
}

double value_of_turn(double states, int wave) {
  const std::complex<double> w = std::polar(1.0, 2 * std::numbers::pi * wave / states);
  return std::abs(.5 + .3 * w + .2 * w * w);
}

TEST(CoherentSets, of_a_noisy_turn_come_in_pairs_of_equal_values) {
  ChainCase chain(noisy_turn(30));
  for (const int steps : {1, 3}) {
    const CoherentSets sets = sets_of(*chain, {.pairs = 5, .steps = steps, .density = {}});

    ASSERT_EQ(sets.values.size(), 5);
    EXPECT_TRUE(near(sets.values[0], 1, {1e-12, 0}));
    for (std::size_t i = 1; i < 5; ++i) {
      const int wave = static_cast<int>(i + 1) / 2; // sine and cosine
      EXPECT_TRUE(near(sets.values[i], std::pow(value_of_turn(30, wave), steps), {1e-10, 0})) << i;
    }
    for (const double one : support::gathered(chain->grid(), sets.beginning[0].get())) {
      EXPECT_TRUE(near(one, 1, {1e-10, 0}));
    }
  }
}

TEST(CoherentSets, agree_with_the_singular_values_of_the_dense_matrix) {
  ChainCase chain(three_groups());
  CoherentSetsInput input{.pairs = 12, .steps = 2, .density = support::formula("1 + state")};

  const CoherentSets sets = sets_of(*chain, input);

  const Eigen::MatrixXd p = support::dense(chain->grid(), (*chain).matrix());
  Eigen::VectorXd before(12);
  for (Eigen::Index i = 0; i < 12; ++i) before[i] = 1 + static_cast<double>(i);
  before /= before.sum();
  const Eigen::VectorXd after = (p * p).transpose() * before;
  const Eigen::MatrixXd weighted =
      before.cwiseSqrt().asDiagonal() * (p * p) * after.cwiseSqrt().cwiseInverse().asDiagonal();
  const Eigen::VectorXd exact = Eigen::JacobiSVD<Eigen::MatrixXd>(weighted).singularValues();
  ASSERT_EQ(sets.values.size(), 12);
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_TRUE(near(sets.values[i], exact[static_cast<Eigen::Index>(i)], {1e-9, 0})) << i;
  }
}

TEST(CoherentSets, parts_that_move_as_a_whole_are_coherent_without_leaving_anything) {
  // The first three states go to the last three and back; within, everything is mixed.
  const double third = 1. / 3;
  std::vector<std::vector<double>> matrix(6, std::vector<double>(6, 0.0));
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 0; j < 3; ++j) matrix[i][(i < 3 ? 3 : 0) + j] = third;
  }
  ChainCase chain(matrix);

  const CoherentSets sets = sets_of(*chain, {.pairs = 3, .density = {}});

  EXPECT_TRUE(near(sets.values[1], 1, {1e-12, 0}));
  EXPECT_TRUE(near(sets.values[2], 0, {1e-12, 0}));
  EXPECT_TRUE(near(sets.coherence[1], 1, {1e-12, 0}));
}

TEST(CoherentSets, cells_without_mass_take_no_part) {
  ChainCase chain({{.9, .1, 0, 0}, {.2, .8, 0, 0}, {.5, 0, .5, 0}, {0, 0, .5, .5}});
  CoherentSetsInput input{.pairs = 2, .density = support::formula("state < 2")};

  const CoherentSets sets = sets_of(*chain, input);

  const std::vector<double> u = support::gathered(chain->grid(), sets.beginning[1].get());
  EXPECT_EQ(u[2], 0);
  EXPECT_EQ(u[3], 0);
  EXPECT_TRUE(near(sets.values[0], 1, {1e-12, 0}));
}

/// A chain whose rows lack what leaks.
TransferProblem leaking(const std::vector<std::vector<double>>& matrix) {
  spaces::Grid grid =
      support::grid({support::axis("state", -0.5, static_cast<double>(matrix.size()) - 0.5,
                                   static_cast<PetscInt>(matrix.size()))});
  operators::TransferMatrix transfer;
  transfer.leak = grid.vector();
  operators::CsrBuilder builder(grid.first(), grid.local_cells(), 4);
  {
    const base::WriteArray leaks(transfer.leak.get());
    for (std::size_t i = 0; i < leaks.size(); ++i) {
      const std::vector<double>& row = matrix[static_cast<std::size_t>(grid.first()) + i];
      leaks[i] = 1;
      for (std::size_t j = 0; j < row.size(); ++j) {
        if (row[j] == 0) continue;
        builder.add(static_cast<PetscInt>(j), row[j]);
        leaks[i] -= row[j];
      }
      builder.end_row();
      transfer.largest_leak = std::max(transfer.largest_leak, leaks[i]);
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, &transfer.largest_leak, 1, MPI_DOUBLE, MPI_MAX, grid.comm());
  transfer.matrix = std::move(builder).finish(grid.comm(), grid.cells());
  return {test_session(), std::move(grid), std::move(transfer), 1};
}

TEST(CoherentSets, of_an_open_chain_are_of_what_stays) {
  TransferProblem problem = leaking({{.5, .3, .1, 0, 0, 0},
                                     {.2, .6, .1, .05, 0, 0},
                                     {.1, .2, .6, 0, .05, 0},
                                     {0, .02, 0, .5, .3, .1},
                                     {0, 0, .03, .4, .2, .3},
                                     {0, 0, 0, .1, .2, .4}});
  CoherentSetsInput input{.pairs = 6, .steps = 3, .density = support::formula("1 + state")};

  const CoherentSets sets = sets_of(problem, input);

  // From numpy 1.24: J = diag(m) P^3 divided by its sum, the singular values of J divided by the
  // roots of its row and column sums, and the first nontrivial functions.
  EXPECT_TRUE(near(sets.survival, 0.6695180952380954, {0, 1e-14}));
  const std::vector<double> values{1,
                                   0.832481525526945,
                                   0.167541728731864,
                                   0.0692530975944153,
                                   0.0272554525473182,
                                   0.000896979281724976};
  const std::vector<double> u{-1.52371966, -1.35317299, -1.30237693,
                              0.71172134,  0.69965522,  0.80593029};
  const std::vector<double> v{-1.50299931, -1.36289014, -1.23696316,
                              0.69831051,  0.70826083,  0.80370299};
  ASSERT_EQ(sets.values.size(), 6);
  const std::vector<double> beginning = support::gathered(problem.grid(), sets.beginning[1].get());
  const std::vector<double> end = support::gathered(problem.grid(), sets.end[1].get());
  const double sign = beginning[0] < 0 ? 1 : -1;
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_TRUE(near(sets.values[i], values[i], {1e-10, 0})) << i;
    EXPECT_TRUE(near(sign * beginning[i], u[i], {1e-8, 0})) << i;
    EXPECT_TRUE(near(sign * end[i], v[i], {1e-8, 0})) << i;
  }
  EXPECT_TRUE(near(sets.coherence[1], 0.8864316838081965, {1e-12, 0}));
  for (const double one : support::gathered(problem.grid(), sets.beginning[0].get())) {
    EXPECT_TRUE(near(one, 1, {1e-10, 0}));
  }
}

TEST(CoherentSets, a_leak_that_is_the_same_everywhere_changes_nothing) {
  std::vector<std::vector<double>> matrix = noisy_turn(30);
  for (std::vector<double>& row : matrix) {
    for (double& entry : row) entry *= 0.8;
  }
  TransferProblem problem = leaking(matrix);

  const CoherentSets sets = sets_of(problem, {.pairs = 3, .steps = 3, .density = {}});

  EXPECT_TRUE(near(sets.survival, 0.512, {1e-14, 0}));
  EXPECT_TRUE(near(sets.values[0], 1, {1e-12, 0}));
  EXPECT_TRUE(near(sets.values[1], std::pow(value_of_turn(30, 1), 3), {1e-10, 0}));
}

TEST(CoherentSets, cells_that_keep_nothing_take_no_part) {
  // The ring of noisy turn, and ten states more from which all leaks at once.
  std::vector<std::vector<double>> matrix = noisy_turn(30);
  for (std::vector<double>& row : matrix) row.resize(40, 0.0);
  matrix.resize(40, std::vector<double>(40, 0.0));
  TransferProblem problem = leaking(matrix);

  const CoherentSets sets = sets_of(problem, {.pairs = 3, .density = {}});

  EXPECT_TRUE(near(sets.survival, 0.75, {1e-14, 0}));
  EXPECT_TRUE(near(sets.values[1], value_of_turn(30, 1), {1e-10, 0}));
  const std::vector<double> u = support::gathered(problem.grid(), sets.beginning[0].get());
  EXPECT_TRUE(near(u[29], 1, {1e-10, 0}));
  EXPECT_EQ(u[30], 0);
}

TEST(CoherentSets, wrong_input_is_refused) {
  TransferProblem nothing = leaking({{0, 1}, {0, 0}});
  EXPECT_THAT(
      message_of([&] { compute_coherent_sets(nothing, {.steps = 2, .density = {}}, state, {}); }),
      HasSubstr("only 0 of all mass does for 2 steps; widen the grid"));
  ChainCase rates({{-1, 1}, {1, -1}});
  EXPECT_THAT(message_of([&] { compute_coherent_sets(*rates, {.density = {}}, state, {}); }),
              HasSubstr("but the matrix holds rates"));
  ChainCase chain(three_groups());
  const auto told = [&](const CoherentSetsInput& input) {
    return message_of([&] { validate(chain->grid(), input, state, {}); });
  };
  EXPECT_THAT(told({.pairs = 13, .density = {}}), HasSubstr("but there are only 12 cells"));
  EXPECT_THAT(told({.density = support::formula("state - 3", "coherent_sets.density")}),
              HasSubstr("'coherent_sets.density' is negative (it is -3) at state = 0"));
  EXPECT_THAT(told({.density = support::formula("state > 20", "coherent_sets.density")}),
              HasSubstr("is 0 in every cell"));
}

} // namespace
} // namespace komori::analyses
