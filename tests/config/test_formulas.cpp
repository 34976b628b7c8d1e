/// Formulas at many points against the same formulas one point at a time.
#include "config/formulas.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "config/formula.hpp"
#include "numbers.hpp"

namespace komori::config {
namespace {

const std::vector<std::string> variables{"x", "y", "z"};
const std::vector<std::pair<std::string, double>> constants{{"K", 0.97}, {"n", 3}};

/// Every operator and every function of formulas; arguments of all signs.
std::vector<std::string> samples() {
  std::vector<std::string> texts{"x + y*z - K",
                                 "-x^2",
                                 "2^-x",
                                 "x^y",
                                 "abs(x)^y",
                                 "x^3 - x^4 + x^5",
                                 "x^-1 + y^-2 + z^-7",
                                 "x^12 + y^n",
                                 "x^13",
                                 "x^0",
                                 "x^1.5",
                                 "pow(x, 2) + pow(x, y)",
                                 "x/y/z",
                                 "1/x",
                                 "x - y - z",
                                 "x < y",
                                 "x <= 0.5 && y > 0 || z == z",
                                 "x != y",
                                 "x >= z",
                                 "x == 0",
                                 "x && y",
                                 "x || y",
                                 "x < 0 ? y < 0 ? 1 : 2 : 3 + z",
                                 "x ? y : z",
                                 "1 ? x : y",
                                 "0 ? x : 7",
                                 "x > 0 ? K : n",
                                 "(x^2 - 1)^2 + y^2",
                                 "exp(-x^2/2)*cos(K*x)",
                                 "3 - 2*K",
                                 "x",
                                 "-0*x",
                                 "x/0",
                                 "0/x",
                                 "sin(3)*x",
                                 "K/(2*pi)*sin(2*pi*x)",
                                 "x*x + x*x",
                                 "atan2(y, x) + hypot(x, y)",
                                 "mod(x, 0.3)",
                                 "mod(x, y)",
                                 "atan2(1, x)",
                                 "mod(7, y)",
                                 "hypot(x, 3)",
                                 "2^x"};
  for (const Function& function : functions()) {
    const std::string name(function.name);
    if (function.unary) texts.push_back(name + "(x)");
    if (function.unary) texts.push_back(name + "(0.3 + y/10)");
    if (function.binary) texts.push_back(name + "(x, y)");
    if (function.nary) {
      texts.push_back(name + "(x)");
      texts.push_back(name + "(x, 0.1, y, z)");
    }
  }
  return texts;
}

/// Columns of points: ordinary ones, and some with nan, infinite, tiny and zero coordinates.
std::vector<std::vector<double>> points(std::size_t count) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr std::array<double, 10> special{nan,    infinity, -infinity, 0, -0.0,
                                           1e-310, 1e200,    -1e200,    1, 40};
  std::vector<std::vector<double>> columns(variables.size(), std::vector<double>(count));
  for (std::size_t k = 0; k < columns.size(); ++k) {
    const base::Random random(5, k);
    for (std::size_t i = 0; i < count; ++i) {
      columns[k][i] = 6 * random.uniform(i) - 3;
      if ((i + 3 * k) % 11 == 0) columns[k][i] = special[(i / 11) % special.size()];
    }
  }
  return columns;
}

std::vector<std::span<const double>> spans(const std::vector<std::vector<double>>& columns,
                                           std::size_t from = 0) {
  std::vector<std::span<const double>> result;
  for (const auto& column : columns) result.push_back(std::span(column).subspan(from));
  return result;
}

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

TEST(Formulas, agree_with_single_evaluation) {
  constexpr std::size_t count = 1003; // several blocks, and a rest
  const auto columns = points(count);
  for (const std::string& text : samples()) {
    const Formula formula({text, {"a.yaml", 1}, "k"}, variables, constants);
    std::vector<double> values(count);
    formula.evaluate(spans(columns), values);
    for (std::size_t i = 0; i < count; ++i) {
      const std::array point{columns[0][i], columns[1][i], columns[2][i]};
      const double expected = formula(point);
      const auto place = [&] {
        return ::testing::Message()
               << text << " at " << point[0] << ", " << point[1] << ", " << point[2];
      };
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(values[i])) << place();
      } else if (std::isinf(expected)) {
        EXPECT_EQ(values[i], expected) << place();
      } else {
        // Functions keep 4 units of the last place, powers 8; sums of a few of them of size 100
        // an absolute 1e-12.
        EXPECT_TRUE(support::near(values[i], expected, {1e-12, 2e-15})) << place();
      }
    }
  }
}

TEST(Formulas, values_do_not_depend_on_their_place) {
  constexpr std::size_t count = 531;
  const auto columns = points(count);
  for (const std::string& text : samples()) {
    const Formula formula({text, {"a.yaml", 1}, "k"}, variables, constants);
    std::vector<double> whole(count);
    formula.evaluate(spans(columns), whole);
    for (const std::size_t shift : {1U, 2U, 5U, 258U}) {
      std::vector<double> part(count - shift);
      formula.evaluate(spans(columns, shift), part);
      for (std::size_t i = 0; i < part.size(); ++i) {
        EXPECT_TRUE(same_bits(part[i], whole[i + shift])) << text << " at " << i << " + " << shift;
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::array point{columns[0][i], columns[1][i], columns[2][i]};
      EXPECT_TRUE(same_bits(formula.at(point), whole[i])) << text << " at point " << i;
    }
  }
}

TEST(Formulas, of_several_outputs_give_what_each_gives_alone) {
  constexpr std::size_t count = 300;
  const auto columns = points(count);
  const std::vector<std::string> texts = samples();
  const Formulas all({texts.begin(), texts.end()}, variables, constants);
  ASSERT_EQ(all.size(), texts.size());
  std::vector<std::vector<double>> values(texts.size(), std::vector<double>(count));
  values[3].clear(); // not wanted
  all.evaluate(spans(columns), std::vector<std::span<double>>(values.begin(), values.end()));
  std::vector<double> at_last(texts.size());
  all.evaluate_at(std::array{columns[0].back(), columns[1].back(), columns[2].back()}, at_last);
  for (std::size_t f = 0; f < texts.size(); ++f) {
    const Formula alone({texts[f], {"a.yaml", 1}, "k"}, variables, constants);
    std::vector<double> expected(count);
    alone.evaluate(spans(columns), expected);
    for (std::size_t i = 0; i < values[f].size(); ++i) {
      EXPECT_TRUE(same_bits(values[f][i], expected[i])) << texts[f] << " at " << i;
    }
    EXPECT_TRUE(same_bits(at_last[f], expected.back())) << texts[f];
  }
}

TEST(Formulas, columns_of_unused_variables_may_be_empty) {
  const Formula formula({"2*y", {"a.yaml", 1}, "k"}, variables, constants);
  const std::vector<double> y{1, 2, 3};
  std::vector<double> values(3);
  formula.evaluate(
      std::array{std::span<const double>{}, std::span<const double>(y), std::span<const double>{}},
      values);
  EXPECT_EQ(values, (std::vector<double>{2, 4, 6}));
  std::vector<double> none;
  formula.evaluate(
      std::array{std::span<const double>{}, std::span<const double>{}, std::span<const double>{}},
      none);
  const Formula constant({"exp(K)", {"a.yaml", 1}, "k"}, variables, constants);
  constant.evaluate({}, values);
  EXPECT_EQ(values, std::vector<double>(3, constant({})));
}

} // namespace
} // namespace komori::config
