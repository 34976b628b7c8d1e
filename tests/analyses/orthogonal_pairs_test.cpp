#include "analyses/orthogonal_pairs.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace komori::analyses {
namespace {

std::vector<OrthogonalPair> pairs_of(const std::vector<std::complex<double>>& values) {
  std::vector<OrthogonalPair> pairs(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    pairs[i].value = values[i];
    pairs[i].residual = 1e-9;
    pairs[i].condition = 5;
  }
  return pairs;
}

TEST(OrthogonalPairs, that_grow_are_left_out_where_nothing_can) {
  support::Case c({.drift = {"-x"}, .diffusion = {"1"}}, {support::axis("x", -3, 3, 10)});
  MemorySystem system{.session = test_session(), .grid = c.problem().grid()};
  system.discrete = false;
  auto pairs = pairs_of({{0.6, 2}, 1e-8, -0.3, {-1, 4}});
  pairs.push_back(std::move(pairs_of({0.2}).front()));
  pairs.back().condition = 1e9; // which leaves its sign open
  leave_out_growing(system, pairs);
  ASSERT_EQ(pairs.size(), 4);
  EXPECT_EQ(pairs[0].value, 1e-8);
  EXPECT_EQ(pairs[3].value, 0.2);
  system.discrete = true;
  pairs = pairs_of({1.2, {0.8, 0.7}, {0.6, 0.8}, -1.1, 0.9});
  leave_out_growing(system, pairs);
  ASSERT_EQ(pairs.size(), 2);
  EXPECT_EQ(pairs[0].value, std::complex<double>(0.6, 0.8));
  EXPECT_EQ(pairs[1].value, 0.9);
  // With other weights, and where probability leaks in or out, anything may.
  for (const bool stationary : {false, true}) {
    system.stationary = stationary;
    system.conserved = !stationary;
    pairs = pairs_of({1.2});
    leave_out_growing(system, pairs);
    EXPECT_EQ(pairs.size(), 1);
  }
}

} // namespace
} // namespace komori::analyses
