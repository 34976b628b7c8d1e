/// The rule behind the stated errors.
#include "analyses/grid_error.hpp"

#include <array>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"

namespace komori::analyses {
namespace {

using support::near;
using testing::HasSubstr;
using Complex = std::complex<double>;

/// 1 + error(h) on grids of width 1, r, r^2 (in units of the finest, which is h).
GridError of(const std::function<double(double)>& error, double h, double order = 2,
             double ratio = 2) {
  const std::array<double, 3> widths{1, ratio, ratio * ratio};
  std::array<Complex, 3> values;
  for (std::size_t i = 0; i < 3; ++i) values[i] = 1 + error(widths[i] * h);
  return grid_error(values, widths, order, 1e-14);
}

TEST(GridError, of_a_pure_power_is_exact) {
  for (const double ratio : {1.5, 2.0}) {
    const GridError found = of([](double h) { return -0.3 * h * h; }, 0.01, 2, ratio);
    EXPECT_TRUE(near(found.error, 3e-5, {0, 1e-6})) << ratio;
    EXPECT_TRUE(near(found.order, 2, {1e-6, 0})) << ratio;
    EXPECT_TRUE(near(found.extrapolated.real(), 1, {1e-12, 0})) << ratio;
    EXPECT_EQ(found.basis, "order confirmed");
  }
}

TEST(GridError, slow_convergence_counts_as_observed) {
  const GridError found = of([](double h) { return 0.3 * h; }, 0.01);
  EXPECT_TRUE(near(found.order, 1, {1e-6, 0}));
  EXPECT_TRUE(near(found.error, 3e-3, {0, 1e-6}));
  EXPECT_TRUE(std::isnan(found.extrapolated.real()));
  EXPECT_THAT(found.basis, HasSubstr("below"));
  // Orders below one half are not extrapolated with; the estimate exceeds the difference itself.
  const GridError slow = of([](double h) { return 0.3 * std::pow(h, 0.2); }, 0.01);
  const double difference = 0.3 * (std::pow(0.02, 0.2) - std::pow(0.01, 0.2));
  EXPECT_GT(slow.error, difference);
}

TEST(GridError, a_feigned_high_order_is_not_believed) {
  // h^2 - 0.27 h^4 changes the sign of its differences near h = 1; the last one nearly vanishes.
  const auto error = [](double h) { return 0.1 * h * h - 0.0195 * std::pow(h, 4); };
  const GridError found = of(error, 1.0);
  EXPECT_GE(3 * found.error, std::abs(error(1.0)));
  EXPECT_TRUE(std::isnan(found.extrapolated.real()));
}

TEST(GridError, differences_of_both_signs_count_in_full) {
  const std::array<double, 3> widths{1, 2, 4};
  const std::array<Complex, 3> values{1.0, 1.2, 1.1};
  const GridError found = grid_error(values, widths, 2, 0);
  EXPECT_TRUE(near(found.error, 0.2, {1e-12, 0}));
  EXPECT_TRUE(std::isnan(found.order));
}

TEST(GridError, one_coarser_grid_or_none) {
  const std::array<double, 3> widths{1, 2, 4};
  const std::array<Complex, 2> two{Complex(1, 1), Complex(1, 1.03)};
  EXPECT_TRUE(near(grid_error(two, widths, 2, 0).error, 0.03, {1e-12, 0}));
  EXPECT_TRUE(std::isnan(grid_error(std::array<Complex, 1>{1.0}, widths, 2, 0).error));
}

TEST(GridError, rounding_shows_no_order) {
  const std::array<double, 3> widths{1, 2, 4};
  const std::array<Complex, 3> values{1e-13, -2e-13, 1e-14};
  const GridError found = grid_error(values, widths, 2, 1e-12);
  EXPECT_LE(found.error, 1e-12);
  EXPECT_TRUE(std::isnan(found.order));
  EXPECT_THAT(found.basis, HasSubstr("rounding"));
}

TEST(TrustedDigits, are_those_an_error_leaves) {
  EXPECT_EQ(trusted_digits(1, 0.6), 0);
  EXPECT_EQ(trusted_digits(1, 0.04), 1);
  EXPECT_EQ(trusted_digits(0.0298, 2.9e-6), 3);
  EXPECT_EQ(trusted_digits(3, 1e-10), 10);
  EXPECT_EQ(trusted_digits(1, 0), 15);
  EXPECT_EQ(trusted_digits(1, std::nan("")), 0);
  EXPECT_EQ(trusted_digits(0, 1), 0);
}

} // namespace
} // namespace komori::analyses
