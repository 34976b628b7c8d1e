#include "analyses/reversed_process.hpp"
#include "analyses/stationary.hpp"

#include <filesystem>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "operators/currents.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::near;
using testing::HasSubstr;

constexpr double pi = std::numbers::pi;

StationaryDensity solve(Case& c, const std::string& solver = "auto") {
  StationaryInput input;
  input.solver = solver;
  StationaryDensity found = stationary_density(c.problem(), input);
  EXPECT_TRUE(near(base::dot(found.density.get(), c->volumes()), 1, support::round_off));
  EXPECT_LE(found.relative, input.tolerance);
  return found;
}

operators::Currents currents_of(Case& c, const std::string& solver = "auto") {
  return operators::currents(c->fluxes(), solve(c, solver).density.get());
}

Case rotating(PetscInt cells) {
  return {{.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
          {axis("x", -4, 4, cells), axis("y", -4, 4, cells)}};
}

Case ring(PetscInt cells, double w = 1, double k = .5, double d = .1) {
  return {
      {.drift = {"w - k*sin(x)"}, .diffusion = {"d"}, .parameters = {{"w", w}, {"k", k}, {"d", d}}},
      {axis("x", 0, 2 * pi, cells, Boundary::periodic)}};
}

/// Integral of |p - exact|.
double error_against(Case& c, Vec density, const spaces::Field& exact) {
  const base::UniqueVec difference = c->grid().sampled(exact);
  base::check(VecScale(difference.get(), 1 / base::dot(difference.get(), c->volumes())));
  base::check(VecAXPY(difference.get(), -1, density));
  base::check(VecAbs(difference.get()));
  return base::dot(difference.get(), c->volumes());
}

TEST(Stationary, of_a_rotating_spring_is_that_of_equilibrium) {
  // The rotation leaves exp(-x^2-y^2) as it is.
  const auto error = [](PetscInt cells) {
    Case c = rotating(cells);
    return error_against(c, solve(c).density.get(), [](std::span<const double> x) {
      return std::exp(-x[0] * x[0] - x[1] * x[1]);
    });
  };
  EXPECT_TRUE(near(support::order(error(32), error(64)), 2, {0.1, 0}));
}

TEST(Stationary, direct_and_iterative_agree) {
  Case c = rotating(80);
  const StationaryDensity direct = solve(c, "direct");
  const StationaryDensity iterative = solve(c, "iterative");
  EXPECT_THAT(direct.method, HasSubstr("sparse LU"));
  EXPECT_THAT(iterative.method, HasSubstr("GMRES"));
  const base::UniqueVec difference = base::duplicate(direct.density.get());
  base::check(VecWAXPY(difference.get(), -1, direct.density.get(), iterative.density.get()));
  base::check(VecAbs(difference.get()));
  // Residuals of 1e-10 of the norm (some hundred) over a slowest rate of 1.
  EXPECT_LE(base::dot(difference.get(), c->volumes()), 1e-7);
  EXPECT_GT(direct.minimum, -1e-15);
}

TEST(Stationary, reversed_process_by_stencil_is_that_of_the_entries) {
  Case c = rotating(48);
  // Near the stationary masses, not at them.
  const auto masses = [&] {
    base::UniqueVec m = c->grid().sampled([](std::span<const double> x) {
      return std::exp(-x[0] * x[0] - x[1] * x[1] + 0.1 * std::sin(x[0] + 2 * x[1]));
    });
    base::check(VecScale(m.get(), 1 / base::sum(m.get())));
    return m;
  };
  const auto stencil = by_stencil(c.problem(), masses().get());
  const auto entries = by_entries(c.problem(), masses().get());
  const base::UniqueVec f =
      c->grid().sampled([](std::span<const double> x) { return 1 + std::cos(x[0] - x[1]); });
  const base::UniqueVec one = c->grid().vector();
  const base::UniqueVec other = c->grid().vector();
  const auto difference = [&] {
    PetscReal size = 0;
    PetscReal norm = 0;
    base::check(VecNorm(one.get(), NORM_INFINITY, &size));
    base::check(VecAXPY(other.get(), -1, one.get()));
    base::check(VecNorm(other.get(), NORM_INFINITY, &norm));
    return norm / size;
  };
  stencil->apply(f.get(), one.get());
  entries->apply(f.get(), other.get());
  EXPECT_LE(difference(), 1e-12); // sums of five terms that cancel to one in a hundred

  // A right side in the range of B; solutions agree but for the null vector, so B times them does.
  const base::UniqueVec side = c->grid().vector();
  base::check(VecCopy(one.get(), side.get()));
  const base::UniqueVec solution = c->grid().vector();
  stencil->solve(side.get(), solution.get());
  EXPECT_GT(stencil->iterations(), 0);
  EXPECT_THAT(stencil->describe(), HasSubstr("block multigrid"));
  const base::UniqueVec weights = masses();
  const auto weighted = [&](Vec vec) { // the residual's norm in the masses
    const base::UniqueVec square = base::duplicate(vec);
    base::check(VecPointwiseMult(square.get(), vec, vec));
    return std::sqrt(base::dot(square.get(), weights.get()));
  };
  entries->apply(solution.get(), other.get());
  base::check(VecAXPY(other.get(), -1, side.get()));
  EXPECT_LE(weighted(other.get()), 2e-4 * weighted(side.get())); // asked for are 1e-4
}

TEST(Stationary, of_fast_rotation_needs_algebraic_multigrid) {
  Case c({.drift = {"-x + 80*y", "-80*x - y"}, .noise = {"1"}},
         {axis("x", -3, 3, 160), axis("y", -3, 3, 160)});
  const StationaryDensity direct = solve(c, "direct");
  const StationaryDensity iterative = solve(c, "iterative");
  const base::UniqueVec difference = c->grid().vector();
  base::check(VecWAXPY(difference.get(), -1, direct.density.get(), iterative.density.get()));
  PetscReal error = 0;
  PetscReal top = 0;
  base::check(VecNorm(difference.get(), NORM_INFINITY, &error));
  base::check(VecMax(direct.density.get(), nullptr, &top));
  EXPECT_LE(error, 1e-6 * top) << iterative.method; // residuals of 1e-10 of norms of 1e4
}

TEST(Stationary, direct_repeats_the_closed_form) {
  Case c({.potential = "(x^2-1)^2 + y^2", .diffusion = {"0.25"}},
         {axis("x", -2, 2, 40), axis("y", -2, 2, 36)});
  const StationaryDensity closed = solve(c);
  EXPECT_THAT(closed.method, HasSubstr("closed form"));
  const StationaryDensity direct = solve(c, "direct");
  const base::UniqueVec difference = base::duplicate(direct.density.get());
  base::check(VecWAXPY(difference.get(), -1, direct.density.get(), closed.density.get()));
  base::check(VecAbs(difference.get()));
  EXPECT_LE(base::dot(difference.get(), c->volumes()), 1e-11); // rounding over a rate of 0.03
  EXPECT_TRUE(near(direct.slowest_rate, 0.03, {0, 0.1}));      // an estimate, for diagnosis
}

TEST(Stationary, currents_of_driven_rings_converge_to_the_exact_ones) {
  struct Row {
    double w, k, d, exact;
  };
  for (const Row& row : {Row{1, .5, .1, .138237193290}, Row{1, 1.5, .1, 6.53290712e-4},
                         Row{1, .5, 1, .149456247174}}) {
    const auto solve_on = [&](PetscInt cells) {
      Case c = ring(cells, row.w, row.k, row.d);
      const operators::Currents found = currents_of(c);
      // The work of one round over the temperature is what the entropy grows by, on any grid.
      EXPECT_TRUE(near(found.entropy_production, found.circulation[0] * 2 * pi * row.w / row.d,
                       {1e-12, 1e-9}));
      return found.circulation[0];
    };
    const double coarse = solve_on(150);
    const double fine = solve_on(300);
    EXPECT_TRUE(near(support::order(coarse - row.exact, fine - row.exact), 2, {0.1, 0}));
    EXPECT_TRUE(near((4 * fine - coarse) / 3, row.exact, {0, 1e-5})); // fourth order
  }
}

TEST(Stationary, entropy_is_produced_only_out_of_equilibrium) {
  Case equilibrium = ring(100, 0, .5, .1);
  EXPECT_TRUE(near(currents_of(equilibrium).entropy_production, 0, {1e-13, 0}));
  EXPECT_TRUE(near(currents_of(equilibrium, "direct").circulation[0], 0, {1e-13, 0}));
  // Rotating spring: <|v|^2>/D with v = w (y, -x), D = 1/2, <r^2> = 1: 2 w^2.
  const auto error = [](PetscInt cells) {
    Case c = rotating(cells);
    return currents_of(c).entropy_production - 2;
  };
  EXPECT_TRUE(near(support::order(error(32), error(64)), 2, {0.2, 0}));
}

TEST(Stationary, of_klein_kramers_is_boltzmanns) {
  const auto kinetic = [](PetscInt cells) {
    Case c({.drift = {"v", "4*x - 4*x^3 - v"}, .diffusion = {"0", "0.25"}},
           {axis("x", -2.2, 2.2, cells), axis("v", -3, 3, cells)}, {.undiffused = "second_order"});
    const StationaryDensity found = solve(c);
    const base::UniqueVec square = c->grid().sampled([](auto x) { return x[1] * x[1]; });
    base::check(VecPointwiseMult(square.get(), square.get(), c->volumes()));
    return base::dot(square.get(), found.density.get());
  };
  const double coarse = kinetic(40) - 0.25;
  const double fine = kinetic(80) - 0.25;
  EXPECT_LE(std::abs(fine), 0.005);
  EXPECT_GT(support::order(coarse, fine), 1.7); // second order with more to come
}

TEST(Stationary, of_a_particle_by_sweeps_is_that_of_a_factorisation) {
  Case c({.drift = {"v", "4*x - 4*x^3 - v"}, .diffusion = {"0", "0.25"}},
         {axis("x", -2.2, 2.2, 120), axis("v", -3, 3, 60)});
  const StationaryDensity exact = solve(c, "direct");
  const StationaryDensity found = solve(c, "iterative");
  EXPECT_THAT(found.method, testing::HasSubstr("sweeps"));
  EXPECT_LT(found.relative, 1e-10);
  const base::UniqueVec rest = base::duplicate(found.density.get());
  base::check(VecWAXPY(rest.get(), -1, exact.density.get(), found.density.get()));
  EXPECT_LT(base::norm2(rest.get()), 1e-9 * base::norm2(exact.density.get()));
}

TEST(Stationary, by_upwind_is_first_order) {
  // Upwinding adds diffusion |v| h/2 along x, which widens the harmonic density.
  const auto error = [](PetscInt cells) {
    Case c({.drift = {"v", "-x - v"}, .diffusion = {"0", "0.5"}},
           {axis("x", -4.5, 4.5, cells), axis("v", -4.5, 4.5, cells)});
    const StationaryDensity found = solve(c);
    const base::UniqueVec square = c->grid().sampled([](auto x) { return x[0] * x[0]; });
    base::check(VecPointwiseMult(square.get(), square.get(), c->volumes()));
    return base::dot(square.get(), found.density.get()) - 0.5;
  };
  EXPECT_TRUE(near(support::order(error(40), error(80)), 1, {0.15, 0}));
}

TEST(Stationary, on_tiny_and_uneven_grids) {
  Case one({.drift = {"1"}, .diffusion = {"1"}}, {axis("x", 0, 1, 1)});
  EXPECT_TRUE(near(solve(one).minimum, 1, support::round_off));
  Case two({.drift = {"1"}, .diffusion = {"1"}}, {axis("x", 0, 2, 2, Boundary::periodic)});
  EXPECT_TRUE(near(solve(two).minimum, 0.5, support::round_off));
  Case graded(
      {.drift = {"2"}, .diffusion = {"0.3"}},
      {spaces::Axis("x", {0, 0.1, 0.4, 0.5, 1.1, 2}, Boundary::periodic, Boundary::periodic)});
  EXPECT_TRUE(near(solve(graded, "direct").minimum, 0.5, {1e-12, 0}));
}

/// A result file that vanishes with the object, of a name of this rank count's own.
io::ResultFile scratch_file() {
  const std::string name = "stationary_np" + std::to_string(test_session().size()) + ".h5";
  return {test_session().comm(), (std::filesystem::temp_directory_path() / name).string()};
}

TEST(Section, writes_density_current_and_averages) {
  Case c = ring(60);
  StationaryInput input;
  input.observables = {{"cosine", support::formula("cos(x)", "stationary.observables.cosine")}};
  io::ResultFile file = scratch_file();
  EXPECT_TRUE(stationary(c.problem(), input, file));
  EXPECT_EQ(file.shape("/stationary/density"), (std::vector<hsize_t>{60}));
  EXPECT_EQ(file.shape("/stationary/current/x"), (std::vector<hsize_t>{60}));
  EXPECT_EQ(file.shape("/stationary/current_divergence"), (std::vector<hsize_t>{60}));
  EXPECT_TRUE(file.contains("/stationary/observables/cosine"));
}

TEST(Section, warns_of_a_nearly_reducible_generator) {
  // A barrier of 50 D is crossed once in e^50: rounding alone decides between the wells.
  Case c({.drift = {"4*x - 4*x^3"}, .diffusion = {"0.02"}}, {axis("x", -1.6, 1.6, 200)});
  StationaryInput input;
  input.solver = "direct";
  io::ResultFile file = scratch_file();
  const std::size_t before = c->log().warnings().size();
  stationary(c.problem(), input, file);
  const std::vector<std::string>& warnings = c->log().warnings();
  ASSERT_GT(warnings.size(), before);
  EXPECT_THAT(warnings[before],
              HasSubstr("nearly reducible: the slowest relaxation rate is about"));
}

TEST(Section, refuses_open_systems) {
  Case c({.drift = {"0"}, .diffusion = {"1"}}, {axis("x", -1, 1, 8, Boundary::absorbing)});
  EXPECT_THAT(support::message_of([&] { validate(c.problem(), StationaryInput{}); }),
              HasSubstr("'stationary' asks for a stationary density, but paths leave through the "
                        "absorbing walls, so there is none; for the quasi-stationary one use "
                        "'spectrum: {pairs: 1, sides: left}'"));
}

TEST(Section, refuses_observables_without_a_value) {
  Case c({.potential = "x^2", .diffusion = {"1"}}, {axis("x", -2, 2, 4)});
  StationaryInput input;
  input.observables = {{"bad", support::formula("1/(x-0.5)", "stationary.observables.bad")}};
  EXPECT_EQ(support::message_of([&] { validate(c.problem(), input); }),
            "test.yaml:1: 'stationary.observables.bad' is not finite (it is inf) at x = 0.5");
}

TEST(FullDiffusion, noise_whose_direction_turns_from_place_to_place) {
  // D has the eigenvalues 1 and 0.05 and directions that turn once round the torus, so that links
  // change from cell to cell; f = -D grad U makes exp(-U) stationary.
  const std::string d11 = "(0.525 + 0.475*cos(x + y))";
  const std::string d12 = "(0.475*sin(x + y))";
  const std::string d22 = "(0.525 - 0.475*cos(x + y))";
  const std::string ux = "(-0.5*sin(x))";
  const std::string uy = "(0.5*cos(y))";
  const auto error = [&](PetscInt cells) {
    support::SdeText text;
    text.drift = {"-" + d11 + "*" + ux + " - " + d12 + "*" + uy,
                  "-" + d12 + "*" + ux + " - " + d22 + "*" + uy};
    text.diffusion_matrix = {{d11, d12}, {d12, d22}};
    text.convention = "isothermal";
    const double turn = 2 * std::numbers::pi;
    support::Case c(text, {support::axis("x", 0, turn, cells, spaces::Boundary::periodic),
                           support::axis("y", 0, turn, cells, spaces::Boundary::periodic)});
    EXPECT_GT(c->fluxes().lattice().offsets(), 6U);
    EXPECT_EQ(c->generator().facts.negative, 0);
    const StationaryDensity found = stationary_density(c.problem(), {});
    EXPECT_GT(found.minimum, 0);
    const base::UniqueVec exact = c->grid().sampled(
        [](auto x) { return std::exp(-0.5 * std::cos(x[0]) - 0.5 * std::sin(x[1])); });
    base::check(VecScale(exact.get(), 1 / base::dot(exact.get(), c->volumes())));
    base::check(VecAXPY(exact.get(), -1, found.density.get()));
    base::check(VecAbs(exact.get()));
    return base::dot(exact.get(), c->volumes());
  };
  const double coarse = error(48);
  const double fine = error(96);
  EXPECT_LT(fine, 2e-3);
  EXPECT_TRUE(support::near(support::order(coarse, fine), 2, {0.3, 0})) << coarse << ' ' << fine;
}

} // namespace
} // namespace komori::analyses
