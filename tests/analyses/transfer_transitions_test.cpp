#include "analyses/transfer_transitions.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "transfer_cases.hpp"

namespace komori::analyses {
namespace {

using support::message_of;
using support::near;
using testing::HasSubstr;

const std::vector<std::string> state{"state"};

/// The five-state chain of transition path theory.
std::vector<std::vector<double>> five_states() {
  return {{.8, .15, .05, 0, 0},
          {.1, .75, .05, .05, .05},
          {.05, .1, .8, 0, .05},
          {0, .2, 0, .8, 0},
          {0, .02, .02, 0, .96}};
}

TransferTransitionsInput sets(const std::vector<std::string>& from,
                              const std::vector<std::string>& to) {
  TransferTransitionsInput input;
  if (!from.empty()) input.from = support::formulas(from, "transitions.from", true);
  if (!to.empty()) input.to = support::formulas(to, "transitions.to", true);
  return input;
}

TransferTransitionsInput conditions(const std::string& from, const std::string& to) {
  TransferTransitionsInput input;
  input.from = support::formulas({from}, "transitions.from");
  input.to = support::formulas({to}, "transitions.to");
  return input;
}

void expect_entries(const spaces::Grid& grid, Vec field, const std::vector<double>& wanted,
                    support::Tolerance tolerance) {
  const std::vector<double> found = support::gathered(grid, field);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_TRUE(near(found[i], wanted[i], tolerance)) << i;
  }
}

TEST(TransferTransitions, of_five_states) {
  ChainCase chain(five_states());

  const Transitions found = compute_transitions(*chain, sets({"0"}, {"4"}), state, {});

  // Printed with eight digits, or more.
  expect_entries(chain->grid(), found.forward.get(), {0, .35714286, .42857143, .35714286, 1},
                 {5e-9, 0});
  expect_entries(chain->grid(), found.backward.get(), {1, .65384615, .53125, .65384615, 0},
                 {5e-9, 0});
  EXPECT_TRUE(near(found.flux, .0108050847458, {5e-13, 1e-10}));
  EXPECT_TRUE(near(found.flux_into_target, .0108050847458, {5e-13, 1e-10}));
  EXPECT_TRUE(near(found.rate, .0272727272727, {5e-13, 1e-10}));
  const std::vector<double> times = support::gathered(chain->grid(), found.mean_time.get());
  EXPECT_TRUE(near(times[0], 36.6666666667, {1e-9, 0}));
  EXPECT_LT(found.residual, 1e-10);
}

TEST(TransferTransitions, count_time_in_lags) {
  ChainCase chain(five_states(), 0.5);

  const Transitions found = compute_transitions(*chain, sets({"0"}, {"4"}), state, {});

  EXPECT_TRUE(near(found.rate, 2 * .0272727272727, {1e-12, 1e-10}));
  const std::vector<double> times = support::gathered(chain->grid(), found.mean_time.get());
  EXPECT_TRUE(near(times[0], 0.5 * 36.6666666667, {1e-9, 0}));
}

TEST(TransferTransitions, passage_of_one_state_is_geometric) {
  ChainCase chain({{0.75, 0.25}, {1, 0}});

  const Transitions found = compute_transitions(*chain, sets({}, {"1"}), state, {});

  expect_entries(chain->grid(), found.mean_time.get(), {4, 0}, {1e-12, 0});
  // Variance (1 - p) / p^2.
  expect_entries(chain->grid(), found.time_deviation.get(), {std::sqrt(12), 0}, {1e-11, 0});
}

TEST(TransferTransitions, of_rates_are_those_of_continuous_time) {
  ChainCase chain({{-2, 2, 0}, {1, -3, 2}, {0, 4, -4}});

  const Transitions found = compute_transitions(*chain, sets({"0"}, {"2"}), state, {});

  // A line of three states: q(1) = 2/3; t(1) = (1 + t(0)) / 3, t(0) = t(1) + 1/2 by hand.
  expect_entries(chain->grid(), found.forward.get(), {0, 2. / 3, 1}, {1e-12, 0});
  expect_entries(chain->grid(), found.mean_time.get(), {1.25, 0.75, 0}, {1e-12, 0});
  EXPECT_TRUE(near(found.rate, 1 / 1.25, {1e-11, 0}));
}

TEST(TransferTransitions, of_a_map_between_conditions) {
  MapCase map("variables: [x], map: [tanh(2*x)], noise: {kind: gaussian, sigma: 0.3}",
              {support::axis("x", -3.6, 3.6, 120)}, {.samples = 4});

  const Transitions found = compute_transitions(*map, conditions("x < -0.7", "x > 0.7"), {"x"}, {});

  // The map is odd, so that the committor is, too, about one half.
  const std::vector<double> q = support::gathered(map->grid(), found.forward.get());
  for (std::size_t i = 0; i < 120; ++i) EXPECT_TRUE(near(q[i] + q[119 - i], 1, {1e-10, 0}));
  EXPECT_TRUE(near(found.rate, found.rate_backward, {0, 1e-8}));
}

TEST(TransferTransitions, wrong_sets_are_refused) {
  ChainCase chain(five_states());
  MapCase map("variables: [x], map: [tanh(2*x)], noise: {kind: gaussian, sigma: 0.3}",
              {support::axis("x", -3.6, 3.6, 20)});
  const auto told = [&](const TransferTransitionsInput& input) {
    return message_of([&] { compute_transitions(*chain, input, state, {}); });
  };
  EXPECT_THAT(told(sets({"0"}, {"0", "4"})),
              HasSubstr("share cells; the two sets must not overlap"));
  EXPECT_THAT(told(sets({"0"}, {"7"})),
              HasSubstr("holds for none of the 5 states, which are numbered from 0 to 4"));
  EXPECT_EQ(told(sets({"0.5"}, {"4"})),
            "test.yaml:1: 'transitions.from' is 0.5, but states are numbers 0, 1, 2, ...");
  EXPECT_THAT(told(sets({"0"}, {})), HasSubstr("'transitions' needs 'to' (the target set)"));
  EXPECT_EQ(
      message_of([&] { compute_transitions(*map, sets({"0"}, {"4"}), {"x"}, {}); }),
      "test.yaml:1: 'transitions.from' is a list, which is for the states of a chain; write a "
      "condition, e.g. 'from: x > 0.7'");
}

} // namespace
} // namespace komori::analyses
