/// Values of formulas: every function, the order of operators, random formulas.
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <set>

#include <fmt/format.h>

#include "config/formula.hpp"
#include "config/functions.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

double value_of(const std::string& text) {
  return evaluate_constant({text, {"a.yaml", 1}, "k"});
}

Formula make(const std::string& text, const std::vector<std::string>& variables,
             const std::vector<std::pair<std::string, double>>& constants = {}) {
  return Formula({text, {"a.yaml", 1}, "k"}, variables, constants);
}

TEST(Formula, OfVariablesAndConstants) {
  const Formula potential = make("(x^2-1)^2 + beta*y^2", {"x", "y"}, {{"beta", 4}});

  EXPECT_DOUBLE_EQ(potential(std::array{2.0, 3.0}), 45);
  EXPECT_DOUBLE_EQ(potential(std::array{-1.0, 0.5}), 1);
  EXPECT_FALSE(potential.is_constant());
  EXPECT_TRUE(potential.uses("y"));
  EXPECT_FALSE(potential.uses("beta"));
  EXPECT_EQ(potential.text(), "(x^2-1)^2 + beta*y^2");
}

TEST(Formula, KnowsWhichVariablesItUses) {
  const std::vector<std::string> variables{"x", "y", "z", "t"};
  const Formula formula = make("t*y + y", variables);
  EXPECT_EQ(formula.used_variables(), (std::vector<std::string>{"y", "t"}));
  EXPECT_DOUBLE_EQ(formula(std::array{1e300, 2.0, 1e300, 3.0}), 8);

  const Formula constant = make("2*a", variables, {{"a", 1.5}});
  EXPECT_TRUE(constant.is_constant());
  EXPECT_EQ(constant({}), 3);
  // Used though it cancels: the answer is about the text.
  EXPECT_TRUE(make("0*x", variables).uses("x"));
}

TEST(Formula, MovesKeepItsVariables) {
  Formula first = make("x + 1", {"x"});
  Formula second(std::move(first));
  Formula third = make("x", {"x"});
  third = std::move(second);

  EXPECT_EQ(third(std::array{2.0}), 3);
  static_assert(!std::is_copy_constructible_v<Formula>);
  static_assert(std::is_nothrow_move_constructible_v<Formula>);
}

TEST(Formula, EveryFunction) {
  const std::vector<std::pair<std::string, double>> table{
      {"abs(-2.5)", 2.5},
      {"acos(0.5)", std::acos(0.5)},
      {"acosh(2)", std::acosh(2.0)},
      {"asin(0.5)", std::asin(0.5)},
      {"asinh(2)", std::asinh(2.0)},
      {"atan(2)", std::atan(2.0)},
      {"atan2(-1, -2)", std::atan2(-1.0, -2.0)},
      {"atanh(0.5)", std::atanh(0.5)},
      {"avg(1, 2, 6)", 3},
      {"cbrt(-27)", -3},
      {"ceil(-1.5)", -1},
      {"cos(2)", std::cos(2.0)},
      {"cosh(2)", std::cosh(2.0)},
      {"coth(2)", 1 / std::tanh(2.0)},
      {"csch(2)", 1 / std::sinh(2.0)},
      {"erf(0.5)", std::erf(0.5)},
      {"erfc(0.5)", std::erfc(0.5)},
      {"exp(2)", std::exp(2.0)},
      {"floor(-1.5)", -2},
      {"gamma(5)", 24},
      {"heaviside(-2)", 0},
      {"heaviside(0)", 0.5},
      {"heaviside(2)", 1},
      {"hypot(3, 4)", 5},
      {"lgamma(5)", std::log(24.0)},
      {"ln(2)", std::log(2.0)},
      {"log(2)", std::log(2.0)},
      {"log10(1000)", 3},
      {"log2(8)", 3},
      {"max(1, 3, 2)", 3},
      {"max(4)", 4},
      {"min(1, -3, 2)", -3},
      {"mod(7, 3)", 1},
      {"mod(-1, 3)", 2},
      {"mod(1, -3)", -2},
      {"mod(-6, 3)", 0},
      {"mod(0.75, 0.5)", 0.25},
      {"pow(2, 10)", 1024},
      {"rint(2.5)", 2},
      {"round(2.5)", 3},
      {"round(-2.5)", -3},
      {"sech(2)", 1 / std::cosh(2.0)},
      {"sign(-3)", -1},
      {"sign(0)", 0},
      {"sign(3)", 1},
      {"sin(2)", std::sin(2.0)},
      {"sinh(2)", std::sinh(2.0)},
      {"sqrt(2)", std::sqrt(2.0)},
      {"sum(1, 2, 3, 4)", 10},
      {"tan(2)", std::tan(2.0)},
      {"tanh(2)", std::tanh(2.0)},
      {"trunc(-1.5)", -1},
  };
  std::set<std::string> tested;
  for (const auto& [text, expected] : table) {
    EXPECT_DOUBLE_EQ(value_of(text), expected) << text;
    tested.insert(text.substr(0, text.find('(')));
  }
  const auto& names = function_names();
  EXPECT_EQ(tested, std::set<std::string>(names.begin(), names.end()));
}

TEST(Formula, OperatorsBindAsWritten) {
  const std::vector<std::pair<std::string, double>> table{
      {"-2^2", -4},
      {"(-2)^2", 4},
      {"2^3^2", 512},
      {"2^-2", 0.25},
      {"2^-2*3", 0.75},
      {"2*-3", -6},
      {"2 - -3", 5},
      {"+3", 3},
      {"8/4/2", 1},
      {"8/4*2", 4},
      {"1 - 2 - 3", -4},
      {"2 + 3*4", 14},
      {"-2*3 + 1", -5},
      {"1 < 2", 1},
      {"2 <= 2", 1},
      {"3 > 4", 0},
      {"3 >= 4", 0},
      {"1 == 1", 1},
      {"1 != 1", 0},
      {"1 + 1 == 2 && 3 > 2", 1},
      {"0 && 0 || 1", 1},
      {"1 || 0 && 0", 1},
      {"1 ? 2 : 3", 2},
      {"0 ? 2 : 3", 3},
      {"0 ? 1 : 0 ? 2 : 3", 3},
      {"1 ? 0 ? 4 : 5 : 6", 5},
      {"2 > 1 ? 3 + 1 : 0", 4},
      {"max(1 ? 2 : 3, -(1 + 1))", 2},
      {"1.5e1", 15},
      {".5", 0.5},
      {"5.", 5},
      {"1E-2", 0.01},
      {"2e3*2", 4000},
      {" 1 +\n 2\t", 3},
      {"pi", std::numbers::pi},
      {"e", std::numbers::e},
      {"2*e", 2 * std::numbers::e},
  };
  for (const auto& [text, expected] : table) EXPECT_DOUBLE_EQ(value_of(text), expected) << text;
}

TEST(Formula, VariablesAndParametersMayBeNamedPiAndE) {
  EXPECT_EQ(make("e + pi", {"e"}, {{"pi", 3}})(std::array{1.0}), 4);
}

TEST(Formula, HasNoValueWhereMathematicsHasNone) {
  EXPECT_TRUE(std::isnan(value_of("sqrt(-1)")));
  EXPECT_TRUE(std::isnan(value_of("0/0")));
  EXPECT_TRUE(std::isinf(value_of("1/0")));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* text : {"min(x, 1)", "min(1, x)", "max(x, 1)", "max(1, x)", "sign(x)",
                           "heaviside(x)", "mod(x, 1)", "abs(x)", "avg(1, x)"})
    EXPECT_TRUE(std::isnan(make(text, {"x"})(std::array{nan}))) << text;
}

TEST(Formula, LongFormulasWork) {
  std::string sum = "x", nested = "x";
  for (int i = 0; i < 3000; ++i) sum += " + x";
  for (int i = 0; i < 2000; ++i) nested = fmt::format("-({})", nested);
  EXPECT_EQ(make(sum, {"x"})(std::array{2.0}), 6002);
  EXPECT_EQ(make(nested, {"x"})(std::array{2.0}), 2);
}

/// A random formula as text and, alongside, its value by plain C++.
class Random {
public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::string text;
  double value = 0;

  /// `strength`: the weakest operator that needs no brackets here (1 ?: ... 8 value).
  void make(int depth, int strength, const std::array<double, 2>& xy) {
    const int pick = depth == 0 ? below(3) : below(12);
    if (pick < 3) return leaf(pick, xy);
    const auto part = [&](int weakest) {
      Random inner(engine_());
      inner.make(depth - 1, weakest, xy);
      return inner;
    };
    int own = 8;
    if (pick < 8) {
      struct Operator {
        const char* sign;
        int strength;
        double (*apply)(double, double);
      };
      static constexpr std::array<Operator, 9> operators{
          {{"+", 5, [](double a, double b) { return a + b; }},
           {"-", 5, [](double a, double b) { return a - b; }},
           {"*", 6, [](double a, double b) { return a * b; }},
           {"/", 6, [](double a, double b) { return a / b; }},
           {"^", 8, [](double a, double b) { return std::pow(a, b); }},
           {"<", 4, [](double a, double b) { return a < b ? 1.0 : 0.0; }},
           {"==", 4, [](double a, double b) { return a == b ? 1.0 : 0.0; }},
           {"&&", 3, [](double a, double b) { return a != 0 && b != 0 ? 1.0 : 0.0; }},
           {"||", 2, [](double a, double b) { return a != 0 || b != 0 ? 1.0 : 0.0; }}}};
      const Operator& op = operators[static_cast<std::size_t>(below(operators.size()))];
      own = op.strength;
      // ^ binds to the right, the others to the left; comparisons do not chain.
      const bool power = own == 8;
      const Random a = part(power || own == 4 ? own + 1 : own);
      const Random b = part(power ? own : own + 1);
      text = a.text + op.sign + b.text;
      value = op.apply(a.value, b.value);
    } else if (pick == 8) {
      own = 7;
      const Random a = part(8);
      text = "-" + a.text;
      value = -a.value;
    } else if (pick == 9) {
      own = 1;
      const Random a = part(2), b = part(2), c = part(1);
      text = a.text + "?" + b.text + ":" + c.text;
      value = a.value != 0 ? b.value : c.value;
    } else if (pick == 10) {
      own = 9;
      const Random a = part(1);
      text = "tanh(" + a.text + ")";
      value = std::tanh(a.value);
    } else {
      own = 9;
      const Random a = part(1), b = part(1);
      text = "hypot(" + a.text + "," + b.text + ")";
      value = std::hypot(a.value, b.value);
    }
    if (own < strength) text = "(" + text + ")";
  }

private:
  int below(std::size_t n) { return static_cast<int>(engine_() % n); }
  void leaf(int pick, const std::array<double, 2>& xy) {
    constexpr std::array<double, 6> numbers{0, 1, 2, 3, 0.5, 4};
    if (pick < 2) {
      text = pick ? "y" : "x";
      value = xy[static_cast<std::size_t>(pick)];
    } else {
      value = numbers[static_cast<std::size_t>(below(numbers.size()))];
      text = fmt::format("{}", value);
    }
  }
  std::mt19937 engine_;
};

TEST(Formula, RandomFormulasAgreeWithPlainArithmetic) {
  int compared = 0;
  for (unsigned seed = 0; seed < 6'000; ++seed) {
    const std::array<double, 2> xy{0.7 + seed % 7, -1.3 + seed % 5};
    Random random(seed);
    random.make(1 + static_cast<int>(seed % 5), 1, xy);
    const double value = make(random.text, {"x", "y"})(xy);
    if (!std::isfinite(random.value)) {
      EXPECT_FALSE(std::isfinite(value)) << random.text;
      continue;
    }
    EXPECT_NEAR(value, random.value, 1e-9 * (1 + std::abs(random.value))) << random.text;
    ++compared;
  }
  EXPECT_GT(compared, 3'000);
}

} // namespace
} // namespace komori::config
