#include <numbers>

#include <Eigen/Dense>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "operators/generator.hpp"
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

/// The largest relative error of the equilibrium density against `exact`, both with integral 1.
double density_error(Case& c, const spaces::Field& exact) {
  const base::UniqueVec density = base::duplicate(c->log_density());
  base::check(VecCopy(c->log_density(), density.get()));
  base::check(VecExp(density.get()));
  const base::UniqueVec expected = c->grid().sampled(exact);
  for (const Vec p : {density.get(), expected.get()}) {
    base::check(VecScale(p, 1 / base::dot(p, c->volumes())));
  }
  base::check(VecPointwiseDivide(density.get(), density.get(), expected.get()));
  base::check(VecShift(density.get(), -1));
  PetscReal error = 0;
  base::check(VecNorm(density.get(), NORM_INFINITY, &error));
  return error;
}

struct Reading {
  const char* convention;
  double exponent; ///< the stationary density is (1 + x^2/2)^exponent
};

class Convention : public testing::TestWithParam<Reading> {};

TEST_P(Convention, decides_the_stationary_density) {
  // dX = -X dt + sqrt(2D) dW with D = 1 + x^2/2: p = D^-theta exp(int f/D) = D^(-theta-1).
  const auto [convention, exponent] = GetParam();
  for (const char* rates : {"scharfetter_gummel", "square_root"}) {
    const auto error = [&](PetscInt cells) {
      Case c({.drift = {"-x"}, .diffusion = {"1 + x^2/2"}, .convention = convention},
             {axis("x", -4, 4, cells)}, {.rates = rates});
      EXPECT_TRUE(c->reversible());
      return density_error(c, [&](auto x) { return std::pow(1 + 0.5 * x[0] * x[0], exponent); });
    };
    const double coarse = error(100);
    const double fine = error(200);
    EXPECT_LT(fine, 2e-3) << convention;
    EXPECT_TRUE(near(support::order(coarse, fine), 2, {0.1, 0})) << convention;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Convention,
                         testing::Values(Reading{"ito", -2}, Reading{"stratonovich", -1.5},
                                         Reading{"isothermal", -1}),
                         [](const auto& info) { return info.param.convention; });

TEST(Scheme, noise_that_vanishes_at_both_walls) {
  // Wright-Fisher diffusion: density x^(a-1) (1-x)^(b-1), rates n (n - 1 + a + b).
  const auto errors = [](PetscInt cells) {
    Case c(
        {.drift = {"a*(1-x) - b*x"}, .diffusion = {"x*(1-x)"}, .parameters = {{"a", 2}, {"b", 3}}},
        {axis("x", 0, 1, cells)});
    const Eigen::VectorXd rates = support::tridiagonal_eigenvalues(
        support::dense(c->grid(), c->symmetrised_entries().matrix.get()));
    return std::array{rates(1) - 5, rates(2) - 12};
  };
  const auto coarse = errors(100);
  const auto fine = errors(200);
  EXPECT_TRUE(near(support::order(coarse[0], fine[0]), 2, {0.15, 0}));
  EXPECT_TRUE(near(support::order(coarse[1], fine[1]), 2, {0.15, 0}));
}

/// The largest error of G u against the exact generator of dx = v dt, dv = -v dt + sqrt(2D) dW
/// applied to u = sin(x) cos(v), away from the walls in v.
double truncation_error(PetscInt cells, const std::string& undiffused) {
  constexpr double diffusion = 0.4;
  Case c({.drift = {"v", "-v"}, .diffusion = {"0", "0.4"}},
         {axis("x", 0, 2 * pi, cells, Boundary::periodic), axis("v", -2, 2, cells)},
         {.undiffused = undiffused});
  const base::UniqueVec u =
      c->grid().sampled([](auto x) { return std::sin(x[0]) * std::cos(x[1]); });
  const base::UniqueVec gu = c->grid().vector();
  base::check(MatMult(c->generator_entries(), u.get(), gu.get()));
  double worst = 0;
  {
    const base::ReadArray value(gu.get());
    std::array<double, 2> x{};
    c->grid().for_each_cell([&](PetscInt i, const spaces::Index& cell) {
      if (cell[1] == 0 || cell[1] == cells - 1) return;
      c->grid().center(cell, x);
      const auto [p, v] = x;
      const double exact = v * std::cos(p) * std::cos(v) + v * std::sin(p) * std::sin(v) -
                           diffusion * std::sin(p) * std::cos(v);
      worst = std::max(worst, std::abs(value[static_cast<std::size_t>(i)] - exact));
    });
  }
  MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, c->grid().comm());
  return worst;
}

TEST(Undiffused, upwind_is_first_order) {
  EXPECT_TRUE(near(support::order(truncation_error(40, "upwind"), truncation_error(80, "upwind")),
                   1, {0.1, 0}));
}

TEST(Undiffused, fromm_is_second_order) {
  EXPECT_TRUE(near(
      support::order(truncation_error(40, "second_order"), truncation_error(80, "second_order")), 2,
      {0.1, 0}));
}

TEST(Undiffused, upwind_is_monotone_and_fromm_reports_that_it_is_not) {
  const SdeText kramers{.drift = {"v", "-x - v"}, .diffusion = {"0", "1"}};
  const std::vector<spaces::Axis> axes{axis("x", -3, 3, 12), axis("v", -3, 3, 12)};
  Case upwind(kramers, axes);
  Case fromm(kramers, axes, {.undiffused = "second_order"});
  EXPECT_EQ(upwind->generator().facts.negative, 0);
  EXPECT_EQ(upwind->generator().facts.most_negative, 0);
  const GeneratorFacts& facts = fromm->generator().facts;
  const Eigen::MatrixXd g = support::dense(fromm->grid(), fromm->generator_entries());
  std::int64_t negative = 0;
  double lowest = 0;
  for (Eigen::Index i = 0; i < g.rows(); ++i) {
    for (Eigen::Index j = 0; j < g.cols(); ++j) {
      if (i == j || g(i, j) >= 0) continue;
      ++negative;
      lowest = std::min(lowest, g(i, j));
    }
  }
  EXPECT_GT(negative, 0);
  EXPECT_EQ(facts.negative, negative);
  EXPECT_EQ(facts.most_negative, lowest);
}

TEST(Undiffused, fromm_is_exact_for_linear_densities_on_any_spacing) {
  // Pure transport at speed 1 of p = 1 + x changes it at rate -1 in every inner cell.
  const std::vector<double> edges{0, 0.3, 0.5, 1.1, 1.3, 2, 2.2, 3};
  Case c({.drift = {"1", "-y"}, .diffusion = {"0", "1"}},
         {spaces::Axis("x", edges, Boundary::reflecting, Boundary::reflecting), axis("y", 0, 1, 1)},
         {.undiffused = "second_order"});
  const base::UniqueVec masses = c->grid().sampled([](auto x) { return 1 + x[0]; });
  base::check(VecPointwiseMult(masses.get(), masses.get(), c->volumes()));
  const base::UniqueVec change = c->grid().vector();
  base::check(MatMultTranspose(c->generator_entries(), masses.get(), change.get()));
  base::check(VecPointwiseDivide(change.get(), change.get(), c->volumes()));
  const std::vector<double> rate = support::gathered(c->grid(), change.get());
  for (std::size_t i = 2; i < 6; ++i) EXPECT_TRUE(near(rate[i], -1, {1e-13, 0})) << i;
}

TEST(Peclet, huge_forces_leave_finite_upwind_rates) {
  // Force over diffusion times cell width is about 1e9: exp() of it overflows, the scheme must not.
  Case c({.drift = {"-1000*x"}, .diffusion = {"1e-6"}}, {axis("x", -8, 8, 64)});
  const Eigen::MatrixXd g = support::dense(c->grid(), c->generator_entries());
  const double h = 0.25;
  for (PetscInt i = 0; i + 1 < 64; ++i) {
    const double face = c->grid().axis(0).edge(i + 1);
    const double downhill = face < 0 ? g(i, i + 1) : g(i + 1, i);
    const double uphill = face < 0 ? g(i + 1, i) : g(i, i + 1);
    if (face == 0) continue;
    EXPECT_TRUE(near(downhill, 1000 * std::abs(face) / h, {0, 1e-12})) << i;
    EXPECT_GE(uphill, 0);
    EXPECT_LE(uphill, 1e-300);
  }
  EXPECT_TRUE(c->symmetrised().matrix);
}

TEST(Peclet, small_forces_are_not_lost_in_cancellation) {
  // B(w) = 1 - w/2 + w^2/12: the skew part of the rates is f/h to full precision for any small w.
  for (const double force : {1e-12, 1e-8, 1e-4}) {
    Case c({.drift = {"force"}, .diffusion = {"1"}, .parameters = {{"force", force}}},
           {axis("x", 0, 2, 2)});
    const Eigen::MatrixXd g = support::dense(c->grid(), c->generator_entries());
    // Rates of order 1 carry rounding of 2e-16; nothing else may spoil their difference.
    EXPECT_TRUE(near(g(0, 1) - g(1, 0), force, {5e-16, 0}));
  }
}

TEST(Peclet, rates_that_overflow_are_named) {
  Case c({.drift = {"-1000*x"}, .diffusion = {"1e-6"}}, {axis("x", -8, 8, 64)},
         {.rates = "square_root"});
  const std::string message = support::message_of([&] { c->generator(); });
  EXPECT_THAT(message, HasSubstr("the model's rates are not finite between the cell at x = "));
  EXPECT_THAT(message, HasSubstr("and the next one along x: a formula is singular there, or the "
                                 "force over the diffusion exceeds what a number can hold"));
}

TEST(FaceFluxes, wrong_formulas_are_named_with_their_place) {
  const auto error_of = [](const SdeText& text, spaces::Axis x) {
    return support::message_of([&] { Case c(text, {x}); });
  };
  const spaces::Axis x = axis("x", -2, 2, 4);
  EXPECT_THAT(error_of({.potential = "1/(x-0.5)", .diffusion = {"1"}}, x),
              HasSubstr("'model.potential' is not finite (it is inf) at x = 0.5"));
  EXPECT_THAT(error_of({.drift = {"ln(x)"}, .diffusion = {"1"}}, x),
              HasSubstr("'model.drift[0]' is not finite (it is "));
  EXPECT_THAT(error_of({.drift = {"0"}, .diffusion = {"x"}}, x),
              HasSubstr("'model.diffusion' is negative (it is -1.5) at x = -1.5"));
  EXPECT_THAT(error_of({.potential = "x^2 + x", .diffusion = {"1"}},
                       axis("x", -1, 2, 4, Boundary::periodic)),
              testing::Not(HasSubstr("not periodic"))); // in one dimension any jump is a slope
}

TEST(FaceFluxes, a_potential_must_be_periodic_up_to_a_slope) {
  const std::vector<spaces::Axis> axes{axis("x", 0, 1, 4, Boundary::periodic), axis("y", 0, 1, 3)};
  const auto error_of = [&](const std::string& potential) {
    return support::message_of([&] { Case c({.potential = potential, .diffusion = {"1"}}, axes); });
  };
  EXPECT_EQ(error_of("cos(2*pi*x) + y^2 - 3*x"), "(no error)");
  EXPECT_THAT(error_of("x*y"), HasSubstr("'model.potential' is not periodic along x: from one end "
                                         "to the other it changes by"));
}

} // namespace
} // namespace komori::operators
