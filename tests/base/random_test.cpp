#include "base/random.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace komori::base {
namespace {

TEST(Random, known_values) {
  // Philox 2x64-10 of counter 0 and key 0 is ca00a0459843d731 66c24222c9a845b5 (Salmon et al.).
  EXPECT_DOUBLE_EQ(Random(0).uniform(0), 0.7890720529469626);
  EXPECT_DOUBLE_EQ(Random(42, 7).uniform(123456789), 0.3321387179928534);
  EXPECT_NEAR(Random(42, 7).normal(5), -0.2834490040902019, 1e-15); // a few roundings of log, cos
}

TEST(Random, index_seed_and_stream_each_matter) {
  EXPECT_EQ(Random(1, 2).uniform(3), Random(1, 2).uniform(3));
  EXPECT_NE(Random(1, 2).uniform(3), Random(1, 2).uniform(4));
  EXPECT_NE(Random(1, 2).uniform(3), Random(1, 3).uniform(3));
  EXPECT_NE(Random(1, 2).uniform(3), Random(2, 2).uniform(3));
}

TEST(Random, uniform_numbers_fill_the_interval_evenly) {
  constexpr int count = 100'000;
  constexpr int bins = 100;
  const Random random(2024);
  std::vector<int> histogram(bins, 0);
  double low = 1;
  double high = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double u = random.uniform(i);
    low = std::min(low, u);
    high = std::max(high, u);
    ++histogram[static_cast<std::size_t>(u * bins)];
  }
  EXPECT_GT(low, 0);
  EXPECT_LT(high, 1);
  double chi2 = 0;
  for (const int n : histogram) chi2 += std::pow(n - count / bins, 2) / (count / bins);
  // Chi-squared of 99 degrees of freedom: mean 99, standard deviation 14; five of them.
  EXPECT_NEAR(chi2, 99, 70);
}

TEST(Random, many_numbers_at_once_are_the_same_in_any_pieces) {
  constexpr std::size_t count = 100'001;
  const Random random(7, 2);
  std::vector<double> whole(count);
  random.uniforms(5, whole);
  std::vector<double> pieces(count);
  for (std::size_t begin = 0; begin < count;) {
    const std::size_t size = std::min<std::size_t>(count - begin, begin % 7); // none, too
    random.uniforms(5 + begin, {pieces.data() + begin, size});
    begin += std::max<std::size_t>(size, 1);
    if (size == 0) random.uniforms(5 + begin - 1, {pieces.data() + begin - 1, 1});
  }
  EXPECT_EQ(pieces, whole);
  double mean = 0;
  double neighbours = 0;
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(whole[i] > 0 && whole[i] < 1);
    mean += whole[i] / count;
    if (i > 0) neighbours += (whole[i] - 0.5) * (whole[i - 1] - 0.5) / count;
  }
  // Five standard errors: sqrt(1/12n), sqrt(1/144n).
  EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / count));
  EXPECT_NEAR(neighbours, 0, 5 / 12.0 * std::sqrt(1.0 / count));
}

TEST(Random, normal_numbers_have_the_moments_of_the_normal_law) {
  constexpr int count = 100'000;
  const Random random(7, 1);
  double mean = 0;
  double square = 0;
  double fourth = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double z = random.normal(i);
    mean += z / count;
    square += z * z / count;
    fourth += z * z * z * z / count;
  }
  // Five standard errors: sqrt(1/n), sqrt(2/n), sqrt(96/n).
  EXPECT_NEAR(mean, 0, 5 * std::sqrt(1.0 / count));
  EXPECT_NEAR(square, 1, 5 * std::sqrt(2.0 / count));
  EXPECT_NEAR(fourth, 3, 5 * std::sqrt(96.0 / count));
}

} // namespace
} // namespace komori::base
