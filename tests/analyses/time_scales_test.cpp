#include "analyses/time_scales.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyses/chapman_kolmogorov.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "io/temporary_folder.hpp"
#include "npy.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using io::message_of;
using io::TemporaryFolder;
using testing::HasSubstr;

/// Three states in a row: eigenvalues 1, 1 - p, 1 - 3p of 1 - p on the ends, 1 - 2p in the middle.
constexpr double hop = 0.05;

/// A path of that chain, a state per frame.
std::vector<double> path(std::size_t frames, std::uint64_t seed) {
  const base::Random random(seed);
  std::vector<double> states{1};
  for (std::size_t t = 1; t < frames; ++t) {
    const double u = random.uniform(t);
    const double x = states.back();
    states.push_back(u < hop ? std::max(0., x - 1) : u < 2 * hop ? std::min(2., x + 1) : x);
  }
  return states;
}

class FromData : public testing::Test {
protected:
  models::TrajectoryInput input(const std::vector<std::vector<double>>& files) {
    models::TrajectoryInput input;
    input.variables = {"x"};
    input.dt = 0.5;
    for (const auto& values : files) {
      const std::string name = std::to_string(input.files.size()) + ".npy";
      folder_.put(name, support::npy(values, 1));
      input.files.push_back(folder_.file(name));
    }
    return input;
  }
  TemporaryFolder folder_;
  base::Log log_{TemporaryFolder::comm()};
};

TEST_F(FromData, bands_of_time_scales_hold_the_exact_ones) {
  log_.set_level(base::Log::Level::quiet);
  const operators::TrajectorySource source(folder_.comm(),
                                           input({path(40'000, 1), path(30'000, 2)}));
  const spaces::Grid grid = support::grid({support::axis("x", -0.5, 2.5, 3)});
  const CountedData data(source, grid, {}, {.samples = 40, .block = 250});
  const TimeScales found =
      compute_time_scales(data, {.lags = {0.5, 2, 5}, .pairs = 2}, log_, nullptr);
  const std::vector<double> exact{-0.5 / std::log(1 - hop), -0.5 / std::log(1 - 3 * hop)};
  for (std::size_t l = 0; l < 3; ++l) {
    for (std::size_t i = 0; i < 2; ++i) {
      const Band b = found.bands[l][i];
      // Of bands of 95 % one in twenty misses; none does that is twice as wide.
      const double slack = 0.5 * (b.upper - b.lower);
      EXPECT_LT(b.lower - slack, exact[i]) << l << ' ' << i;
      EXPECT_GT(b.upper + slack, exact[i]) << l << ' ' << i;
      EXPECT_LT(b.upper - b.lower, 0.25 * exact[i]) << l << ' ' << i; // about 1500 hops
      EXPECT_NEAR(found.values[l][i], exact[i], 0.15 * exact[i]);
    }
  }
}

TEST_F(FromData, the_test_of_chapman_and_kolmogorov_tells_a_chain_from_none) {
  log_.set_level(base::Log::Level::quiet);
  const std::vector<double> states = path(60'000, 3);
  const ChapmanKolmogorovInput asked{
      .steps = {1, 2, 5, 20},
      .sets = {{"left", support::formula("x < 0.5")}, {"right", support::formula("x > 0.5")}}};
  const auto run = [&](const spaces::Grid& grid) {
    const operators::TrajectorySource source(folder_.comm(), input({states}));
    const CountedData data(source, grid, {}, {.samples = 40, .block = 250});
    operators::TransitionCounts counts(source, grid, 1, {});
    operators::EstimatedChain chain = operators::estimate_chain(counts.data(), {});
    TransferProblem problem(test_session(), grid, std::move(chain.transfer), 0.5);
    validate(source, grid, asked, {});
    return compute_chapman_kolmogorov(data, problem, asked, sets_of(grid, asked, {}));
  };
  const ChapmanKolmogorov markov = run(support::grid({support::axis("x", -0.5, 2.5, 3)}));
  EXPECT_EQ(markov.disagree, 0);
  EXPECT_LT(markov.worst, 0.02); // of 3000 hops
  EXPECT_NEAR(markov.predicted[0][0], markov.estimated[0][0], 1e-3);
  // What is left of the three states when two of them are one is no chain.
  const ChapmanKolmogorov lumped = run(support::grid({spaces::Axis(
      "x", {-0.5, 0.5, 2.5}, spaces::Boundary::reflecting, spaces::Boundary::reflecting)}));
  EXPECT_GT(lumped.disagree, 0);
  // Exact: of the pairs that begin at 0, those at 0 after 20 steps; the lumped chain leaves 1|2 for
  // 0 by hop / 2 per step.
  const double exact = 1. / 3 + 0.5 * std::pow(1 - hop, 20) + 1. / 6 * std::pow(1 - 3 * hop, 20);
  const double two_states = 1. / 3 + 2. / 3 * std::pow(1 - 1.5 * hop, 20);
  EXPECT_NEAR(lumped.estimated[3][0], exact, 0.035); // about 1500 independent pairs
  EXPECT_NEAR(lumped.predicted[3][0], two_states, 0.02);
}

TEST_F(FromData, sets_that_overlap_or_are_empty_are_refused) {
  const operators::TrajectorySource source(folder_.comm(), input({path(100, 3)}));
  const spaces::Grid grid = support::grid({support::axis("x", -0.5, 2.5, 3)});
  const auto error = [&](const char* a, const char* b) {
    return message_of<base::InputError>([&] {
      validate(source, grid,
               {.steps = {1}, .sets = {{"a", support::formula(a)}, {"b", support::formula(b)}}},
               {});
    });
  };
  EXPECT_THAT(error("x < 1", "x < 2"), HasSubstr("shares cells with a set before it"));
  EXPECT_THAT(error("x < 1", "x > 7"), HasSubstr("holds at no cell centre"));
  EXPECT_THAT(
      message_of<base::InputError>([&] {
        validate(source, grid, {.steps = {100}, .sets = {{"a", support::formula("x<1")}}}, {});
      }),
      HasSubstr("there is no pair; choose a shorter lag"));
}

TEST(Bands, are_quantiles_of_what_is_a_number) {
  const Band b = band({5, 1, std::nan(""), 3, 2, 4}, 0.5);
  EXPECT_DOUBLE_EQ(b.lower, 2);
  EXPECT_DOUBLE_EQ(b.upper, 4);
  EXPECT_TRUE(std::isnan(band({1}, 0.9).lower));
}

} // namespace
} // namespace komori::analyses
