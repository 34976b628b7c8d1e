/// Eigenfunctions, their normalisation, and that solvers and ranks agree on them.
#include "analyses/eigenfunctions.hpp"

#include <filesystem>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spectra.hpp"

namespace komori::analyses {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::near;
using Complex = std::complex<double>;

constexpr double pi = std::numbers::pi;

double integral(Case& c, Vec a, Vec b) {
  const base::UniqueVec product = base::duplicate(a);
  base::check(VecPointwiseMult(product.get(), a, c->volumes()));
  return base::dot(product.get(), b);
}

/// Integral of left i times right j, both as complex functions.
Complex product(Case& c, const Spectrum& s, std::size_t i, std::size_t j) {
  const auto part = [](const Spectrum& of, const std::vector<base::UniqueVec>& set, std::size_t at,
                       bool imaginary) -> std::pair<Vec, double> {
    const double im = of.values[at].imag();
    if (im == 0) return {imaginary ? nullptr : set[at].get(), 1};
    const std::size_t first = im > 0 ? at : at - 1;
    return imaginary ? std::pair{set[first + 1].get(), im > 0 ? 1.0 : -1.0}
                     : std::pair{set[first].get(), 1.0};
  };
  Complex sum = 0;
  for (const bool a : {false, true}) {
    for (const bool b : {false, true}) {
      const auto [left, left_sign] = part(s, s.left, i, a);
      const auto [right, right_sign] = part(s, s.right, j, b);
      if (left == nullptr || right == nullptr) continue;
      const Complex unit = (a ? Complex(0, 1) : 1.0) * (b ? Complex(0, 1) : 1.0);
      sum += unit * left_sign * right_sign * integral(c, left, right);
    }
  }
  return sum;
}

void expect_biorthogonal(Case& c, std::int64_t pairs, double allowed) {
  const Spectrum s = spectrum_of(c, pairs, "both");
  ASSERT_TRUE(s.complete);
  ASSERT_EQ(s.left.size(), s.values.size());
  ASSERT_EQ(s.right.size(), s.values.size());
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    for (std::size_t j = 0; j < s.values.size(); ++j) {
      EXPECT_LE(std::abs(product(c, s, i, j) - (i == j ? 1.0 : 0.0)), allowed)
          << s.values[i] << " " << s.values[j];
    }
  }
}

TEST(BothSides, are_biorthogonal) {
  // Residuals of 1e-10 of the norm over gaps of order one: a few 1e-8 at most.
  Case equilibrium({.potential = "(x^2-1)^2 + y^2 + 0.3*x*y", .diffusion = {"0.25"}},
                   {axis("x", -2.2, 2.2, 40), axis("y", -2, 2, 36)});
  expect_biorthogonal(equilibrium, 6, 1e-7);
  Case rotating({.drift = {"-x + 2*y", "-2*x - 1.3*y"}, .noise = {"1"}},
                {axis("x", -4, 4, 40), axis("y", -4, 4, 40)});
  expect_biorthogonal(rotating, 6, 1e-7);
  Case exit({.drift = {"0.5"}, .noise = {"1"}}, {axis("x", -1, 1, 100, Boundary::absorbing)});
  expect_biorthogonal(exit, 4, 1e-7);
}

void expect_density_and_constant(Case& c) {
  const Spectrum s = spectrum_of(c, 3, "both");
  PetscReal low = 0;
  PetscReal high = 0;
  base::check(VecMin(s.right[0].get(), nullptr, &low));
  base::check(VecMax(s.right[0].get(), nullptr, &high));
  EXPECT_EQ(high, 1);
  EXPECT_TRUE(near(low, 1, {1e-6, 0})); // what solver residuals leave in the tails
  const base::UniqueVec ones = c->grid().sampled([](auto) { return 1.0; });
  EXPECT_TRUE(near(integral(c, s.left[0].get(), ones.get()), 1, {1e-6, 0}));
}

TEST(Left, eigenvector_of_zero_is_the_stationary_density) {
  Case equilibrium({.potential = "(x^2-1)^2", .diffusion = {"0.25"}}, {axis("x", -2.2, 2.2, 80)});
  expect_density_and_constant(equilibrium);
  const Spectrum s = spectrum_of(equilibrium, 1, "left");
  const base::UniqueVec gibbs = base::duplicate(equilibrium->log_density());
  base::check(VecCopy(equilibrium->log_density(), gibbs.get()));
  base::check(VecExp(gibbs.get()));
  const base::UniqueVec ones = equilibrium->grid().sampled([](auto) { return 1.0; });
  base::check(VecScale(gibbs.get(), 1 / integral(equilibrium, gibbs.get(), ones.get())));
  base::check(VecAXPY(gibbs.get(), -1, s.left[0].get()));
  PetscReal error = 0;
  base::check(VecNorm(gibbs.get(), NORM_INFINITY, &error));
  EXPECT_LE(error, 1e-8);

  Case rotating({.drift = {"-x + 2*y", "-2*x - y"}, .noise = {"1"}},
                {axis("x", -4, 4, 32), axis("y", -4, 4, 32)});
  expect_density_and_constant(rotating);
}

TEST(Right, eigenfunctions_have_largest_modulus_one) {
  Case c({.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
         {axis("x", -4, 4, 32), axis("y", -4, 4, 32)});
  const Spectrum s = spectrum_of(c, 5);
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const bool complex = s.values[i].imag() != 0;
    const std::vector<double> re = support::gathered(c->grid(), s.right[i].get());
    const std::vector<double> im =
        complex ? support::gathered(c->grid(), s.right[i + 1].get()) : std::vector(re.size(), 0.0);
    double top = 0;
    for (std::size_t k = 0; k < re.size(); ++k) top = std::max(top, std::hypot(re[k], im[k]));
    EXPECT_TRUE(near(top, 1, {1e-4, 0})); // the phase is fixed at a cell within 1e-5 of the top
    if (complex) ++i;
  }
}

TEST(Right, eigenfunctions_are_accurate_where_the_density_is_negligible) {
  // The slow mode of the double well is flat behind the wells, where exp(-V/D) is below 1e-60.
  Case c({.potential = "(x^2-1)^2", .diffusion = {"0.1"}}, {axis("x", -2.3, 2.3, 200)});
  const Spectrum s = spectrum_of(c, 2);
  const std::vector<double> u = support::gathered(c->grid(), s.right[1].get());
  for (std::size_t i = 0; i + 1 < 50; ++i) {
    EXPECT_TRUE(near(u[i], u[i + 1], {1e-3, 0})) << i;
    EXPECT_TRUE(near(u[i], -u[199 - i], {1e-5, 0})) << i; // odd
  }
  EXPECT_TRUE(near(std::abs(u[0]), 1, {1e-3, 0}));
}

TEST(Right, eigenfunctions_are_continued_alike_with_and_without_a_matrix) {
  // Enough cells for the continuation to begin on a coarser grid.
  const auto axes = [] {
    return std::vector<spaces::Axis>{axis("x", -2.2, 2.2, 100), axis("y", -2.2, 2.2, 90)};
  };
  Case c({.potential = "(x^2-1)^2 + y^2 + 0.2*x + 0.1*y", .diffusion = {"0.15"}}, axes());
  Problem entries(test_session(), c.sde(), support::grid(axes()), {}, "assembled");
  SpectrumInput input;
  input.pairs = 4;
  ASSERT_TRUE(c->matrix_free());
  const Spectrum stencil = compute_spectrum(c.problem(), input);
  const Spectrum matrix = compute_spectrum(entries, input);
  ASSERT_EQ(stencil.right.size(), matrix.right.size());
  for (std::size_t i = 0; i < matrix.right.size(); ++i) {
    const Vec u = stencil.right[i].get();
    const double sign = base::dot(u, matrix.right[i].get()) < 0 ? 1 : -1;
    base::check(VecAXPY(u, sign, matrix.right[i].get()));
    PetscReal difference = 0;
    base::check(VecNorm(u, NORM_INFINITY, &difference));
    // Cycles end with corrections of 1e-5, each some 0.65 of the one before.
    EXPECT_LE(difference, 5e-5) << i;
  }
}

TEST(Target, finds_what_is_nearest_to_a_number) {
  Case well({.potential = "(x^2-1)^2", .diffusion = {"0.25"}}, {axis("x", -2.5, 2.5, 256)});
  SpectrumInput input;
  input.pairs = 2;
  input.target = {.word = "", .number = -3.3};
  const Spectrum s = compute_spectrum(well.problem(), input);
  ASSERT_GE(s.values.size(), 2U);
  EXPECT_TRUE(near(-s.values[0].real(), 3.3091773596, {1e-9, 1e-8}));
  EXPECT_TRUE(near(-s.values[1].real(), 5.51224, {0, 1e-3})); // second order

  Case rotating({.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
                {axis("x", -4.5, 4.5, 48), axis("y", -4.5, 4.5, 48)});
  input.pairs = 1;
  input.target.number = -2;
  const Spectrum r = compute_spectrum(rotating.problem(), input);
  ASSERT_EQ(r.values.size(), 1U);
  EXPECT_EQ(r.values[0].imag(), 0);
  EXPECT_TRUE(near(r.values[0].real(), -2, {0.05, 0})); // second order on 48 cells
}

TEST(Target, exactly_at_an_eigenvalue_is_no_trouble) {
  Case c({.drift = {"-x"}, .noise = {"1"}}, {axis("x", -5, 5, 100)});
  SpectrumInput input;
  input.pairs = 1;
  input.target = {.word = "", .number = 0};
  const Spectrum s = compute_spectrum(c.problem(), input);
  ASSERT_EQ(s.values.size(), 1U);
  EXPECT_TRUE(near(s.values[0].real(), 0, {1e-10, 0}));
}

TEST(Solvers, agree) {
  Case c({.potential = "(x^2-1)^2 + y^2", .diffusion = {"0.25"}},
         {axis("x", -2.2, 2.2, 100), axis("y", -2, 2, 100)});
  const Spectrum direct = spectrum_of(c, 5, "right", "direct");
  const Spectrum iterative = spectrum_of(c, 5, "right", "iterative");
  EXPECT_THAT(direct.solver, testing::HasSubstr("shift-and-invert"));
  EXPECT_THAT(iterative.solver, testing::HasSubstr("lobpcg"));
  ASSERT_TRUE(direct.complete);
  ASSERT_TRUE(iterative.complete);
  for (std::size_t i = 0; i < 5; ++i) {
    // Symmetric: values err by the square of the residual over a gap; rounding of the norm rules.
    EXPECT_LE(std::abs(direct.values[i] - iterative.values[i]), 1e-9) << i;
    EXPECT_LE(iterative.residuals[i], 1e-10 * iterative.norm);
    const base::UniqueVec difference = base::duplicate(direct.right[i].get());
    base::check(VecWAXPY(difference.get(), -1, direct.right[i].get(), iterative.right[i].get()));
    EXPECT_LE(base::norm2(difference.get()) / 100, 1e-4) << i; // root mean square of values up to 1
  }
}

TEST(Solvers, auto_iterates_on_large_grids_but_never_inside_the_spectrum) {
  Case c({.potential = "x^2 + 1.3*y^2 + 1.7*z^2", .diffusion = {"0.5"}},
         {axis("x", -3, 3, 22), axis("y", -3, 3, 22), axis("z", -3, 3, 22)});
  ASSERT_EQ(c->preferred_method(), linalg::Method::iterative);
  const Spectrum slowest = spectrum_of(c, 4);
  EXPECT_THAT(slowest.solver, testing::HasSubstr("lobpcg"));
  SpectrumInput input;
  input.pairs = 1;
  input.target = {.word = "", .number = slowest.values[2].real() - 0.01};
  const Spectrum near_it = compute_spectrum(c.problem(), input);
  EXPECT_THAT(near_it.solver, testing::HasSubstr("shift-and-invert"));
  EXPECT_LE(std::abs(near_it.values.at(0) - slowest.values[2]), 1e-9); // as in `agree`
}

TEST(Solvers, agree_without_detailed_balance) {
  Case c({.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
         {axis("x", -4, 4, 60), axis("y", -4, 4, 60)});
  const Spectrum direct = spectrum_of(c, 4, "right", "direct");
  const Spectrum iterative = spectrum_of(c, 4, "right", "iterative");
  ASSERT_EQ(direct.values.size(), iterative.values.size());
  for (std::size_t i = 0; i < direct.values.size(); ++i) {
    EXPECT_LE(std::abs(direct.values[i] - iterative.values[i]), 1e-7) << i; // residual x condition
  }
}

TEST(Ranks, do_not_change_the_numbers) {
  // Values found on one rank; any number of ranks has to repeat them.
  Case c({.potential = "(x^2-1)^2 + y^2 + 0.3*x*y", .diffusion = {"0.25"}},
         {axis("x", -2.2, 2.2, 40), axis("y", -2, 2, 36)});
  const Spectrum s = spectrum_of(c, 4);
  Case driven({.drift = {"-x + 2*y", "-2*x - 1.3*y"}, .noise = {"1"}},
              {axis("x", -4, 4, 40), axis("y", -4, 4, 40)});
  const Spectrum d = spectrum_of(driven, 3);
  const std::array<double, 2> place{0.7, 0.4};
  const std::vector<double> numbers{-s.values[1].real(),
                                    -s.values[2].real(),
                                    -s.values[3].real(),
                                    c->grid().interpolate(s.right[1].get(), place),
                                    c->grid().interpolate(s.right[2].get(), place),
                                    -d.values[1].real(),
                                    d.values[1].imag(),
                                    driven->grid().interpolate(d.right[1].get(), place)};
  const std::vector<double> pinned{0.027603364071017988, 1.9541305787707652,   1.962619886947099,
                                   -0.95306140541723983, -0.27067816802665789, 1.1327272019102126,
                                   1.965049913661326,    -0.15491795718194412};
  ASSERT_EQ(numbers.size(), pinned.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_TRUE(near(numbers[i], pinned[i], {1e-8, 1e-8})) << i << ": " << numbers[i];
  }
}

/// A result file that vanishes with the object, of a name of this rank count's own.
io::ResultFile scratch_file() {
  const std::string name = "analyses_np" + std::to_string(test_session().size()) + ".h5";
  return {test_session().comm(), (std::filesystem::temp_directory_path() / name).string()};
}

TEST(Section, writes_what_it_found_and_judges_it) {
  Case c({.potential = "(x^2-1)^2", .diffusion = {"0.25"}}, {axis("x", -2.5, 2.5, 128)});
  io::ResultFile file = scratch_file();
  SpectrumInput input;
  input.pairs = 4;
  input.sides = "both";
  EXPECT_TRUE(spectrum(c.problem(), input, file));
  EXPECT_EQ(file.shape("/spectrum/eigenvalues"), (std::vector<hsize_t>{4, 2}));
  EXPECT_EQ(file.shape("/spectrum/residuals"), (std::vector<hsize_t>{4}));
  EXPECT_EQ(file.shape("/spectrum/discretisation_error"), (std::vector<hsize_t>{4}));
  EXPECT_EQ(file.shape("/spectrum/verdict"), (std::vector<hsize_t>{4}));
  EXPECT_EQ(file.shape("/spectrum/right"), (std::vector<hsize_t>{4, 128}));
  EXPECT_EQ(file.shape("/spectrum/left"), (std::vector<hsize_t>{4, 128}));
}

TEST(Section, refuses_what_does_not_fit) {
  Case c({.potential = "x^2", .diffusion = {"1"}}, {axis("x", -1, 1, 5)});
  SpectrumInput input;
  input.pairs = 6;
  EXPECT_EQ(support::message_of([&] { validate(c.problem(), input); }),
            "'spectrum.pairs' is 6, but the grid has only 5 cells; ask for fewer pairs or refine "
            "the grid");
  input.pairs = 2;
  input.solver = "iterative";
  input.target = {.word = "", .number = -3};
  EXPECT_THAT(support::message_of([&] { validate(c.problem(), input); }),
              testing::HasSubstr("'spectrum.solver' is 'iterative', but eigenvalues near a number "
                                 "inside the spectrum need 'direct'"));
}

TEST(Section, all_pairs_of_a_tiny_grid) {
  Case c({.potential = "x^2", .diffusion = {"1"}}, {axis("x", -1, 1, 5)});
  EXPECT_EQ(spectrum_of(c, 5).values.size(), 5U);
  Case driven({.drift = {"1"}, .diffusion = {"1"}}, {axis("x", 0, 5, 5, Boundary::periodic)});
  EXPECT_EQ(spectrum_of(driven, 5).values.size(), 5U);
  Case one({.drift = {"1"}, .diffusion = {"1"}}, {axis("x", 0, 1, 1)});
  EXPECT_LE(std::abs(spectrum_of(one, 1).values.at(0)), 1e-14);
}

TEST(Order, is_one_only_where_upwind_is_used) {
  const support::SdeText kramers{.drift = {"v", "-x - v"}, .diffusion = {"0", "1"}};
  const std::vector<spaces::Axis> axes{axis("x", -3, 3, 8), axis("v", -3, 3, 8)};
  Case upwind(kramers, axes);
  Case fromm(kramers, axes, {.undiffused = "second_order"});
  Case diffusive({.potential = "x^2", .diffusion = {"1"}}, {axis("x", -1, 1, 8)});
  EXPECT_EQ(discretisation_order(upwind.problem()), 1);
  EXPECT_EQ(discretisation_order(fromm.problem()), 2);
  EXPECT_EQ(discretisation_order(diffusive.problem()), 2);
}

} // namespace
} // namespace komori::analyses
