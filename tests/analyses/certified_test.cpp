/// The promise of the error estimates: true errors lie within three times the stated ones.
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyses/spectrum_errors.hpp"
#include "linalg/inertia.hpp"
#include "spectra.hpp"

namespace komori::analyses {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::SdeText;
using testing::HasSubstr;
using Complex = std::complex<double>;

constexpr double pi = std::numbers::pi;

/// One axis; `cells` on the finest of its grids.
struct Axis {
  double from, to;
  PetscInt cells;
  Boundary boundary = Boundary::reflecting;
};

/// A problem with exact eigenvalues (as -lambda, imaginary parts positive), slowest first.
struct Exact {
  const char* name;
  SdeText text;
  std::vector<Axis> axes;
  std::vector<Complex> rates;
  operators::SchemeInput scheme{};
  double shrunk = 1; ///< grids this many times coarser than written are tried too, in halves
};

Spectrum certified(Case& c, std::size_t pairs) {
  SpectrumInput input;
  input.pairs = static_cast<std::int64_t>(pairs);
  return certified_spectrum(c.problem(), input);
}

class Promise : public testing::TestWithParam<Exact> {};

TEST_P(Promise, true_errors_lie_within_three_times_the_stated) {
  const Exact& e = GetParam();
  for (PetscInt coarser = 1; static_cast<double>(coarser) <= e.shrunk; coarser *= 2) {
    const std::vector<std::string> names{"x", "y", "z"};
    std::vector<spaces::Axis> axes;
    for (std::size_t k = 0; k < e.axes.size(); ++k) {
      const Axis& a = e.axes[k];
      axes.push_back(axis(names[k], a.from, a.to, a.cells / coarser, a.boundary));
    }
    Case c(e.text, std::move(axes), e.scheme);
    const Spectrum found = certified(c, e.rates.size());
    EXPECT_EQ(found.missing, 0) << found.audit;
    ASSERT_GE(found.values.size(), e.rates.size());
    std::vector<Complex> left = e.rates;
    for (std::size_t i = 0; i < e.rates.size(); ++i) {
      const Complex rate(-found.values[i].real(), std::abs(found.values[i].imag()));
      const auto nearest = std::min_element(left.begin(), left.end(), [&](Complex a, Complex b) {
        return std::abs(a - rate) < std::abs(b - rate);
      });
      const double error = std::abs(*nearest - rate);
      EXPECT_LE(error, 3 * found.stated_error(i))
          << e.name << ", " << coarser << " times coarser, eigenvalue " << i << ": " << rate
          << " for " << *nearest << ", order " << found.grid_errors[i].order << ", "
          << found.grid_errors[i].basis;
      if (found.grid_errors[i].basis == "order confirmed") { // and they are not idle
        EXPECT_LE(found.stated_error(i), 5 * error + 1e-11 * found.norm) << e.name << ' ' << i;
      }
      left.erase(nearest);
    }
  }
}

const std::vector<Axis> well{{-2.8, 2.8, 512}};
const Axis round_trip{0, 2 * pi, 512, Boundary::periodic};
const Axis plane{-4.5, 4.5, 72};
const double fast = std::sqrt(0.75);

INSTANTIATE_TEST_SUITE_P(
    Line, Promise,
    testing::Values(
        Exact{"E1", {.drift = {"-x"}, .noise = {"1"}}, {{-5, 5, 512}}, {0, 1, 2, 3, 4}, {}, 16},
        Exact{
            "E1_sigma_2", {.drift = {"-x"}, .noise = {"2"}}, {{-10, 10, 256}}, {0, 1, 2, 3}, {}, 8},
        Exact{"E4",
              {.drift = {"0"}, .diffusion = {"0.5"}},
              {{0, 2, 256}},
              {0, pi* pi / 8, pi* pi / 2, 9 * pi* pi / 8},
              {},
              16},
        Exact{"E5",
              {.drift = {"0"}, .diffusion = {"0.3"}},
              {round_trip},
              {0, .3, .3, 1.2, 1.2, 2.7, 2.7},
              {},
              16},
        Exact{"E5_driven",
              {.drift = {"1.5"}, .diffusion = {"0.3"}},
              {round_trip},
              {0, {.3, 1.5}, {.3, 1.5}, {1.2, 3}, {1.2, 3}},
              {},
              8},
        Exact{"E6",
              {.drift = {"-1"}, .diffusion = {"0.5"}},
              {{0, 2, 512}},
              {0, .5 + pi* pi / 8, .5 + pi* pi / 2},
              {},
              16},
        Exact{"E7",
              {.drift = {"0"}, .diffusion = {"0.5"}},
              {{-1, 1, 256, Boundary::absorbing}},
              {pi * pi / 8, pi* pi / 2, 9 * pi* pi / 8},
              {},
              16},
        Exact{"exit_of_OU",
              {.drift = {"-x"}, .noise = {"1"}},
              {{-2, 2, 256, Boundary::absorbing}},
              {.0374612092816751605},
              {},
              16},
        Exact{"well_1",
              {.potential = "(x^2-1)^2", .diffusion = {"1"}},
              well,
              {0, .748681672349, 6.00411367085, 11.6606955577},
              {},
              16},
        Exact{"well_4",
              {.potential = "(x^2-1)^2", .diffusion = {"1/4"}},
              well,
              {0, .029779593309, 3.31039406412, 5.51224029789},
              {},
              16},
        Exact{"well_8",
              {.potential = "(x^2-1)^2", .diffusion = {"1/8"}},
              well,
              {0, 5.71868888e-4, 3.49091197081, 5.42173983634},
              {},
              16},
        Exact{"well_4_square_root",
              {.potential = "(x^2-1)^2", .diffusion = {"1/4"}},
              well,
              {0, .029779593309, 3.31039406412, 5.51224029789},
              {.rates = "square_root"},
              8},
        Exact{"well_4_mean_drift",
              {.drift = {"4*x - 4*x^3"}, .diffusion = {"1/4"}},
              well,
              {0, .029779593309, 3.31039406412, 5.51224029789},
              {},
              8},
        Exact{"prinz",
              {.potential = "4*(x^8 + 0.8*exp(-80*x^2) + 0.2*exp(-80*(x-0.5)^2) + "
                            "0.5*exp(-40*(x+0.5)^2))",
               .diffusion = {"1"}},
              {{-1.3, 1.3, 512}},
              {0, 1.1989938519, 7.8885020879, 15.361392817},
              {},
              8},
        Exact{"ring_weak",
              {.drift = {"1 - 0.5*sin(x)"}, .diffusion = {"0.1"}},
              {round_trip},
              {0,
               {.1407019120, .8832444161},
               {.1407019120, .8832444161},
               {.5224709327, 1.8211789301},
               {.5224709327, 1.8211789301}},
              {},
              8},
        Exact{"ring_strong",
              {.drift = {"1 - 1.5*sin(x)"}, .diffusion = {"0.1"}},
              {round_trip},
              {0, {.8821565282, .1319724998}, {.8821565282, .1319724998}},
              {},
              8},
        Exact{"ring_noisy",
              {.drift = {"1 - 0.5*sin(x)"}, .diffusion = {"1"}},
              {round_trip},
              {0, {1.0374229312, .9875351851}, {1.0374229312, .9875351851}},
              {},
              8}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Plane, Promise,
    testing::Values(
        Exact{"E3",
              {.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
              {plane, plane},
              {0, {1, 1}, {1, 1}},
              {},
              2},
        Exact{"E8",
              {.drift = {"y", "-x - y"}, .diffusion = {"0", "0.5"}},
              {plane, plane},
              {0, {.5, fast}, {.5, fast}},
              {.undiffused = "second_order"},
              2},
        Exact{"E8_upwind",
              {.drift = {"y", "-x - y"}, .diffusion = {"0", "0.5"}},
              {plane, plane},
              {0, {.5, fast}, {.5, fast}},
              {},
              2},
        Exact{"E10",
              {.drift = {"0", "0"}, .diffusion = {"1"}},
              {{0, 2 * pi, 48, Boundary::periodic}, {0, 2 * pi, 48, Boundary::periodic}},
              {0, 1, 1, 1, 1, 2, 2, 2, 2},
              {},
              4},
        Exact{"double_well",
              {.drift = {"-4*x^3 + 4*x", "-2*y"}, .diffusion = {"0.25"}},
              {{-2.5, 2.5, 128}, {-2, 2, 96}},
              {0, .0297795933, 2, 2.0297795933, 3.3103940641, 4},
              {},
              4},
        Exact{"triple_well",
              {.potential = "3*exp(-x^2-(y-1/3)^2) - 3*exp(-x^2-(y-5/3)^2) - 5*exp(-(x-1)^2-y^2) "
                            "- 5*exp(-(x+1)^2-y^2) + 0.2*x^4 + 0.2*(y-1/3)^4",
               .noise = {"1.09"}},
              {{-3.2, 3.2, 128}, {-2.8, 3.6, 128}},
              {0, .078825166, .747557243, 3.912805009, 5.26985993},
              {},
              4},
        Exact{"rotated_OU", // 0.8, 0.6: turned by 36.87 degrees, diffusion 1 : 0.04
              {.drift = {"-(0.64+0.36*0.7)*x - 0.3*0.48*y", "-0.3*0.48*x - (0.36+0.64*0.7)*y"},
               .diffusion_matrix = {{"0.64+0.36*0.04", "0.96*0.48"},
                                    {"0.96*0.48", "0.36+0.64*0.04"}}},
              {{-4, 4, 128}, {-3.2, 3.2, 96}},
              {0, .7, 1, 1.4, 1.7},
              {},
              2}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SolverError, bounds_the_true_distance_of_a_coarse_solve) {
  // The discrete rates of E4 are known exactly; a loose tolerance leaves errors to be bounded.
  Case c({.drift = {"0"}, .diffusion = {"0.5"}}, {axis("x", 0, 2, 200)});
  SpectrumInput input;
  input.pairs = 5;
  input.tolerance = 1e-5;
  input.error_estimate = false;
  const Spectrum found = certified_spectrum(c.problem(), input);
  EXPECT_THAT(found.solver_error_basis, HasSubstr("bound"));
  for (std::size_t n = 0; n < 5; ++n) {
    const double exact = 1e4 * (1 - std::cos(pi * static_cast<double>(n) / 200));
    EXPECT_LE(std::abs(found.values[n].real() + exact), found.solver_error[n] + 1e-14 * found.norm);
    EXPECT_LE(found.solver_error[n], found.residuals[n]);
  }
}

TEST(SolverError, of_non_normal_operators_needs_both_vectors) {
  Case c({.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
         {axis("x", -4, 4, 24), axis("y", -4, 4, 24)});
  SpectrumInput input;
  input.pairs = 3;
  input.error_estimate = false;
  EXPECT_THAT(certified_spectrum(c.problem(), input).solver_error_basis,
              HasSubstr("may be larger"));
  input.sides = "both";
  const Spectrum both = certified_spectrum(c.problem(), input);
  EXPECT_THAT(both.solver_error_basis, HasSubstr("condition number"));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_GE(both.solver_error[i], both.residuals[i]);
}

TEST(Inertia, counts_eigenvalues) {
  Case c({.drift = {"0"}, .diffusion = {"0.5"}}, {axis("x", 0, 2, 100)});
  const Mat a = c->symmetrised_entries().matrix.get();
  for (const PetscInt below : {0, 1, 2, 7, 50, 100}) {
    const double border = 2500 * (1 - std::cos(pi * (static_cast<double>(below) - 0.5) / 100));
    const double value = below == 0 ? -1 : below == 100 ? 1e4 : border;
    EXPECT_EQ(linalg::eigenvalues_below(a, value), below);
  }
}

/// Without entry i.
void remove(Spectrum& s, std::size_t i) {
  const auto at = static_cast<std::ptrdiff_t>(i);
  s.values.erase(s.values.begin() + at);
  s.residuals.erase(s.residuals.begin() + at);
  s.solver_error.erase(s.solver_error.begin() + at);
  if (!s.right.empty()) s.right.erase(s.right.begin() + at);
  s.discretisation_error.pop_back();
}

struct Torus {
  const char* name;
  std::vector<PetscInt> cells;
  std::size_t pairs;
};
class Multiplicity : public testing::TestWithParam<Torus> {};

TEST_P(Multiplicity, a_removed_copy_is_noticed) {
  const Torus& t = GetParam();
  const std::vector<std::string> names{"x", "y", "z"};
  std::vector<spaces::Axis> axes;
  std::vector<std::string> drift;
  for (std::size_t k = 0; k < t.cells.size(); ++k) {
    axes.push_back(axis(names[k], 0, 2 * pi, t.cells[k], Boundary::periodic));
    drift.emplace_back("0");
  }
  Case c({.drift = drift, .diffusion = {"0.3"}}, axes);
  SpectrumInput input;
  input.pairs = static_cast<std::int64_t>(t.pairs);
  const Spectrum whole = certified_spectrum(c.problem(), input);
  EXPECT_EQ(whole.missing, 0) << whole.audit;
  EXPECT_THAT(whole.audit, HasSubstr("counted by inertia"));
  // The first copy of the slowest rate is gone: the count sees it, and says where.
  Spectrum cut = spectrum_of(c, input.pairs);
  std::string basis;
  cut.solver_error = solver_errors(c.problem(), cut, basis);
  cut.discretisation_error.assign(cut.values.size(), 0);
  remove(cut, 1);
  const Audit audit = audit_multiplicities(c.problem(), input, cut);
  EXPECT_TRUE(audit.done);
  EXPECT_EQ(audit.missing, 1);
  EXPECT_THAT(audit.text, HasSubstr("1 eigenvalue is missing"));
  EXPECT_NEAR(audit.before, -cut.values[1].real(), 1e-6);
  // Where no factorisation can be afforded a coarser grid, which has it, tells.
  cut.missing = 0;
  cut.audit.clear();
  estimate_grid_errors(c.problem(), input, cut);
  EXPECT_GE(cut.missing, 1);
  EXPECT_THAT(cut.audit, HasSubstr("a copy may be missing"));
}

INSTANTIATE_TEST_SUITE_P(Of, Multiplicity,
                         testing::Values(Torus{"ring", {64}, 5},         // 0, 1 x 2, 4 x 2
                                         Torus{"torus_2d", {24, 24}, 9}, // 0, 1 x 4, 2 x 4
                                         Torus{
                                             "torus_3d", {12, 12, 12}, 9}), // 0, 1 x 6, 2 x 2 of 12
                         [](const auto& info) { return info.param.name; });

TEST(Multiplicity, copies_not_asked_for_are_not_missing) {
  Case c(
      {.drift = {"0", "0"}, .diffusion = {"0.3"}},
      {axis("x", 0, 2 * pi, 24, Boundary::periodic), axis("y", 0, 2 * pi, 24, Boundary::periodic)});
  SpectrumInput input;
  input.pairs = 3;
  const Spectrum found = certified_spectrum(c.problem(), input);
  EXPECT_EQ(found.missing, 0);
  EXPECT_THAT(found.audit, HasSubstr("2 more copies were not asked for"));
}

} // namespace
} // namespace komori::analyses
