/// Spectra against closed forms and independent tables.
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
using support::SdeText;
using Complex = std::complex<double>;

constexpr double pi = std::numbers::pi;

/// Second order, with what the next order still shows on these grids.
void expect_second_order(double coarse, double fine) {
  EXPECT_TRUE(near(support::order(coarse, fine), 2, {0.1, 0}))
      << "errors " << coarse << " and " << fine;
}

TEST(Spectrum, of_the_ornstein_uhlenbeck_process) { // E1
  const auto errors = [](PetscInt cells) {
    Case c({.drift = {"-x"}, .noise = {"1"}}, {axis("x", -5, 5, cells)});
    const std::vector<double> rates = rates_of(c, 4);
    EXPECT_TRUE(near(rates[0], 0, {1e-11, 0})); // rounding of a norm of about 1e3
    return std::array{rates[1] - 1, rates[2] - 2, rates[3] - 3};
  };
  const auto coarse = errors(100);
  const auto fine = errors(200);
  for (std::size_t i = 0; i < 3; ++i) expect_second_order(coarse[i], fine[i]);
}

class Rotation : public testing::TestWithParam<double> {};

TEST_P(Rotation, slowest_first_includes_the_oscillating_modes) { // E3
  const double w = GetParam();
  const auto solve = [&](PetscInt cells) {
    Case c({.drift = {"-x + w*y", "-w*x - y"}, .noise = {"1"}, .parameters = {{"w", w}}},
           {axis("x", -4, 4, cells), axis("y", -4, 4, cells)});
    EXPECT_FALSE(c->reversible());
    return spectrum_of(c, 6).values;
  };
  const std::vector<Complex> fine = solve(48);
  ASSERT_EQ(fine.size(), 6U);
  EXPECT_TRUE(near(fine[0].real(), 0, {1e-11, 0}));
  // 1 +- iw, then 2 and 2 +- 2iw in the order the grid's errors give.
  EXPECT_EQ(fine[2], std::conj(fine[1]));
  EXPECT_TRUE(near(fine[1], Complex(-1, w), 0.02 * w)); // second order
  std::vector<Complex> exact{{-2, 0}, {-2, 2 * w}, {-2, -2 * w}};
  for (const Complex& value : {fine[3], fine[4], fine[5]}) {
    const auto nearest = std::min_element(exact.begin(), exact.end(), [&](Complex a, Complex b) {
      return std::abs(a - value) < std::abs(b - value);
    });
    EXPECT_LE(std::abs(*nearest - value), 0.12 * w) << value; // second order
    exact.erase(nearest);
  }
}

TEST(Spectrum, of_a_rotating_spring_is_second_order) {
  const auto error = [](PetscInt cells) {
    Case c({.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
           {axis("x", -4, 4, cells), axis("y", -4, 4, cells)});
    return std::abs(spectrum_of(c, 2).values[1] - Complex(-1, 1));
  };
  expect_second_order(error(28), error(56));
}

INSTANTIATE_TEST_SUITE_P(Slow, Rotation, testing::Values(1.0));
INSTANTIATE_TEST_SUITE_P(Fast, Rotation, testing::Values(5.0));

TEST(Spectrum, of_a_ring_has_twofold_rates) { // E5
  const auto errors = [](PetscInt cells) {
    Case c({.drift = {"0"}, .diffusion = {"0.3"}},
           {axis("x", 0, 2 * pi, cells, Boundary::periodic)});
    EXPECT_TRUE(c->reversible());
    const std::vector<double> rates = rates_of(c, 5);
    EXPECT_TRUE(near(rates[1], rates[2], {1e-11, 0})); // exactly equal on this grid
    EXPECT_TRUE(near(rates[3], rates[4], {1e-11, 0}));
    return std::array{rates[2] - 0.3, rates[4] - 1.2};
  };
  const auto coarse = errors(40);
  const auto fine = errors(80);
  expect_second_order(coarse[0], fine[0]);
  expect_second_order(coarse[1], fine[1]);
}

TEST(Spectrum, of_a_ring_with_drift) { // E5
  constexpr double v = 1.5;
  const auto solve = [](PetscInt cells) {
    Case c({.drift = {"1.5"}, .diffusion = {"0.3"}},
           {axis("x", 0, 2 * pi, cells, Boundary::periodic)});
    return spectrum_of(c, 5).values;
  };
  const std::vector<Complex> coarse = solve(60);
  const std::vector<Complex> fine = solve(120);
  ASSERT_EQ(fine.size(), 5U);
  for (const std::size_t k : {1U, 2U}) {
    const auto number = static_cast<double>(k);
    const Complex exact(-0.3 * number * number, v * number);
    expect_second_order(std::abs(coarse[2 * k - 1] - exact), std::abs(fine[2 * k - 1] - exact));
  }
}

TEST(Spectrum, of_drift_and_diffusion_between_walls) { // E6
  const auto errors = [](PetscInt cells) {
    Case c({.drift = {"-1"}, .diffusion = {"0.5"}}, {axis("x", 0, 2, cells)});
    const std::vector<double> rates = rates_of(c, 3);
    return std::array{rates[1] - 0.5 - 0.5 * pi * pi / 4, rates[2] - 0.5 - 0.5 * pi * pi};
  };
  const auto coarse = errors(64);
  const auto fine = errors(128);
  expect_second_order(coarse[0], fine[0]);
  expect_second_order(coarse[1], fine[1]);
}

TEST(Spectrum, between_absorbing_walls) { // E7; OU exit rate
  const auto errors = [](PetscInt cells) {
    Case plain({.drift = {"0"}, .noise = {"1"}}, {axis("x", -1, 1, cells, Boundary::absorbing)});
    Case spring({.drift = {"-x"}, .noise = {"1"}}, {axis("x", -2, 2, cells, Boundary::absorbing)});
    return std::array{rates_of(plain, 2)[0] - pi * pi / 8,
                      rates_of(spring, 2)[0] - .0374612092816751605};
  };
  const auto coarse = errors(64);
  const auto fine = errors(128);
  expect_second_order(coarse[0], fine[0]);
  expect_second_order(coarse[1], fine[1]);
}

TEST(Spectrum, of_the_harmonic_klein_kramers_equation) { // E8: .5 +- .8660254i, 1, 1.5 +- .866i
  const auto solve = [](PetscInt cells) {
    Case c({.drift = {"v", "-x - v"}, .diffusion = {"0", "0.5"}},
           {axis("x", -4, 4, cells), axis("v", -4, 4, cells)}, {.undiffused = "second_order"});
    return spectrum_of(c, 4).values;
  };
  const std::vector<Complex> coarse = solve(32);
  const std::vector<Complex> fine = solve(64);
  const Complex exact(-0.5, std::sqrt(0.75));
  EXPECT_TRUE(
      near(support::order(std::abs(coarse[1] - exact), std::abs(fine[1] - exact)), 2, {0.15, 0}));
  EXPECT_TRUE(near(fine[3], -1, 0.02));
}

struct RingRow {
  double w, k, d;
  std::vector<Complex> exact;
};

TEST(Spectrum, of_driven_rings) {
  const std::vector<RingRow> table{
      {1, .5, .1, {{-.1407019120, .8832444161}, {-.5224709327, 1.8211789301}}},
      {1, 1.5, .1, {{-.8821565282, .1319724998}}},
      {1, .5, 1, {{-1.0374229312, .9875351851}}}};
  for (const RingRow& row : table) {
    const auto solve = [&](PetscInt cells) {
      Case c({.drift = {"w - k*sin(x)"},
              .diffusion = {"d"},
              .parameters = {{"w", row.w}, {"k", row.k}, {"d", row.d}}},
             {axis("x", 0, 2 * pi, cells, Boundary::periodic)});
      return spectrum_of(c, 5).values;
    };
    const std::vector<Complex> coarse = solve(150);
    const std::vector<Complex> fine = solve(300);
    for (std::size_t i = 0; i < row.exact.size(); ++i) {
      const std::size_t at = 1 + 2 * i;
      expect_second_order(std::abs(coarse[at] - row.exact[i]), std::abs(fine[at] - row.exact[i]));
      // What is left after extrapolation is of fourth order.
      EXPECT_TRUE(near(extrapolated(coarse[at], fine[at]), row.exact[i], 1e-5));
    }
  }
}

TEST(Spectrum, of_klein_kramers_in_a_double_well) {
  const auto well = [](PetscInt cells) {
    return Case({.drift = {"v", "4*x - 4*x^3 - v"}, .diffusion = {"0", "0.25"}},
                {axis("x", -2.2, 2.2, cells), axis("v", -3.2, 3.2, cells)},
                {.undiffused = "second_order"});
  };
  // The error of the slow rate changes sign near 60 cells and falls at second order from about 200
  // on: 2.5e-4, 9.5e-5, 2.8e-5 on 96, 192, 384.
  Case fine = well(144);
  SpectrumInput input;
  input.pairs = 1;
  input.target = {.word = "", .number = -0.0119};
  const Spectrum slow = compute_spectrum(fine.problem(), input);
  EXPECT_TRUE(near(-slow.values.at(0).real(), .0118571, {2.5e-4, 0}));
  Case coarse = well(64);
  const std::vector<Complex> values = spectrum_of(coarse, 4).values;
  ASSERT_EQ(values.size(), 4U);
  EXPECT_TRUE(near(values[2], {-.72217, 2.53050}, 0.25)); // second order, on a coarse grid
}

TEST(Spectrum, of_the_maier_stein_system) {
  Case c({.drift = {"x - x^3 - 10*x*y^2", "-(1 + x^2)*y"}, .noise = {"0.3"}},
         {axis("x", -1.6, 1.6, 121), axis("y", -1, 1, 81)});
  const std::vector<double> rates = rates_of(c, 4);
  // The same scheme on the same grid, given to nine decimals.
  EXPECT_TRUE(near(rates[1], .034141730, {1e-9, 1e-8}));
  EXPECT_TRUE(near(rates[2], .574548597, {1e-9, 1e-8}));
  EXPECT_TRUE(near(rates[3], 1.107903396, {1e-9, 1e-8}));
}

TEST(Spectrum, of_a_double_well_in_two_dimensions) {
  const auto solve = [](PetscInt cells) {
    Case c({.potential = "(x^2-1)^2 + y^2", .diffusion = {"0.25"}},
           {axis("x", -2.2, 2.2, cells), axis("y", -2, 2, cells)});
    return rates_of(c, 6);
  };
  const std::vector<double> coarse = solve(50);
  const std::vector<double> fine = solve(100);
  const std::vector<double> exact{0, .0297795933, 2, 2.0297795933, 3.3103940641};
  for (std::size_t i = 1; i < exact.size(); ++i) {
    expect_second_order(coarse[i] - exact[i], fine[i] - exact[i]);
    EXPECT_TRUE(near(extrapolated(coarse[i], fine[i]), exact[i], {1e-6, 2e-4})); // fourth order
  }
}

TEST(Spectrum, of_the_triple_well) {
  const auto solve = [](PetscInt cells) {
    Case c({.potential = "3*exp(-x^2-(y-1/3)^2) - 3*exp(-x^2-(y-5/3)^2) - 5*exp(-(x-1)^2-y^2)"
                         " - 5*exp(-(x+1)^2-y^2) + 0.2*x^4 + 0.2*(y-1/3)^4",
            .noise = {"1.09"}},
           {axis("x", -3, 3, cells), axis("y", -2.5, 3.5, cells)});
    return rates_of(c, 5);
  };
  const std::vector<double> coarse = solve(48);
  const std::vector<double> fine = solve(96);
  const std::vector<double> exact{0, .078825166, .747557243, 3.912805009, 5.26985993};
  for (std::size_t i = 1; i < exact.size(); ++i) {
    expect_second_order(coarse[i] - exact[i], fine[i] - exact[i]);
    EXPECT_TRUE(near(extrapolated(coarse[i], fine[i]), exact[i], {1e-8, 1e-4})); // fourth order
  }
}

TEST(Spectrum, of_the_prinz_well) {
  const auto solve = [](PetscInt cells) {
    Case c({.potential = "4*(x^8 + 0.8*exp(-80*x^2) + 0.2*exp(-80*(x-0.5)^2)"
                         " + 0.5*exp(-40*(x+0.5)^2))",
            .diffusion = {"1"}},
           {axis("x", -1.6, 1.6, cells)});
    return rates_of(c, 4);
  };
  const std::vector<double> coarse = solve(256);
  const std::vector<double> fine = solve(512);
  const std::vector<double> exact{0, 1.1989938519, 7.8885020879, 15.361392817};
  for (std::size_t i = 1; i < exact.size(); ++i) {
    expect_second_order(coarse[i] - exact[i], fine[i] - exact[i]);
    EXPECT_TRUE(near(extrapolated(coarse[i], fine[i]), exact[i], {0, 5e-6})); // fourth order
  }
}

TEST(Spectrum, of_metastable_wells_at_three_temperatures) {
  struct Row {
    const char* diffusion;
    std::array<double, 3> exact;
  };
  for (const Row& row : {Row{"1", {.748681672349, 6.00411367085, 11.6606955577}},
                         Row{"1/4", {.029779593309, 3.31039406412, 5.51224029789}},
                         Row{"1/8", {5.71868888e-4, 3.49091197081, 5.42173983634}}}) {
    const auto solve = [&](PetscInt cells) {
      Case c({.potential = "(x^2-1)^2", .diffusion = {row.diffusion}},
             {axis("x", -2.8, 2.8, cells)});
      return rates_of(c, 4);
    };
    const std::vector<double> coarse = solve(256);
    const std::vector<double> fine = solve(512);
    for (std::size_t i = 0; i < 3; ++i) {
      expect_second_order(coarse[i + 1] - row.exact[i], fine[i + 1] - row.exact[i]);
      EXPECT_TRUE(near(extrapolated(coarse[i + 1], fine[i + 1]), row.exact[i], {1e-10, 1e-6}));
    }
  }
}

/// dX = -A X dt + sqrt(2D) dW with A and D diagonal in axes turned by 30 degrees.
SdeText turned_spring(double a1, double a2, double d1, double d2) {
  return {
      .drift = {"-(a1*c^2 + a2*s^2)*x - (a1 - a2)*s*c*y", "-(a1 - a2)*s*c*x - (a1*s^2 + a2*c^2)*y"},
      .parameters =
          {{"c", std::cos(pi / 6)}, {"s", 0.5}, {"a1", a1}, {"a2", a2}, {"d1", d1}, {"d2", d2}},
      .diffusion_matrix = {{"d1*c^2 + d2*s^2", "(d1 - d2)*s*c"},
                           {"(d1 - d2)*s*c", "d1*s^2 + d2*c^2"}}};
}

TEST(FullDiffusion, spectrum_of_a_turned_spring_with_noise_1_to_100) {
  const auto errors = [](PetscInt cells) {
    Case c(turned_spring(1, 0.7, 1, 0.01),
           {axis("x", -6, 6, 4 * cells), axis("y", -4.5, 4.5, 3 * cells)});
    EXPECT_TRUE(c->reversible()) << c->reversible_reason();
    EXPECT_EQ(c->generator().facts.negative, 0);
    const std::vector<double> rates = rates_of(c, 6);
    return std::array{rates[1] - .7, rates[2] - 1, rates[3] - 1.4, rates[4] - 1.7, rates[5] - 2};
  };
  const auto coarse = errors(40);
  const auto fine = errors(80);
  for (std::size_t i = 0; i < fine.size(); ++i) {
    expect_second_order(coarse[i], fine[i]);
    EXPECT_LT(std::abs(fine[i]), 8e-3);
  }
}

TEST(FullDiffusion, spectrum_of_a_driven_process_is_second_order) {
  // B = [[1, 1], [-1, 1]] turns, D does not commute with it: rates and frequencies n (1 +- i).
  const auto error = [](PetscInt cells) {
    Case c({.drift = {"-x - y", "x - y"}, .diffusion_matrix = {{"0.5", "0.3"}, {"0.3", "0.5"}}},
           {axis("x", -5, 5, cells), axis("y", -5, 5, cells)});
    EXPECT_FALSE(c->reversible());
    return std::abs(spectrum_of(c, 2).values[1] - Complex(-1, 1));
  };
  expect_second_order(error(32), error(64));
}

/// u, v, w are the wells' own coordinates; their noise is turned with them.
TEST(FullDiffusion, turning_a_double_well_in_space_leaves_its_spectrum) {
  const auto errors = [](PetscInt cells) {
    const SdeText text{.potential =
                           "((2*x+y+2*z)^2/9 - 1)^2 + ((-2*x+2*y+z)/3)^2/2 + ((-x-2*y+2*z)/3)^2",
                       .diffusion_matrix = {{"3.75/9", "0/9", "-1.5/9"},
                                            {"0/9", "5.25/9", "-1.5/9"},
                                            {"-1.5/9", "-1.5/9", "4.5/9"}}};
    Case c(text,
           {axis("x", -2.7, 2.7, cells), axis("y", -2.7, 2.7, cells), axis("z", -2.7, 2.7, cells)},
           {.face_drift = "simpson"});
    EXPECT_TRUE(c->reversible()) << c->reversible_reason();
    EXPECT_EQ(c->generator().facts.negative, 0);
    const std::vector<double> rates = rates_of(c, 4);
    return std::array{rates[1] - .0297795933, rates[2] - 1, rates[3] - 1.0297795933};
  };
  const auto coarse = errors(18);
  const auto fine = errors(30);
  for (std::size_t i = 0; i < fine.size(); ++i) {
    EXPECT_TRUE(near(support::order(coarse[i], fine[i], 30.0 / 18), 2, {0.35, 0}))
        << i << ": errors " << coarse[i] << " and " << fine[i];
  }
}

} // namespace
} // namespace komori::analyses
