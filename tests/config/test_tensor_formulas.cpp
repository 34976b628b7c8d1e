#include "config/tensor_formulas.hpp"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "config/formula.hpp"
#include "numbers.hpp"

namespace komori::config {
namespace {

FormulaText text(const std::string& formula) {
  return {formula, {"a.yaml", 1}, "f"};
}

const std::vector<std::pair<std::string, double>> constants{{"K", 0.97}, {"n2", 3}};

/// The same values as the formulas one by one, up to rounding.
void expect_same(const std::vector<std::string>& formulas,
                 const std::vector<std::string>& variables) {
  constexpr std::size_t count = 4;
  std::vector<FormulaText> texts;
  for (const std::string& formula : formulas) texts.push_back(text(formula));
  TensorFormulas tensor({formulas.begin(), formulas.end()}, variables, constants,
                        std::vector<std::size_t>(variables.size(), count));
  for (int round = 0; round < 3; ++round) {
    std::vector<std::array<double, count>> places(variables.size());
    for (std::size_t k = 0; k < variables.size(); ++k) {
      // In later rounds only the last variable moves.
      const bool moves = round == 0 || k + 1 == variables.size();
      const double shift = moves ? 0.37 * round : 0;
      for (std::size_t i = 0; i < count; ++i) {
        places[k][i] = -1.1 + 0.8 * static_cast<double>(i) + 0.13 * static_cast<double>(k) + shift;
      }
      if (!moves) continue;
      std::copy(places[k].begin(), places[k].end(), tensor.places(k).begin());
    }
    tensor.evaluate();
    for (std::size_t f = 0; f < formulas.size(); ++f) {
      const Formula single(texts[f], variables, constants);
      for (std::size_t point = 0; point < tensor.points(); ++point) {
        std::vector<double> x(variables.size());
        std::size_t rest = point;
        for (std::size_t k = variables.size(); k-- > 0;) {
          x[k] = places[k][rest % count];
          rest /= count;
        }
        const double expected = single(x);
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(tensor.values(f)[point])) << formulas[f];
        } else {
          EXPECT_TRUE(support::near(tensor.values(f)[point], expected, {1e-14, 1e-14}))
              << formulas[f];
        }
      }
    }
  }
}

TEST(TensorFormulas, agree_with_formulas) {
  expect_same({"x + y + K/(2*pi)*sin(2*pi*x)", "y + K/(2*pi)*sin(2*pi*x)"}, {"x", "y"});
  expect_same({"-x^2", "2^-x", "-2^2", "2^3^2", "2*-x^2 - -y", "+x - +y"}, {"x", "y"});
  expect_same({"x < y", "x <= 0.5 && y > 0 || z == z", "x != y", "x >= z"}, {"x", "y", "z"});
  expect_same({"x < 0 ? y < 0 ? 1 : 2 : 3 + z", "(x > 0 ? x : -x)*2", "x<1&&y<1?1:0"},
              {"x", "y", "z"});
  expect_same({"atan2(y, x) + hypot(x, y)", "max(x, y, z, 0.1) - min(x, 2)", "mod(x, 0.3)"},
              {"x", "y", "z"});
  expect_same({"sqrt(x)", "1/x - 1/y", "x/y*2", "1e-3*x + .5 + 2.e1", "n2*x^n2", "3", "x - y - z"},
              {"x", "y", "z"});
  expect_same({"exp(-x^2/2)*cos(K*x)", "(((x)))", "abs(x)^1.5"}, {"x"});
}

} // namespace
} // namespace komori::config
