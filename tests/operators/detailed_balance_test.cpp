#include "operators/detailed_balance.hpp"

#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::near;
using support::SdeText;
using testing::HasSubstr;

constexpr double pi = std::numbers::pi;

spaces::Axis line(const char* name, PetscInt cells = 12) {
  return axis(name, -2, 2, cells);
}
spaces::Axis ring(PetscInt cells = 15) {
  return axis("x", 0, 2 * pi, cells, Boundary::periodic);
}

struct Question {
  const char* name;
  SdeText text;
  std::vector<spaces::Axis> axes;
  bool holds;
  const char* reason; ///< part of the explanation
};

class Balance : public testing::TestWithParam<Question> {};

TEST_P(Balance, is_recognised) {
  const Question& q = GetParam();
  Case c(q.text, q.axes);
  EXPECT_EQ(c->reversible(), q.holds) << c->reversible_reason();
  EXPECT_THAT(c->reversible_reason(), HasSubstr(q.reason));
  if (!q.holds) return;
  // The density found is stationary: G^T m = 0 to rounding.
  const base::UniqueVec masses = base::duplicate(c->log_density());
  base::check(VecPointwiseMult(masses.get(), c->root_of_masses(), c->root_of_masses()));
  const base::UniqueVec change = base::duplicate(masses.get());
  base::check(MatMultTranspose(c->generator_entries(), masses.get(), change.get()));
  PetscReal residual = 0;
  base::check(VecNorm(change.get(), NORM_1, &residual));
  // Log densities up to some hundred are sums of terms rounded to 1e-16 of their own size.
  EXPECT_LE(residual, 1e-12 * c->generator().facts.norm);
  PetscReal top = 1;
  base::check(VecMax(c->log_density(), nullptr, &top));
  EXPECT_EQ(top, 0);
}

const char* const gibbs = "drift is -grad V and the diffusion one constant";
const char* const closes = "the rates close round every loop of cells";
const char* const loops = "the drift does work round closed loops";

INSTANTIATE_TEST_SUITE_P(
    All, Balance,
    testing::Values(
        Question{"a_potential",
                 {.potential = "(x^2-1)^2 + x*y + y^2", .diffusion = {"0.25"}},
                 {line("x"), line("y")},
                 true,
                 gibbs},
        Question{"any_drift_on_a_line",
                 {.drift = {"sin(3*x) - x^3"}, .diffusion = {"0.3"}},
                 {line("x")},
                 true,
                 closes},
        Question{"a_separable_drift",
                 {.drift = {"4*x - 4*x^3", "-2*y"}, .diffusion = {"0.25"}},
                 {line("x"), line("y")},
                 true,
                 closes},
        Question{"a_linear_gradient_drift",
                 {.drift = {"-2*x - y", "-x - 3*y"}, .diffusion = {"0.25"}},
                 {line("x"), line("y")},
                 true,
                 closes},
        Question{"a_rotating_drift",
                 {.drift = {"-x + y", "-x - y"}, .diffusion = {"0.5"}},
                 {line("x"), line("y")},
                 false,
                 loops},
        Question{"a_weakly_rotating_drift",
                 {.drift = {"-x + 1e-6*y", "-1e-6*x - y"}, .diffusion = {"0.5"}},
                 {line("x"), line("y")},
                 false,
                 loops},
        Question{"a_separable_potential_with_two_temperatures",
                 {.potential = "(x^2-1)^2 + y^2", .diffusion = {"0.25", "0.5"}},
                 {line("x"), line("y")},
                 true,
                 closes},
        Question{"a_coupled_potential_with_two_temperatures",
                 {.potential = "x^2 + x*y + y^2", .diffusion = {"0.25", "0.5"}},
                 {line("x"), line("y")},
                 false,
                 loops},
        Question{"a_ring", {.potential = "cos(x)", .diffusion = {"0.5"}}, {ring()}, true, gibbs},
        Question{"a_ring_by_its_drift",
                 {.drift = {"sin(x)"}, .diffusion = {"0.5"}},
                 {ring()},
                 true,
                 closes},
        Question{"a_tilted_ring",
                 {.potential = "cos(x) - x", .diffusion = {"0.5"}},
                 {ring()},
                 false,
                 "the drift does work round the periodic axis x"},
        Question{"a_driven_ring",
                 {.drift = {"1 - sin(x)"}, .diffusion = {"0.5"}},
                 {ring()},
                 false,
                 "the drift does work round the periodic axis x"},
        Question{"noise_that_depends_on_the_place",
                 {.drift = {"-x"}, .diffusion = {"1 + x^2/2"}},
                 {line("x")},
                 true,
                 closes},
        Question{"noise_along_x_that_depends_on_y",
                 {.potential = "x^2 + y^2", .diffusion = {"1 + y^2", "1"}},
                 {line("x"), line("y")},
                 false,
                 loops},
        Question{"an_axis_without_noise",
                 {.drift = {"v", "-x - v"}, .diffusion = {"0", "1"}},
                 {line("x"), line("v")},
                 false,
                 "axis x has no diffusion"},
        Question{"three_dimensions",
                 {.drift = {"-x + y", "x - 2*y + z", "y - 3*z"}, .diffusion = {"1"}},
                 {line("x", 5), line("y", 6), line("z", 4)},
                 true,
                 closes},
        Question{"a_rotation_in_the_last_plane",
                 {.drift = {"-x", "-y + z", "-y - z"}, .diffusion = {"1"}},
                 {line("x", 5), line("y", 6), line("z", 4)},
                 false,
                 loops}),
    [](const auto& info) { return info.param.name; });

TEST(Balance, the_density_of_a_potential_is_gibbs) {
  Case c({.potential = "(x^2-1)^2 + y^2", .diffusion = {"0.25"}}, {line("x"), line("y")});
  const base::UniqueVec expected =
      c->grid().sampled([](auto x) { return -4 * (std::pow(x[0] * x[0] - 1, 2) + x[1] * x[1]); });
  PetscReal top = 0;
  base::check(VecMax(expected.get(), nullptr, &top));
  base::check(VecShift(expected.get(), -top));
  base::check(VecAXPY(expected.get(), -1, c->log_density()));
  PetscReal error = 0;
  base::check(VecNorm(expected.get(), NORM_INFINITY, &error));
  EXPECT_LE(error, 1e-13); // values up to 52, rounded a few times
}

TEST(Balance, deep_potentials_do_not_underflow) {
  // exp(-V/D) spans 10^-8000; logarithms do not care.
  Case c({.potential = "(x^2-1)^2", .diffusion = {"0.002"}}, {axis("x", -2.5, 2.5, 40)});
  EXPECT_TRUE(c->reversible());
  PetscReal low = 0;
  base::check(VecMin(c->log_density(), nullptr, &low));
  EXPECT_LT(low, -1e4);
  EXPECT_TRUE(near(base::norm2(c->root_of_masses()), 1, support::round_off));
}

} // namespace
} // namespace komori::operators
