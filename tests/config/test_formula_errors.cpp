/// What is wrong with a formula, and where.
#include <clocale>
#include <locale>
#include <random>

#include "config/formula.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string formula_error(const std::string& text) {
  return message_of([&] {
    Formula({text, {"inputs/a.yaml", 6}, "model.potential"}, {"x", "y"}, {{"beta", 4}});
  });
}

TEST(FormulaError, UnknownNames) {
  EXPECT_EQ(formula_error("(x+xx)^2"),
            "inputs/a.yaml:6: 'model.potential' has an unknown name 'xx' at position 4 of "
            "'(x+xx)^2'. Known: x, y, beta, pi, e. Did you mean 'x'?");
  EXPECT_EQ(
      formula_error("bta*q"),
      "inputs/a.yaml:6: 'model.potential' has an unknown name 'bta' at position 1 of 'bta*q'. "
      "Known: x, y, beta, pi, e. Did you mean 'beta'?");
  EXPECT_EQ(formula_error("q"), "inputs/a.yaml:6: 'model.potential' has an unknown name 'q' at "
                                "position 1 of 'q'. Known: x, y, beta, pi, e.");
  EXPECT_EQ(formula_error("1+sine(x)"),
            "inputs/a.yaml:6: 'model.potential' has an unknown function 'sine' at position 3 of "
            "'1+sine(x)'. Did you mean 'sin'?");
  EXPECT_THAT(
      formula_error("foobar(x)"),
      HasSubstr("unknown function 'foobar' at position 1 of 'foobar(x)'. Known: abs, acos,"));
  EXPECT_THAT(formula_error("X"), HasSubstr("unknown name 'X' at position 1"));
  EXPECT_THAT(formula_error("_pi"), HasSubstr("unknown name '_pi' at position 1"));
}

TEST(FormulaError, Grammar) {
  const auto expect = [](const std::string& text, const std::string& rest) {
    EXPECT_EQ(formula_error(text), "inputs/a.yaml:6: 'model.potential' " + rest) << text;
  };
  expect("", "is empty: a value is missing at position 1 of ''.");
  expect("  \n", "is empty: a value is missing at position 1 of '  \\n'.");
  expect("(x+1", "has a '(' that is never closed at position 1 of '(x+1'. Count the brackets.");
  expect("1*((x+1)", "has a '(' that is never closed at position 3 of '1*((x+1)'. Count the "
                     "brackets.");
  expect("x+1)", "has a ')' that closes nothing at position 4 of 'x+1)'. Count the brackets.");
  expect("atan2(y", "has a bracket of 'atan2' that is never closed at position 1 of 'atan2(y'. "
                    "Count the brackets; inside [ ] or { } a formula with commas needs quotes.");
  expect("2x", "has no operator before 'x' at position 2 of '2x'. Write * to multiply.");
  expect("x y", "has no operator before 'y' at position 3 of 'x y'. Write * to multiply.");
  expect("x(2)", "has no operator before '(' at position 2 of 'x(2)'. Write * to multiply.");
  expect("(x)(y)", "has no operator before '(' at position 4 of '(x)(y)'. Write * to multiply.");
  expect("2exp(x)",
         "has no operator before 'exp' at position 2 of '2exp(x)'. Write * to multiply.");
  expect("0x1F", "has no operator before 'x1F' at position 2 of '0x1F'. Write * to multiply.");
  expect("1.2.3", "has no operator before '.3' at position 4 of '1.2.3'. Write * to multiply.");
  expect("x+", "ends where a value is missing, at position 3 of 'x+'.");
  expect("x*/y", "has '/' where a value is missing, at position 3 of 'x*/y'.");
  expect("*x", "has '*' where a value is missing, at position 1 of '*x'.");
  expect("()", "has ')' where a value is missing, at position 2 of '()'.");
  expect("--x", "has two signs in a row at position 2 of '--x'. Put the second into brackets.");
  expect("x---y", "has two signs in a row at position 4 of 'x---y'. Put the second into brackets.");
  expect("sin", "has the function 'sin' without its argument at position 1 of 'sin'. Write "
                "sin(...).");
  expect("sin x", "has the function 'sin' without its argument at position 1 of 'sin x'. Write "
                  "sin(...).");
  expect("sin()", "calls 'sin' with an argument missing at position 5 of 'sin()'.");
  expect("max()", "calls 'max' with an argument missing at position 5 of 'max()'.");
  expect("max(1,)", "calls 'max' with an argument missing at position 7 of 'max(1,)'.");
  expect("1+sin(x,y)", "calls 'sin' with 2 arguments instead of 1 at position 3 of '1+sin(x,y)'.");
  expect("atan2(x)", "calls 'atan2' with 1 argument instead of 2 at position 1 of 'atan2(x)'.");
  expect("x < y < 1", "compares twice in a row at position 7 of 'x < y < 1'. Write a < b && b < c "
                      "for a < b < c.");
  expect("x ? 1", "has '?' without ':' at position 6 of 'x ? 1'. Write condition ? a : b.");
  expect("(x ? 1)", "has '?' without ':' at position 7 of '(x ? 1)'. Write condition ? a : b.");
  expect("x : 1", "has ':' without '?' at position 3 of 'x : 1'. Write condition ? a : b.");
  expect("x ? 1 : 2 : 3", "has ':' without '?' at position 11 of 'x ? 1 : 2 : 3'. Write condition "
                          "? a : b.");
  expect("1e400*x", "has a number '1e400' beyond double precision at position 1 of '1e400*x'.");
}

TEST(FormulaError, WhatOtherLanguagesWriteIsExplained) {
  const auto expect = [](const std::string& text, const std::string& rest) {
    EXPECT_EQ(formula_error(text), "inputs/a.yaml:6: 'model.potential' has an unexpected " + rest);
  };
  expect("x**2", "'**' at position 2 of 'x**2'. Write ^ for powers.");
  expect("x=2", "'=' at position 2 of 'x=2'. Write == to compare; a formula cannot assign.");
  expect("x+=2", "'=' at position 3 of 'x+=2'. Write == to compare; a formula cannot assign.");
  expect("x&y", "'&' at position 2 of 'x&y'. Write && for 'and'.");
  expect("x|y", "'|' at position 2 of 'x|y'. Write || for 'or', abs(x) for the absolute value.");
  expect("!x",
         "'!' at position 1 of '!x'. Write x == 0 for 'not x', gamma(n + 1) for a factorial.");
  expect("x%2", "'%' at position 2 of 'x%2'. Write mod(a, b) for the remainder.");
  expect("[x]", "'[' at position 1 of '[x]'. Write ( ) for brackets.");
  expect("\"x\"", "'\"' at position 1 of '\"x\"'. A formula holds no text.");
  expect("sin(\"x\")", "'\"' at position 5 of 'sin(\"x\")'. A formula holds no text.");
  expect("x;y", "';' at position 2 of 'x;y'.");
  expect("x.y", "'.' at position 2 of 'x.y'.");
  expect("$x", "'$' at position 1 of '$x'.");
  // Positions count characters, not bytes.
  expect("\xC3\xA9", "'\xC3\xA9' at position 1 of '\xC3\xA9'.");
  expect("x \xE2\x88\x92 1",
         "'\xE2\x88\x92' at position 3 of 'x \xE2\x88\x92 1'. Write - for minus.");
  EXPECT_EQ(formula_error("x, y"),
            "inputs/a.yaml:6: 'model.potential' has a ',' outside the arguments of a function at "
            "position 2 of 'x, y'. Write a decimal point; several formulas make a list: [a, b].");
  EXPECT_THAT(formula_error("(1,5)"), HasSubstr("has a ',' outside the arguments of a function"));
}

TEST(FormulaError, LongFormulasAreShownAroundTheMistake) {
  std::string text = "x";
  for (int i = 0; i < 100; ++i) text += " + x";
  EXPECT_EQ(
      formula_error(text + " + zeta" + text.substr(1)),
      "inputs/a.yaml:6: 'model.potential' has an unknown name 'zeta' at position 405 of '...+ "
      "x + x + x + x + x + x + x + zeta + x + x + x + x + x + x +...'. Known: x, y, beta, "
      "pi, e. Did you mean 'beta'?");
  EXPECT_THAT(
      formula_error(std::string(20'000, '(')),
      StartsWith("inputs/a.yaml:6: 'model.potential' is too long (20000 characters, at most "
                 "15000)"));
}

TEST(FormulaError, NamesMustNotClash) {
  const auto error = [](const std::vector<std::string>& variables,
                        const std::vector<std::pair<std::string, double>>& constants) {
    return message_of([&] { Formula({"1", {"a.yaml", 2}, "model.map"}, variables, constants); });
  };
  EXPECT_EQ(error({"exp"}, {}), "a.yaml:2: 'model.map' cannot use the name 'exp', which is a "
                                "function; rename it");
  EXPECT_EQ(error({"x"}, {{"gamma", 1}}), "a.yaml:2: 'model.map' cannot use the name 'gamma', "
                                          "which is a function; rename it");
  EXPECT_EQ(error({"x"}, {{"x", 1}}), "a.yaml:2: 'model.map' cannot tell the variable 'x' from the "
                                      "parameter 'x'; rename one");
}

TEST(FormulaError, WithoutKeyOrPlace) {
  EXPECT_EQ(message_of([] {
              evaluate_constant({"1+", {}, ""});
            }),
            "ends where a value is missing, at position 3 of '1+'.");
  EXPECT_THAT(message_of([] { evaluate_constant({"x", {}, ""}); }), HasSubstr("unknown name 'x'"));
}

TEST(FormulaError, RandomTextNeverDoesWorseThanAnInputError) {
  const std::string alphabet = "xy12.e+-*/^()<>=!&|?:, sinmax\"#%[]_";
  std::mt19937 engine(1);
  int sound = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text;
    for (std::size_t n = engine() % 12 + 1; n > 0; --n)
      text += alphabet[engine() % alphabet.size()];
    const std::string error = formula_error(text);
    sound += error == "(no error)";
    // The compiler behind the check must not know mistakes that the check does not.
    EXPECT_THAT(error, testing::Not(HasSubstr("is not a formula"))) << text;
  }
  EXPECT_GT(sound, 30);
}

TEST(Formula, DecimalPointWhateverTheLocale) {
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale(), new Comma));
  const double value = evaluate_constant({"1234.5 + 0.25", {}, "k"});
  std::locale::global(before);
  EXPECT_EQ(value, 1234.75);
}

} // namespace
} // namespace komori::config
