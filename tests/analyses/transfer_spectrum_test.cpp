#include "analyses/transfer_spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyses/transfer_stationary.hpp"
#include "config/reader.hpp"
#include "linalg/filtered_pairs.hpp"
#include "linalg/pair_order.hpp"
#include "models/model.hpp"
#include "spectra.hpp"
#include "transfer_cases.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using operators::UlamInput;
using spaces::Boundary;
using support::near;
using testing::HasSubstr;

TransferSpectrum judged(TransferProblem& problem, std::int64_t pairs,
                        const std::string& sides = "right") {
  TransferSpectrumInput input;
  input.pairs = pairs;
  input.sides = sides;
  TransferSpectrum result = judged_spectrum(problem, input);
  EXPECT_TRUE(result.complete);
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    EXPECT_LE(result.residuals[i], 1e-9 * problem.norm()) << i;
  }
  return result;
}

std::vector<Complex> values(TransferProblem& problem, std::int64_t pairs) {
  TransferSpectrumInput input;
  input.pairs = pairs;
  input.conditions = false;
  return compute_spectrum(problem, input).values;
}

const std::string doubling = "variables: [x], map: [2*x]";
const UlamInput exact{.entries = "exact"};

std::vector<spaces::Axis> circle(PetscInt cells) {
  return {support::axis("x", 0, 1, cells, Boundary::periodic)};
}

TEST(TransferSpectrum, doubling_map_on_odd_grids_has_the_orbits_of_doubling) {
  // 1, and per orbit of length l of k -> 2k modulo N the numbers (1/2) e^(2 pi i m / l).
  MapCase seven(doubling, circle(7), exact);
  const std::vector<Complex> wanted{1,
                                    0.5,
                                    0.5,
                                    {-0.25, 0.433012701892219},
                                    {-0.25, -0.433012701892219},
                                    {-0.25, 0.433012701892219},
                                    {-0.25, -0.433012701892219}};
  const TransferSpectrum found = judged(*seven, 7, "both");
  ASSERT_EQ(found.values.size(), 7);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_TRUE(near(found.values[i], wanted[i], 1e-12)) << i;
    // Well conditioned, but another grid has others: no property of the map.
    EXPECT_LT(found.condition[i], 3) << i;
    EXPECT_EQ(found.verdicts[i], i == 0 ? "converged" : "suspect");
  }
  MapCase fifteen(doubling, circle(15), exact);
  const std::vector<Complex> half = values(*fifteen, 15);
  ASSERT_EQ(half.size(), 15);
  for (std::size_t i = 1; i < 15; ++i) {
    EXPECT_TRUE(near(std::abs(half[i]), 0.5, {1e-12, 0}));
  }
}

TEST(TransferSpectrum, nilpotent_matrices_report_no_decay_rate) {
  for (const PetscInt cells : {8, 64, 1024, 4096}) {
    MapCase c(doubling, circle(cells), exact);
    const TransferSpectrum found = judged(*c, std::min<std::int64_t>(8, cells));
    ASSERT_GE(found.values.size(), 2);
    EXPECT_TRUE(near(found.values[0], Complex(1), 1e-12));
    EXPECT_EQ(found.verdicts[0], "converged");
    EXPECT_TRUE(near(found.rates[0], 0, {1e-12, 0}));
    for (std::size_t i = 1; i < found.values.size(); ++i) {
      EXPECT_TRUE(std::isnan(found.rates[i])) << cells << ": " << found.values[i];
      EXPECT_EQ(found.verdicts[i], "suspect") << cells << ": " << found.values[i];
    }
  }
}

TEST(TransferSpectrum, what_a_leak_leaves_nilpotent_reports_no_decay_rate) {
  // Slope 3, a third escapes: piecewise constant densities of 3^4 cells have 2/3, and 0 four times
  // in a chain, which rounding makes 1e-4, at other places for either side.
  MapCase c("variables: [x], map: ['3*min(x,1-x)']", {support::axis("x", 0, 1, 81)},
            {.entries = "exact", .outside = "leak"});
  for (const std::int64_t pairs : {3, 5}) {
    const TransferSpectrum found = judged(*c, pairs, "both");
    EXPECT_TRUE(near(found.values[0], Complex(2.0 / 3), 1e-12));
    EXPECT_EQ(found.verdicts[0], "converged");
    for (std::size_t i = 1; i < found.values.size(); ++i) {
      EXPECT_TRUE(std::isnan(found.rates[i])) << found.values[i];
      EXPECT_EQ(found.verdicts[i], "suspect") << found.values[i];
    }
  }
}

TEST(TransferSpectrum, phases_are_decided_by_the_first_of_the_largest_cells) {
  MapCase c("variables: [x], map: [x + 0.3], noise: {kind: gaussian, sigma: 0.1}", circle(50),
            {.samples = 4});
  const TransferSpectrum found = judged(*c, 3, "both");
  ASSERT_EQ(found.values.size(), 3);
  for (const auto* const side : {&found.right, &found.left}) {
    const std::vector<double> re = support::gathered(c->grid(), (*side)[1].get());
    const std::vector<double> im = support::gathered(c->grid(), (*side)[2].get());
    const double size = std::hypot(re[0], im[0]);
    EXPECT_TRUE(near(re[0], size, {1e-9 * size, 0}));
    EXPECT_TRUE(near(im[0], 0, {1e-9 * size, 0}));
  }
  // The eigenvalue 1 has no time scale, whatever rounding makes of it.
  EXPECT_TRUE(std::isnan(found.time_scales[0]));
  EXPECT_TRUE(near(found.time_scales[1], 1 / (2 * 9.8696044 * 0.01), {0, 1e-2}));
}

TEST(TransferSpectrum, noisy_logistic_map) {
  const std::string model = "variables: [x], map: [4*x*(1-x)], noise: {kind: cosine, power: 20}";
  const std::vector<Complex> exact_values{1,
                                          {-0.193338062516, 0.190943001611},
                                          {-0.193338062516, -0.190943001611},
                                          -0.0266545927,
                                          0.0221187599,
                                          0.0053416873};
  MapCase coarse(model, circle(192), {.samples = 4});
  MapCase fine(model, circle(384), {.samples = 4});
  const std::vector<Complex> h = values(*coarse, 6);
  const TransferSpectrum half = judged(*fine, 6);
  ASSERT_GE(h.size(), 6);
  for (std::size_t i = 0; i < 6; ++i) {
    // The rest is of fourth order in cells of 1/384.
    EXPECT_TRUE(near(extrapolated(h[i], half.values[i]), exact_values[i], 2e-7)) << i;
    EXPECT_EQ(half.verdicts[i], "converged");
    const double error = std::abs(half.values[i] - exact_values[i]);
    if (i == 0) continue;
    EXPECT_TRUE(near(half.discretisation_error[i], error, {1e-8, 0.1})) << i;
  }
}

TEST(TransferSpectrum, logistic_map_by_exact_entries) {
  const std::string model = "variables: [x], map: [4*x*(1-x)]";
  MapCase small(model, {support::axis("x", 0, 1, 64)}, exact);
  EXPECT_TRUE(near(values(*small, 2)[1], Complex(-0.59099447), 1e-8));
  MapCase large(model, {support::axis("x", 0, 1, 1024)}, exact);
  const std::vector<Complex> found = values(*large, 4);
  EXPECT_TRUE(near(found[1], Complex(-0.59026530), 1e-8));
  EXPECT_TRUE(near(found[2], Complex(0.32820022, 0.45311319), 2e-8));
}

TEST(TransferSpectrum, chirikov_map) {
  const std::string model = "variables: [x, y], parameters: {K: 0.971635406}, "
                            "map: [x + y + K/(2*pi)*sin(2*pi*x), y + K/(2*pi)*sin(2*pi*x)]";
  const auto square = [](PetscInt n) {
    return std::vector<spaces::Axis>{support::axis("x", 0, 1, n, Boundary::periodic),
                                     support::axis("y", 0, 1, n, Boundary::periodic)};
  };
  for (const auto& [n, wanted] :
       {std::pair(32, std::array{1.0, 0.99649226, 0.98936614, 0.98583622}),
        std::pair(64, std::array{1.0, 0.99879946, 0.99706796, 0.99577335})}) {
    MapCase c(model, square(n));
    const std::vector<Complex> found = values(*c, 4);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(near(found[i], Complex(wanted[i]), 1e-8)) << i;
  }
}

TEST(TransferSpectrum, filtering_sets_apart_what_crowds_next_to_one) {
  // What large grids take where products alone do not end: the Chirikov map on 64 x 64 cells again.
  const std::vector<spaces::Axis> square{support::axis("x", 0, 1, 64, Boundary::periodic),
                                         support::axis("y", 0, 1, 64, Boundary::periodic)};
  MapCase c("variables: [x, y], parameters: {K: 0.971635406}, "
            "map: [x + y + K/(2*pi)*sin(2*pi*x), y + K/(2*pi)*sin(2*pi*x)]",
            square);
  base::Log silent(test_session().comm());
  silent.set_level(base::Log::Level::quiet);
  const std::vector<double> exact_values{1, 0.99879946, 0.99706796, 0.99577335};
  for (const Mat matrix : {c->matrix(), c->transposed()}) {
    linalg::EigenPairs pairs = linalg::pairs_next_to_one(
        matrix, 20, {.pairs = 6, .tolerance = 1e-10, .prefix = "spectrum_"}, silent);
    linalg::sort_units(pairs, linalg::slower_step);
    ASSERT_GE(pairs.values.size(), 4);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_TRUE(near(pairs.values[i], Complex(exact_values[i]), 1e-8)) << i;
      EXPECT_LE(pairs.residuals[i], 1e-9) << i;
      EXPECT_NEAR(base::norm2(pairs.vectors[i].get()), 1, 1e-12) << i;
    }
  }
}

TEST(TransferSpectrum, the_stationary_density_of_many_cells_takes_powers) {
  // Of 150 x 150 cells more crowd next to 1 than products alone set apart.
  const std::vector<spaces::Axis> square{support::axis("x", 0, 1, 150, Boundary::periodic),
                                         support::axis("y", 0, 1, 150, Boundary::periodic)};
  MapCase c("variables: [x, y], parameters: {K: 0.971635406}, "
            "map: [x + y + K/(2*pi)*sin(2*pi*x), y + K/(2*pi)*sin(2*pi*x)]",
            square, {.samples = 10});
  const LeadingDensity found = leading_density(*c, {.tolerance = 1e-10, .observables = {}});
  EXPECT_THAT(found.method, HasSubstr("powers of (1 + P) / 2"));
  EXPECT_TRUE(near(found.eigenvalue, 1, {1e-11, 0}));
  EXPECT_EQ(found.multiplicity, 1);
  EXPECT_LE(found.residual, 1e-7); // a sum over 150^2 cells
  EXPECT_GT(found.minimum, 0);
  EXPECT_TRUE(near(base::dot(found.density.get(), c->volumes()), 1, {1e-12, 0}));
  // The map keeps areas: the density is 1 but for what 100 points per cell make of it.
  const std::vector<double> density = support::gathered(c->grid(), found.density.get());
  double square_error = 0;
  for (const double value : density) square_error += (value - 1) * (value - 1);
  EXPECT_LT(std::sqrt(square_error / static_cast<double>(density.size())), 0.2);
}

TEST(TransferSpectrum, rotation_with_noise) {
  const std::string model = "variables: [x], map: [x + 0.3], noise: {kind: gaussian, sigma: 0.1}, "
                            "lag: 2";
  MapCase coarse(model, circle(64), {.samples = 2});
  MapCase fine(model, circle(128), {.samples = 2});
  const std::vector<Complex> h = values(*coarse, 5);
  const TransferSpectrum half = judged(*fine, 5);
  for (std::size_t i = 1; i < 5; ++i) {
    const double k = i < 3 ? 1 : 2;
    const double size = std::exp(-2 * std::pow(std::numbers::pi * k * 0.1, 2));
    Complex wanted = std::polar(size, 2 * std::numbers::pi * k * 0.3);
    if ((wanted.imag() > 0) != (i % 2 == 1)) wanted = std::conj(wanted);
    EXPECT_TRUE(near(extrapolated(h[i], half.values[i]), wanted, 1e-5)) << i;
    EXPECT_TRUE(near(half.rates[i], -std::log(size) / 2, {1e-12, 0.01}));
    EXPECT_TRUE(near(half.condition[i], 1, {1e-8, 0})); // a normal matrix
  }
}

TEST(TransferSpectrum, autoregression) {
  const std::string model = "variables: [x], map: [0.6*x], noise: {kind: gaussian, sigma: 0.5}";
  const auto grid = [](PetscInt n) {
    return std::vector<spaces::Axis>{support::axis("x", -10.5, 10.5, n)};
  };
  MapCase coarse(model, grid(200), {.samples = 3});
  MapCase fine(model, grid(400), {.samples = 3});
  const std::vector<Complex> h = values(*coarse, 5);
  const std::vector<Complex> half = values(*fine, 5);
  for (int i = 0; i < 5; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_TRUE(near(extrapolated(h[at], half[at]), Complex(std::pow(0.6, i)), 2e-5)) << i;
  }
}

TEST(TransferSpectrum, noisy_layer_and_gradient_steps) {
  struct Noisy {
    std::string model;
    double reach;
    std::vector<double> wanted;
  };
  const std::string step = "variables: [x], map: ['x - eta*4*x*(x^2-1)'], noise: {kind: gaussian, "
                           "sigma: sqrt(2*eta*0.25)}, parameters: {eta: ";
  for (const Noisy& c :
       {Noisy{"variables: [x], map: [tanh(2*x)], noise: {kind: gaussian, sigma: 0.3}",
              3.6,
              {1, 0.990307251931, 0.534821663911, 0.323774933602, 0.185087821211}},
        Noisy{step + "0.05}", 2.7, {1, 0.998364749468, 0.850461561047, 0.747161031852}},
        Noisy{step + "0.01}", 2.7, {1, 0.999698718372, 0.967598405277}}}) {
    const auto grid = [&](PetscInt n) {
      return std::vector<spaces::Axis>{support::axis("x", -c.reach, c.reach, n)};
    };
    MapCase coarse(c.model, grid(300), {.samples = 4});
    MapCase fine(c.model, grid(600), {.samples = 4});
    const auto pairs = static_cast<std::int64_t>(c.wanted.size());
    const std::vector<Complex> h = values(*coarse, pairs);
    const std::vector<Complex> half = values(*fine, pairs);
    for (std::size_t i = 0; i < c.wanted.size(); ++i) {
      EXPECT_TRUE(near(extrapolated(h[i], half[i]), Complex(c.wanted[i]), 2e-6)) << i;
    }
  }
}

TEST(TransferSpectrum, hypercube_and_torus_have_multiple_eigenvalues) {
  const std::size_t n = 64; // {0,1}^6 at unit rates: 2k with multiplicity C(6, k)
  std::vector<std::vector<double>> cube(n, std::vector<double>(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) {
    cube[i][i] = -6;
    for (std::size_t k = 0; k < 6; ++k) cube[i][i ^ (1U << k)] = 1;
  }
  ChainCase hypercube(cube);
  const TransferSpectrum found = judged(*hypercube, 22);
  ASSERT_GE(found.values.size(), 22);
  for (std::size_t i = 0; i < 22; ++i) {
    const double wanted = i == 0 ? 0 : i < 7 ? 2 : 4;
    EXPECT_TRUE(near(found.rates[i], wanted, {1e-9, 0})) << i;
    EXPECT_EQ(found.verdicts[i], "converged") << i;
  }
  const std::size_t m = 7; // Z_7^2 at rate 1
  std::vector<std::vector<double>> ring(m * m, std::vector<double>(m * m, 0.0));
  for (std::size_t i = 0; i < m * m; ++i) {
    const std::size_t a = i / m;
    const std::size_t b = i % m;
    ring[i][i] = -4;
    for (const std::size_t step : {std::size_t{1}, m - 1}) {
      ring[i][(a + step) % m * m + b] += 1;
      ring[i][a * m + (b + step) % m] += 1;
    }
  }
  ChainCase torus(ring);
  const double one = 2 * (1 - std::cos(2 * std::numbers::pi / 7));
  const TransferSpectrum modes = judged(*torus, 9);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_TRUE(near(modes.rates[i], i == 0 ? 0 : i < 5 ? one : 2 * one, {1e-9, 0})) << i;
  }
}

const std::vector<std::vector<double>> twelve_states{
    {0, .8, .2, 0, 0, 0, 0, 0, 0, 0, 0, 0},     {.2, 0, .6, .2, 0, 0, 0, 0, 0, 0, 0, 0},
    {.6, .2, 0, .2, 0, 0, 0, 0, 0, 0, 0, 0},    {0, .05, .05, 0, .6, .3, 0, 0, 0, 0, 0, 0},
    {0, 0, 0, .25, 0, .25, .4, 0, 0, .1, 0, 0}, {0, 0, 0, .25, .25, 0, .1, 0, 0, .4, 0, 0},
    {0, 0, 0, 0, .05, .05, 0, .7, .2, 0, 0, 0}, {0, 0, 0, 0, 0, 0, .2, 0, .8, 0, 0, 0},
    {0, 0, 0, 0, 0, 0, .8, .2, 0, 0, 0, 0},     {0, 0, 0, 0, .05, .05, 0, 0, 0, 0, .7, .2},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, .2, 0, .8},     {0, 0, 0, 0, 0, 0, 0, 0, 0, .8, .2, 0}};

TEST(TransferSpectrum, twelve_states_without_detailed_balance) {
  ChainCase chain(twelve_states);
  const TransferSpectrum found = judged(*chain, 12, "both");
  const std::vector<Complex> wanted{1,
                                    0.965542929702337,
                                    0.884042792993727,
                                    {-0.482771464851169, 0.489085740769071},
                                    {-0.49366904637718, 0.473927878052129},
                                    0.588536558884235};
  ASSERT_EQ(found.values.size(), 12);
  for (const Complex& value : wanted) {
    const bool there = std::any_of(found.values.begin(), found.values.end(),
                                   [&](Complex other) { return std::abs(other - value) < 1e-12; });
    EXPECT_TRUE(there) << value;
  }
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(found.verdicts[i], "converged") << i;
}

TEST(TransferSpectrum, pairs_near_a_target_and_by_inversion) {
  ChainCase chain(twelve_states);
  TransferSpectrumInput input;
  input.pairs = 2;
  input.target = {"", 0.9};
  const std::vector<Complex> near_target = compute_spectrum(*chain, input).values;
  EXPECT_TRUE(near(near_target[0], Complex(0.884042792993727), 1e-12));
  EXPECT_TRUE(near(near_target[1], Complex(0.965542929702337), 1e-12));
  input.target = {"slowest", 0};
  input.solver = "direct";
  const TransferSpectrum inverted = compute_spectrum(*chain, input);
  EXPECT_TRUE(near(inverted.values[1], Complex(0.965542929702337), 1e-12));
  EXPECT_EQ(inverted.coverage, ""); // all twelve were looked at
  MapCase layer("variables: [x], map: [tanh(2*x)], noise: {kind: gaussian, sigma: 0.3}",
                {support::axis("x", -3.6, 3.6, 100)});
  input.pairs = 3;
  const TransferSpectrum near_one = compute_spectrum(*layer, input);
  EXPECT_THAT(near_one.coverage, testing::HasSubstr("complete for eigenvalues within"));
  input.solver = "iterative";
  const TransferSpectrum by_products = compute_spectrum(*layer, input);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(near(near_one.values[i], by_products.values[i], 1e-9)) << i;
  }
}

TEST(TransferSpectrum, of_steps_that_permute_cells) {
  // Turned by s of n cells: gcd(n, s) rings, each with the roots of unity of its length. All moduli
  // are the same, so that the order is that of real parts.
  struct Turn {
    std::int64_t cells, by, pairs;
  };
  for (const auto& [cells, by, pairs] :
       {Turn{600, 0, 10}, {600, 300, 6}, {90, 10, 14}, {30, 1, 7}, {60, 12, 24}, {40, 20, 25}}) {
    MapCase turn(fmt::format("variables: [x], map: [x + {}/{}]", by, cells),
                 circle(static_cast<PetscInt>(cells)), {.samples = 1});

    const TransferSpectrum found = judged(*turn, pairs, "both");

    const std::int64_t rings = std::gcd(cells, by);
    std::vector<double> wanted;
    for (std::int64_t i = 0; i < cells; ++i) {
      wanted.push_back(std::cos(2 * std::numbers::pi * static_cast<double>(i / rings) /
                                static_cast<double>(cells / rings)));
    }
    std::sort(wanted.begin(), wanted.end(), std::greater<>());
    ASSERT_GE(found.values.size(), static_cast<std::size_t>(pairs));
    for (std::size_t i = 0; i < found.values.size(); ++i) {
      EXPECT_TRUE(near(found.values[i].real(), wanted[i], {1e-10, 0}))
          << cells << " " << by << " " << i;
      EXPECT_TRUE(near(std::abs(found.values[i]), 1, {1e-10, 0}));
      EXPECT_LE(found.condition[i], 1 + 1e-6); // a permutation is normal
    }
    EXPECT_EQ(found.parts, rings >= pairs ? rings : 1);
    const auto known = std::min<std::size_t>(static_cast<std::size_t>(rings), found.values.size());
    for (std::size_t i = 0; i < known; ++i) EXPECT_EQ(found.verdicts[i], "converged") << i;
  }
}

TEST(TransferSpectrum, parts_that_never_meet_have_a_pair_each) {
  // {0, 2} and {1, 3, 4}, of which 4 leads into {1, 3}.
  ChainCase chain({{.5, 0, .5, 0, 0},
                   {0, .25, 0, .75, 0},
                   {.25, 0, .75, 0, 0},
                   {0, .75, 0, .25, 0},
                   {0, .5, 0, 0, .5}});

  const TransferSpectrum found = judged(*chain, 2, "both");

  EXPECT_EQ(found.parts, 2);
  const auto of = [](double tolerance, const std::vector<double>& numbers) {
    return testing::Pointwise(testing::DoubleNear(tolerance), numbers);
  };
  const auto side = [&](const std::vector<base::UniqueVec>& vectors, std::size_t i) {
    return support::gathered((*chain).grid(), vectors[i].get());
  };
  EXPECT_THAT(side(found.right, 0), of(1e-12, {1, 0, 1, 0, 0}));
  EXPECT_THAT(side(found.right, 1), of(1e-12, {0, 1, 0, 1, 1}));
  EXPECT_THAT(side(found.left, 0), of(1e-10, {1. / 3, 0, 2. / 3, 0, 0}));
  EXPECT_THAT(side(found.left, 1), of(1e-10, {0, .5, 0, .5, 0}));
  for (const std::string& verdict : found.verdicts) EXPECT_EQ(verdict, "converged");
  // Rates likewise.
  ChainCase rates({{-1, 1, 0}, {2, -2, 0}, {0, 0, 0}});
  const TransferSpectrum slow = judged(*rates, 2, "both");
  EXPECT_EQ(slow.values[0], Complex(0));
  EXPECT_EQ(slow.values[1], Complex(0));
  EXPECT_THAT(support::gathered((*rates).grid(), slow.left[0].get()),
              of(1e-10, {2. / 3, 1. / 3, 0}));
}

TEST(TransferStationary, five_states) {
  const std::vector<std::vector<double>> p{{.8, .15, .05, 0, 0},
                                           {.1, .75, .05, .05, .05},
                                           {.05, .1, .8, 0, .05},
                                           {0, .2, 0, .8, 0},
                                           {0, .02, .02, 0, .96}};
  ChainCase chain(p);
  const LeadingDensity found = leading_density(*chain, {});
  EXPECT_TRUE(near(found.eigenvalue, 1, support::round_off));
  EXPECT_LT(found.residual, 1e-12);
  EXPECT_EQ(found.multiplicity, 1);
  const std::vector<double> pi = support::gathered((*chain).grid(), found.density.get());
  double sum = 0;
  for (std::size_t j = 0; j < 5; ++j) {
    double image = 0;
    for (std::size_t i = 0; i < 5; ++i) image += pi[i] * p[i][j];
    EXPECT_TRUE(near(image, pi[j], support::round_off)) << j;
    sum += pi[j];
  }
  EXPECT_TRUE(near(sum, 1, support::round_off));
}

TEST(TransferStationary, a_periodic_chain_and_one_in_two_parts) {
  ChainCase cycle({{0, 1, 0}, {0, 0, 1}, {1, 0, 0}}); // 1 and two roots of unity
  const LeadingDensity uniform = leading_density(*cycle, {});
  for (const double share : support::gathered((*cycle).grid(), uniform.density.get())) {
    EXPECT_TRUE(near(share, 1.0 / 3, {1e-12, 0}));
  }
  EXPECT_EQ(uniform.multiplicity, 1);
  ChainCase parts({{0.5, 0.5, 0, 0}, {0.5, 0.5, 0, 0}, {0, 0, 0.1, 0.9}, {0, 0, 0.9, 0.1}});
  EXPECT_EQ(leading_density(*parts, {}).multiplicity, 2);
}

TEST(TransferStationary, of_more_parts_than_are_looked_for_is_that_of_even_mass) {
  // Pairs of cells that trade places: even mass stays even, whatever rounding made of the volumes.
  MapCase flip("variables: [x], map: [1 - x]", {support::axis("x", 0, 1, 3000)}, {.samples = 1});
  const LeadingDensity even = leading_density(*flip, {});
  EXPECT_EQ(even.parts, 1500);
  EXPECT_TRUE(near(even.minimum, 1, {1e-10, 0}));
  // Columns that never meet, nor do their halves: each comes to the middle.
  MapCase down("variables: [x, y], map: [x, y/4]",
               {support::axis("x", 0, 1, 600), support::axis("y", -1, 1, 4)}, {.samples = 2});
  const LeadingDensity flat = leading_density(*down, {});
  EXPECT_EQ(flat.parts, 1200);
  const std::vector<double> found = support::gathered(down->grid(), flat.density.get());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(near(found[i], i % 4 == 1 || i % 4 == 2 ? 1 : 0, {1e-9, 0})) << i;
  }
}

TEST(TransferStationary, escape_from_an_open_map) {
  // The middle third leaves: two of three parts stay, and the conditional density stays uniform.
  MapCase open("variables: [x], map: ['x < 1/3 ? 3*x : (x > 2/3 ? 3*x - 2 : 2)']",
               {support::axis("x", 0, 1, 27)}, {.entries = "exact", .outside = "leak"});
  EXPECT_FALSE(open->closed());
  const LeadingDensity found = leading_density(*open, {});
  EXPECT_TRUE(near(found.eigenvalue, 2.0 / 3, {1e-12, 0}));
  for (const double density : support::gathered(open->grid(), found.density.get())) {
    EXPECT_TRUE(near(density, 1, {1e-10, 0}));
  }
  const TransferSpectrum pairs = judged(*open, 1);
  EXPECT_TRUE(near(pairs.rates[0], std::log(1.5), {1e-12, 0}));
}

} // namespace
} // namespace komori::analyses
