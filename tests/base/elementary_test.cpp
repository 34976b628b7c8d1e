#include "base/elementary.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace komori::base {
namespace {

struct Case {
  Elementary function;
  double (*unary)(double) = nullptr;
  double (*binary)(double, double) = nullptr;
};

std::vector<Case> all_functions() {
  using E = Elementary;
  return {{E::acos, std::acos},
          {E::acosh, std::acosh},
          {E::asin, std::asin},
          {E::asinh, std::asinh},
          {E::atan, std::atan},
          {E::atan2, nullptr, std::atan2},
          {E::atanh, std::atanh},
          {E::cbrt, std::cbrt},
          {E::ceil, std::ceil},
          {E::cos, std::cos},
          {E::cosh, std::cosh},
          {E::erf, std::erf},
          {E::erfc, std::erfc},
          {E::exp, std::exp},
          {E::expm1, std::expm1},
          {E::floor, std::floor},
          {E::hypot, nullptr, std::hypot},
          {E::log, std::log},
          {E::log10, std::log10},
          {E::log2, std::log2},
          {E::pow, nullptr, std::pow},
          {E::rint, std::rint},
          {E::sin, std::sin},
          {E::sinh, std::sinh},
          {E::sqrt, std::sqrt},
          {E::tan, std::tan},
          {E::tanh, std::tanh},
          {E::trunc, std::trunc}};
}

/// Ordinary numbers of all sizes, with what functions treat apart strewn in.
std::vector<double> arguments(unsigned seed) {
  std::mt19937 random(seed); // NOLINT: the same numbers in every run
  std::uniform_real_distribution<double> exponent(-20, 8);
  std::uniform_real_distribution<double> unit(-1, 1);
  std::vector<double> values;
  for (int i = 0; i < 2000; ++i) {
    values.push_back(i % 2 == 0 ? 3 * unit(random) : unit(random) * std::exp(exponent(random)));
  }
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> special{0.0,
                                    -0.0,
                                    1,
                                    -1,
                                    0.5,
                                    infinity,
                                    -infinity,
                                    709,
                                    -745.2,
                                    800,
                                    -800,
                                    1e22,
                                    -1e300,
                                    5e-324,
                                    2.5,
                                    1e-310,
                                    1e-160,
                                    -1e-160,
                                    4503599627370497.5,
                                    std::numeric_limits<double>::quiet_NaN()};
  for (std::size_t i = 0; i < special.size(); ++i) values[29 * i + 3] = special[i];
  for (std::size_t i = 0; i < special.size(); ++i) values[31 * i + 900] = special[i];
  return values;
}

LaneArray filled(const std::vector<double>& values, std::size_t from = 0) {
  LaneArray array(values.size() - from);
  std::copy(values.begin() + static_cast<std::ptrdiff_t>(from), values.end(), array.data());
  return array;
}

TEST(Elementary, agree_with_the_scalar_functions) {
  const std::vector<double> first = arguments(1);
  const std::vector<double> second = arguments(2);
  const LaneArray a = filled(first);
  const LaneArray b = filled(second);
  for (const Case& c : all_functions()) {
    LaneArray values(first.size());
    apply(c.function, a.data(), b.data(), values.data(), values.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      const double expected = c.unary ? c.unary(first[i]) : c.binary(first[i], second[i]);
      const double value = values.data()[i];
      const auto place = [&] {
        return ::testing::Message() << "function " << static_cast<int>(c.function) << " of "
                                    << first[i] << ", " << second[i];
      };
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(value)) << place();
      } else if (std::isinf(expected)) {
        EXPECT_EQ(value, expected) << place();
      } else {
        // Four units of the last place; denormal numbers have lost theirs.
        const double unit = std::numeric_limits<double>::epsilon() * std::abs(expected);
        EXPECT_NEAR(value, expected, 4 * unit + std::numeric_limits<double>::min()) << place();
      }
    }
  }
}

/// Or a rank's results would depend on how the points are shared out.
TEST(Elementary, values_do_not_depend_on_their_place_or_neighbours) {
  const std::vector<double> first = arguments(3);
  const std::vector<double> second = arguments(4);
  for (const Case& c : all_functions()) {
    LaneArray whole(first.size());
    apply(c.function, filled(first).data(), filled(second).data(), whole.data(), whole.size());
    for (std::size_t shift = 1; shift < group_size; ++shift) {
      LaneArray part(first.size() - shift);
      apply(c.function, filled(first, shift).data(), filled(second, shift).data(), part.data(),
            part.size());
      EXPECT_EQ(
          std::memcmp(whole.data() + shift, part.data(), (first.size() - shift) * sizeof(double)),
          0)
          << "function " << static_cast<int>(c.function) << " shifted by " << shift;
    }
  }
}

TEST(Elementary, arrays_have_whole_groups) {
  EXPECT_EQ(padded(0), 0U);
  EXPECT_EQ(padded(1), group_size);
  EXPECT_EQ(padded(group_size), group_size);
  const LaneArray array(group_size + 1, 3);
  EXPECT_EQ(array.size(), 2 * group_size);
  EXPECT_EQ(array.data()[2 * group_size - 1], 3);
  EXPECT_EQ(LaneArray().data(), nullptr);
}

} // namespace
} // namespace komori::base
