/// Stationary averages: true errors lie within three times the stated ones.
#include "analyses/stationary_moments.hpp"

#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::SdeText;

constexpr double pi = std::numbers::pi;

struct Exact {
  const char* name;
  SdeText text;
  std::vector<spaces::Axis> axes;
  std::vector<std::pair<std::string, std::string>> observables;
  std::vector<double> values; ///< mean and variance per axis, then the observables
};
class Moments : public testing::TestWithParam<Exact> {};

TEST_P(Moments, true_errors_lie_within_three_times_the_stated) {
  const Exact& e = GetParam();
  Case c(e.text, e.axes);
  StationaryInput input;
  for (const auto& [name, text] : e.observables) {
    input.observables.emplace_back(name, support::formula(text));
  }
  const StationaryDensity density = stationary_density(c.problem(), input);
  const std::vector<Moment> found = moments(c.problem(), input, density);
  ASSERT_EQ(found.size(), e.values.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LE(std::abs(found[i].value - e.values[i]), 3 * found[i].stated_error())
        << found[i].name << ' ' << found[i].value << " for " << e.values[i] << ": "
        << found[i].grid.basis << ", order " << found[i].grid.order;
    EXPECT_LT(found[i].stated_error(), 0.1) << found[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, Moments,
    testing::Values(
        Exact{"OU",
              {.drift = {"-x"}, .noise = {"1"}},
              {axis("x", -7, 7, 128)},
              {{"fourth", "x^4"}},
              {0, 0.5, 0.75}},
        Exact{"rotating_OU",
              {.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
              {axis("x", -5.5, 5.5, 64), axis("y", -5.5, 5.5, 64)},
              {},
              {0, 0.5, 0, 0.5}},
        Exact{"Wright_Fisher", // Beta(2, 3)
              {.drift = {"2*(1-x) - 3*x"}, .diffusion = {"x*(1-x)"}},
              {axis("x", 0, 1, 128)},
              {{"heterozygosity", "2*x*(1-x)"}},
              {0.4, 0.04, 0.4}},
        Exact{"uniform",
              {.drift = {"0"}, .diffusion = {"1"}},
              {axis("x", 0, 2, 64)},
              {},
              {1, 1.0 / 3}},
        Exact{"von_Mises", // I1(1) / I0(1)
              {.drift = {"-0.5*sin(x)"}, .diffusion = {"0.5"}},
              {axis("x", 0, 2 * pi, 32, Boundary::periodic)},
              {{"order", "cos(x)"}},
              {0.44638996589653446}},
        Exact{"rotated_OU", // covariance R diag(1, 0.04 / 0.7) R^T
              {.drift = {"-(0.64+0.36*0.7)*x - 0.3*0.48*y", "-0.3*0.48*x - (0.36+0.64*0.7)*y"},
               .diffusion_matrix = {{"0.64+0.36*0.04", "0.96*0.48"},
                                    {"0.96*0.48", "0.36+0.64*0.04"}}},
              {axis("x", -7, 7, 160), axis("y", -6, 6, 128)},
              {{"xy", "x*y"}},
              {0, 0.64 + 0.36 * 0.04 / 0.7, 0, 0.36 + 0.64 * 0.04 / 0.7, 0.48 * (1 - 0.04 / 0.7)}}),
    [](const auto& info) { return std::string(info.param.name); });

} // namespace
} // namespace komori::analyses
