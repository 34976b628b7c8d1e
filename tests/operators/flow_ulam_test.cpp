#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "models/model.hpp"
#include "numbers.hpp"
#include "operators/cover.hpp"
#include "operators/ulam.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using support::message_of;
using support::near;
using testing::HasSubstr;

models::ModelInput read(const std::string& yaml) {
  return config::read<models::ModelInput>(config::parse("{" + yaml + "}", "a.yaml"),
                                          {.accepted = {"map", "flow"}});
}
models::Flow flow_of(const std::string& yaml) {
  return models::Flow(read("kind: flow, " + yaml).flow);
}
models::Map map_of(const std::string& yaml) {
  return models::Map(read("kind: map, " + yaml).map);
}

Eigen::MatrixXd matrix(const models::Step& step, const spaces::Grid& grid, const UlamInput& input) {
  return support::dense(grid, assemble_ulam(step, grid, input).matrix.get());
}

const std::string pendulum = "variables: [x, p], drift: [p, -sin(x)], lag: 1.5";
std::vector<spaces::Axis> cylinder(PetscInt cells) {
  return {support::axis("x", -3.141592653589793, 3.141592653589793, cells, Boundary::periodic),
          support::axis("p", -3, 3, cells)};
}

TEST(UlamOfFlows, is_that_of_the_map_which_the_flow_is) {
  const spaces::Grid ring = support::grid({support::axis("x", 0, 1, 30, Boundary::periodic)});
  for (const std::string rule : {"midpoint", "random"}) {
    const UlamInput input{.samples = 7, .rule = rule};
    const Eigen::MatrixXd flown =
        matrix(flow_of("variables: [x], drift: [0.3], lag: 1"), ring, input);
    const Eigen::MatrixXd mapped = matrix(map_of("variables: [x], map: [x + 0.3]"), ring, input);
    EXPECT_EQ((flown - mapped).cwiseAbs().maxCoeff(), 0) << rule;
  }
}

TEST(UlamOfFlows, exact_entries_are_measures_of_preimages) {
  const spaces::Grid grid = support::grid({support::axis("x", -1, 2, 24)});
  const UlamInput exact{.entries = "exact"};
  const Eigen::MatrixXd flown = matrix(
      flow_of("variables: [x], drift: [-x], lag: 0.7, rtol: 1e-11, atol: 1e-12"), grid, exact);
  const Eigen::MatrixXd mapped = matrix(map_of("variables: [x], map: [exp(-0.7)*x]"), grid, exact);
  EXPECT_LT((flown - mapped).cwiseAbs().maxCoeff(), 1e-8); // rtol over the width of a cell
  EXPECT_THAT(message_of([&] {
                validate(flow_of("variables: [x], drift: [-x], noise: 1, lag: 0.7, steps: 3"), grid,
                         exact);
              }),
              HasSubstr("'ulam.entries' is 'exact', which is for maps without noise"));
}

TEST(UlamOfFlows, is_the_same_on_any_number_of_ranks) {
  // Many cells per batch, one, and several batches per cell.
  for (const std::int64_t samples : {2, 12, 20}) {
    for (const std::string noise : {"", ", diffusion: [0, 0.05], steps: 8"}) {
      const models::Flow flow = flow_of(pendulum + noise);
      const UlamInput input{.samples = samples, .outside = "leak"};
      const spaces::Grid alone(MPI_COMM_SELF, cylinder(9));
      const spaces::Grid shared = support::grid(cylinder(9));
      const Eigen::MatrixXd a = matrix(flow, alone, input);
      const Eigen::MatrixXd b = matrix(flow, shared, input);
      EXPECT_EQ((a - b).cwiseAbs().maxCoeff(), 0) << samples << noise;
    }
  }
}

TEST(UlamOfFlows, rows_of_an_ornstein_uhlenbeck_process_are_its_transition_density) {
  // dX = -X dt + dW: X(t) from x is normal with mean x e^-t, variance (1 - e^-2t)/2.
  const double t = 0.5;
  const double root = std::sqrt((1 - std::exp(-2 * t)) / 2);
  const spaces::Grid grid = support::grid({support::axis("x", -3, 3, 12)});
  const auto draws = 5000;
  const Eigen::MatrixXd p = matrix(flow_of("variables: [x], drift: [-x], noise: 1, lag: 0.5, "
                                           "steps: 10"),
                                   grid, {.samples = draws, .outside = "leak"});
  const auto below = [&](double y, double x) {
    return 0.5 * std::erfc(-(y - x * std::exp(-t)) / (root * std::sqrt(2.0)));
  };
  double squares = 0;
  for (PetscInt i = 0; i < 12; ++i) {
    for (PetscInt j = 0; j < 12; ++j) {
      double exact = 0; // mean over the cell that is left
      for (int s = 0; s < 40; ++s) {
        const double x = -3 + 0.5 * (static_cast<double>(i) + (s + 0.5) / 40);
        const double y = -3 + 0.5 * static_cast<double>(j);
        exact += (below(y + 0.5, x) - below(y, x)) / 40;
      }
      const double deviation = std::sqrt(exact * (1 - exact) / draws) + 1e-5;
      EXPECT_TRUE(near(p(i, j), exact, {5 * deviation + 2e-4, 0})) << i << ' ' << j;
      squares += std::pow((p(i, j) - exact) / deviation, 2);
    }
  }
  // 144 entries, of which those in the tails hardly vary: neither too far off nor suspiciously
  // near.
  EXPECT_LT(squares, 200);
  EXPECT_GT(squares, 40);
}

TEST(UlamOfFlows, a_path_that_cannot_be_followed_ends_the_run_on_all_ranks) {
  const spaces::Grid grid = support::grid({support::axis("x", 0, 2, 16)});
  const models::Flow flow = flow_of("variables: [x], drift: [x^2], lag: 1");
  const std::string text =
      message_of([&] { assemble_ulam(flow, grid, {.samples = 4, .outside = "leak"}); });
  EXPECT_THAT(text, HasSubstr("the flow cannot be followed from x = 1."));
}

TEST(UlamOfFlows, a_cover_finds_the_disc_that_a_limit_cycle_bounds) {
  // Van der Pol's cycle has the amplitude 2.0086; all within it comes from the point at rest.
  const auto cover_over = [&](const std::string& lag) {
    const models::Flow flow =
        flow_of("variables: [x, v], drift: [v, (1 - x^2)*v - x], lag: " + lag);
    return build_cover(test_session().comm(), flow,
                       {support::axis("x", -3.1, 3, 1), support::axis("v", -3.2, 3, 1)},
                       {.depth = 10, .samples = 5}, test_session().log());
  };
  const Cover cover = cover_over("1");
  double largest = 0;
  std::array<double, 2> x{};
  for (const std::int64_t key : cover.keys) {
    cover.tree.center(key, x);
    largest = std::max(largest, x[0]);
  }
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, test_session().comm());
  EXPECT_TRUE(near(largest, 2.0086, {cover.tree.width(0), 0}));
  EXPECT_LT(cover.total, 600); // of 1024
  EXPECT_GT(cover.total, 300);
  EXPECT_LT(cover.missed, cover.total / 50);
  // Over a longer time neighbours part by more than five points per box can follow.
  const Cover lacking = cover_over("5");
  EXPECT_LT(lacking.total, 300);
  EXPECT_GT(lacking.missed, lacking.total / 50);
}

} // namespace
} // namespace komori::operators
