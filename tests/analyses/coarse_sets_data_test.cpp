#include "analyses/coarse_sets_data.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyses/chapman_kolmogorov.hpp"
#include "base/random.hpp"
#include "io/temporary_folder.hpp"
#include "npy.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

constexpr double hop = 0.002;

/// Cells 1, 2 and 4, 5 mix within a pair; pairs are left for each other with probability `hop`.
std::vector<double> two_groups(std::size_t frames, std::uint64_t seed) {
  const base::Random random(seed);
  std::vector<double> states{1};
  bool right = false;
  for (std::size_t t = 1; t < frames; ++t) {
    if (random.uniform(2 * t) < hop) right = !right;
    states.push_back((right ? 4 : 1) + (random.uniform(2 * t + 1) < 0.5 ? 0 : 1));
  }
  return states;
}

class CoarseSetsOfData : public testing::Test {
protected:
  CoarseSetsOfData() {
    folder_.put("a.npy", support::npy(two_groups(40'000, 1), 1));
    input_.variables = {"x"};
    input_.files = {folder_.file("a.npy")};
  }
  io::TemporaryFolder folder_;
  models::TrajectoryInput input_;
};

TEST_F(CoarseSetsOfData, are_on_the_cells_of_the_chain_and_have_bands) {
  const operators::TrajectorySource source(folder_.comm(), input_);
  // Seven cells, of which 0, 3 and 6 are never met.
  const spaces::Grid grid = support::grid({support::axis("x", -0.5, 6.5, 7)});
  for (const char* estimator : {"plain", "reversible"}) {
    const operators::CountsInput how{.estimator = estimator};
    const CountedData data(source, grid, how, {.samples = 12, .block = 2000});
    operators::TransitionCounts counts(source, grid, 1, how);
    operators::EstimatedChain chain = operators::estimate_chain(counts.data(), how);
    TransferProblem problem(test_session(), grid, std::move(chain.transfer), 1);
    CoarseSetsInput asked;
    asked.range = SetRange{2, 3};
    DataSets sets(problem, chain.inside.get(), data, asked, base::Log::Level::quiet);

    const CoarseSets& found = sets.sets();
    ASSERT_EQ(found.count(), 2u);
    const CoarseBands bands = sets.bands();
    EXPECT_EQ(bands.samples, 12);
    const std::vector<Vec> fields{found.memberships[0].get(), found.memberships[1].get(),
                                  found.assignment.get(), bands.deviations[0].get()};
    grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
      const auto at = [&](Vec field) {
        const base::ReadArray values(field);
        return values[static_cast<std::size_t>(local)];
      };
      if (cell[0] % 3 == 0) {
        EXPECT_EQ(at(fields[0]), 0) << cell[0];
        EXPECT_EQ(at(fields[2]), -1) << cell[0];
        EXPECT_TRUE(std::isnan(at(fields[3]))) << cell[0];
        return;
      }
      EXPECT_NEAR(at(fields[0]) + at(fields[1]), 1, 1e-9) << cell[0];
      EXPECT_GT(std::max(at(fields[0]), at(fields[1])), 0.95) << cell[0];
      EXPECT_LT(at(fields[3]), 0.1) << cell[0];
    });
    for (std::size_t j = 0; j < 2; ++j) {
      const double stays = found.transition[3 * j];
      EXPECT_NEAR(stays, 1 - hop, 6e-4) << j; // of some 80 hops
      EXPECT_LE(bands.transition[3 * j].lower, stays);
      EXPECT_GE(bands.transition[3 * j].upper, stays);
      EXPECT_LT(bands.transition[3 * j].lower, bands.transition[3 * j].upper);
    }
    EXPECT_NEAR(found.weights[0] + found.weights[1], 1, 1e-9);

    // The chain predicts what becomes of its own sets.
    const NamedSets named = sets_of(found.assignment.get(), found.count());
    EXPECT_EQ(named.names, (std::vector<std::string>{"set 0", "set 1"}));
    ChapmanKolmogorovInput test;
    test.steps = {1, 10, 100};
    test.coarse = true;
    const ChapmanKolmogorov result = compute_chapman_kolmogorov(data, problem, test, named);
    EXPECT_EQ(result.disagree, 0) << estimator;
    EXPECT_LT(result.worst, 0.05) << estimator;
  }
}

} // namespace
} // namespace komori::analyses
