#include "analyses/memory.hpp"

#include <cmath>
#include <functional>
#include <numbers>

#include <Eigen/Dense>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unsupported/Eigen/MatrixFunctions>

#include "analyses/memory_systems.hpp"
#include "config/reader.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using support::near;

MemoryResult memory_of(const std::string& yaml) {
  const auto input = config::read<MoriZwanzigInput>(config::parse(yaml, "a.yaml"));
  MemoryStudy study(test_session(), input);
  study.require_sound();
  return study.compute();
}

const std::string lumped = "model: {kind: chain, matrix: [[0.7, 0.2, 0.1, 0], [0.2, 0.7, 0, 0.1], "
                           "[0.1, 0, 0.8, 0.1], [0, 0.1, 0.1, 0.8]]}\n";

TEST(Memory, exactly_lumpable_chain_has_none_although_rates_exist) {
  const MemoryResult found = memory_of(
      lumped + "projection: {kind: sets, sets: [[0, 1], [2, 3]]}\nmemory: {lags: 6, rates: 4}");
  ASSERT_EQ(found.omega.size(), 7);
  EXPECT_TRUE(near(found.omega[0](0, 0), 0.9, {1e-13, 0}));
  EXPECT_TRUE(near(found.omega[0](0, 1), 0.1, {1e-13, 0}));
  for (std::size_t l = 1; l < found.omega.size(); ++l) EXPECT_LT(found.omega[l].norm(), 1e-14);
  ASSERT_EQ(found.modes.size(), 2); // all there are
  EXPECT_TRUE(near(found.modes[0].value.real(), 0.741421356237310, {1e-12, 0}));
  EXPECT_TRUE(near(found.modes[1].value.real(), 0.458578643762690, {1e-12, 0}));
  for (const MemoryMode& mode : found.modes) {
    EXPECT_FALSE(mode.visible);
    EXPECT_EQ(mode.verdict, "converged");
  }
  EXPECT_EQ(found.verdict, "no memory");
  EXPECT_LT(found.identity_error, 1e-13);
}

TEST(Memory, of_what_never_changes_is_none) {
  const MemoryResult found =
      memory_of("model: {kind: sde, variables: [x, y], potential: (x^2-1)^2 + 2*(y-x)^2, "
                "diffusion: 0.5}\n"
                "grid: {x: {from: -2, to: 2, cells: 12}, y: {from: -3, to: 3, cells: 12}}\n"
                "projection: {kind: sets, sets: [x < 9]}\n"
                "memory: {times: {to: 2, steps: 8}, rates: 3}");
  EXPECT_EQ(found.verdict, "no memory");
  for (const MemoryMode& mode : found.modes) EXPECT_FALSE(mode.visible);
}

TEST(Memory, hundreds_of_lags_are_cut_at_some_of_them) {
  const MemoryResult found =
      memory_of(lumped + "projection: {kind: sets, sets: [[0], [1, 2, 3]]}\nmemory: {lags: 400}");
  ASSERT_EQ(found.omega.size(), 401);
  EXPECT_EQ(found.truncation_lags.front(), 0);
  EXPECT_EQ(found.truncation_lags[40], 40);
  EXPECT_EQ(found.truncation_lags.back(), 400);
  EXPECT_LT(found.truncation_lags.size(), 100);
  EXPECT_LT(found.truncation_error.back(), 1e-12);
  EXPECT_LT(found.identity_error, 1e-12);
}

TEST(Memory, second_order_autoregression_seen_through_its_value) {
  // x' = x/2 + 3z/10 + xi, z' = x: Omega_0 = 5/7, Omega_k = (36/245) (-3/14)^(k-1).
  const MemoryResult found = memory_of(
      "model: {kind: map, variables: [x, z], map: [0.5*x + 0.3*z, x], noise: {kind: gaussian, "
      "sigma: [0.6, 0]}}\n"
      "grid: {x: {from: -8, to: 8, cells: 32}, z: {from: -8, to: 8, cells: 32}}\n"
      "ulam: {samples: 4, outside: leak}\n"
      "projection: {kind: observables, observables: [x]}\nmemory: {lags: 6, rates: 2}");
  // Cells integrate a Gaussian with an error that is exponentially small, and 1e-23 of it leaves.
  EXPECT_TRUE(near(found.omega[0](0, 0), 5.0 / 7, {1e-12, 0}));
  for (int k = 1; k <= 6; ++k) {
    EXPECT_TRUE(near(found.omega[static_cast<std::size_t>(k)](0, 0),
                     36.0 / 245 * std::pow(-3.0 / 14, k - 1), {1e-12, 1e-9}));
  }
  EXPECT_LT(found.identity_error, 1e-12);
  for (const MemoryMode& mode : found.modes) EXPECT_FALSE(mode.visible); // even functions of x, z
  EXPECT_EQ(found.verdict, "faster than the rates asked for");
}

/// x' = -a x + b y, y' = -c x - d y with <xy> = 0 at rest: K = b c exp(-d t).
MemoryResult linear(int cells, double a, double b, double c, double d,
                    const std::string& observables = "[x]") {
  return memory_of(
      fmt::format("model: {{kind: sde, variables: [x, y], drift: ['{}*x + {}*y', '{}*x + {}*y'], "
                  "diffusion: ['{}', '{}']}}\n",
                  -a, b, -c, -d, a, d * c / b) +
      fmt::format("grid: {{x: {{from: -5, to: 5, cells: {0}}}, y: {{from: -5, to: 5, cells: "
                  "{0}}}}}\n",
                  cells) +
      "projection: {kind: observables, observables: " + observables +
      "}\nmemory: {times: {to: 3, steps: 30}, rates: 3}");
}

TEST(Memory, linear_system_has_the_kernel_of_its_hidden_variable) {
  double before = 0;
  double rate_before = 0;
  for (const int cells : {24, 48}) {
    const MemoryResult found = linear(cells, 1, 1.5, 1.5, 2);
    double error = 0;
    for (std::size_t i = 0; i < found.times.size(); ++i) {
      error =
          std::max(error, std::abs(found.kernel[i](0, 0) - 2.25 * std::exp(-2 * found.times[i])));
    }
    EXPECT_LT(found.identity_error, 1e-10);
    EXPECT_LT(*std::max_element(found.gme_error.begin(), found.gme_error.end()), 1e-8);
    double rate = 1e9;
    for (const MemoryMode& mode : found.modes) {
      if (mode.visible && mode.strength > 0.5) rate = std::min(rate, std::abs(mode.rate - 2));
    }
    if (before > 0) {
      EXPECT_LT(error, 0.3 * before);
      EXPECT_LT(rate, 0.3 * rate_before);
    }
    before = error;
    rate_before = rate;
  }
  EXPECT_LT(before, 0.05);
}

/// x' = B x with noise that makes the covariance 1, seen through c . x: of linear functions L is
/// B^T, so that K(t) is a formula of matrices, and so are the rates.
struct LinearSystem {
  Eigen::MatrixXd drift;
  Eigen::VectorXd seen;

  /// The orthogonal dynamics Q B^T Q.
  Eigen::MatrixXd orthogonal() const {
    const Eigen::MatrixXd q = complement();
    return q * drift.transpose() * q;
  }
  double kernel(double t) const {
    const Eigen::MatrixXd l = drift.transpose();
    const Eigen::VectorXd force = complement() * l * seen;
    return -seen.dot(l * ((orthogonal() * t).exp() * force)) / seen.squaredNorm();
  }

private:
  Eigen::MatrixXd complement() const {
    const auto n = seen.size();
    return Eigen::MatrixXd::Identity(n, n) - seen * seen.transpose() / seen.squaredNorm();
  }
};

/// Errors of the kernel and of the slowest visible rate on a grid.
std::pair<double, double> errors_of(const LinearSystem& system, int cells, double half) {
  const auto n = system.seen.size();
  const Eigen::MatrixXd noise = -0.5 * (system.drift + system.drift.transpose());
  std::string names;
  std::string drift;
  std::string diffusion;
  std::string grid;
  std::string seen;
  const auto name = [](Eigen::Index i) { return fmt::format("x{}", i); };
  for (Eigen::Index i = 0; i < n; ++i) {
    const char* comma = i ? ", " : "";
    std::string row;
    for (Eigen::Index j = 0; j < n; ++j) {
      row += fmt::format("{}({})*{}", j ? " + " : "", system.drift(i, j), name(j));
    }
    names += comma + name(i);
    drift += fmt::format("{}'{}'", comma, row);
    diffusion += fmt::format("{}'{}'", comma, noise(i, i));
    grid +=
        fmt::format("{}{}: {{from: {}, to: {}, cells: {}}}", comma, name(i), -half, half, cells);
    seen += fmt::format("{}({})*{}", i ? " + " : "", system.seen[i], name(i));
  }
  const MemoryResult found = memory_of(
      "model: {kind: sde, variables: [" + names + "], drift: [" + drift + "], diffusion: [" +
      diffusion + "]}\ngrid: {" + grid + "}\nprojection: {kind: observables, observables: ['" +
      seen + "']}\nmemory: {times: {to: 2, steps: 8}, rates: 2, tolerance: 1e-8}");
  EXPECT_LT(found.identity_error, 1e-9);
  double error = 0;
  for (std::size_t i = 0; i < found.times.size(); ++i) {
    error = std::max(error, std::abs(found.kernel[i](0, 0) - system.kernel(found.times[i])));
  }
  const Eigen::VectorXcd exact = system.orthogonal().eigenvalues();
  double apart = 1e9;
  for (const MemoryMode& mode : found.modes) {
    if (!mode.visible || mode.strength < 1e-3) continue;
    for (const std::complex<double>& value : exact) {
      apart = std::min(apart, std::abs(mode.value - value));
    }
  }
  return {error, apart};
}

TEST(Memory, linear_systems_of_any_dimension_seen_through_any_linear_observable) {
  LinearSystem plane{Eigen::MatrixXd(2, 2), Eigen::VectorXd(2)};
  plane.drift << -1, 0.8, -0.8, -2;
  plane.seen << 1, 0.5;
  LinearSystem space{Eigen::MatrixXd(3, 3), Eigen::VectorXd(3)};
  space.drift << -1, 0.5, 0.3, -0.5, -1.5, 0.6, -0.3, -0.6, -2;
  space.seen << 1, -0.5, 0.4;
  const std::pair<double, double> coarse2 = errors_of(plane, 20, 4.5);
  const std::pair<double, double> fine2 = errors_of(plane, 40, 4.5);
  const std::pair<double, double> coarse3 = errors_of(space, 8, 4);
  const std::pair<double, double> fine3 = errors_of(space, 16, 4);
  EXPECT_GT(support::order(coarse2.first, fine2.first), 1.8);
  EXPECT_GT(support::order(coarse2.second, fine2.second), 1.8);
  EXPECT_GT(support::order(coarse3.first, fine3.first), 1.7);
  EXPECT_GT(support::order(coarse3.second, fine3.second), 1.7);
}

/// The harmonic chain on a ring, by pairs of states with opposite signs: on odd functions the rates
/// are an antisymmetric matrix minus `w`, so that C = exp(-wt) J0(wt), K = exp(-wt) w J1(wt) / t.
std::string signed_ring(int sites, double w) {
  std::string rows;
  for (int i = 0; i < sites; ++i) {
    for (int sign = 0; sign < 2; ++sign) {
      std::string row;
      for (int j = 0; j < sites; ++j) {
        const bool up = j == (i + 1) % sites;
        const bool down = i == (j + 1) % sites;
        for (int other = 0; other < 2; ++other) {
          const bool same = other == sign;
          double rate = (up && same) || (down && !same) ? w / 2 : 0;
          if (i == j) rate = same ? -w : 0;
          row += fmt::format("{}{}", row.empty() ? "" : ", ", rate);
        }
      }
      rows += fmt::format("{}[{}]", rows.empty() ? "" : ", ", row);
    }
  }
  return "model: {kind: chain, matrix: [" + rows + "]}\n";
}

/// C' = -int_0^t k e^(-a(t-s)) C(s) ds is x' = r y, y' = -r x - a y, r^2 = k, seen through x. By
/// pairs of states with opposite signs: on odd functions the rates are that matrix minus r, so that
/// both C and K carry another factor exp(-rt).
std::string signed_pair(double k, double a) {
  const double r = std::sqrt(k);
  return fmt::format("model: {{kind: chain, matrix: [[{0}, 0, {1}, 0], [0, {0}, 0, {1}], "
                     "[0, {1}, {2}, {3}], [{1}, 0, {3}, {2}]]}}\n",
                     -r, r, -r - a / 2, a / 2);
}

TEST(Memory, exponential_kernel_whose_rate_is_not_that_of_the_correlation) {
  struct Case {
    double k;
    double a;
    std::function<double(double)> c;
  };
  const double w = std::sqrt(3) / 2;
  for (const Case& problem : {
           Case{1, 2, [](double t) { return (1 + t) * std::exp(-t); }},
           Case{2, 3, [](double t) { return 2 * std::exp(-t) - std::exp(-2 * t); }},
           Case{1, 1,
                [w](double t) {
                  return std::exp(-t / 2) * (std::cos(w * t) + std::sin(w * t) / (2 * w));
                }},
       }) {
    const MemoryResult found = memory_of(
        signed_pair(problem.k, problem.a) +
        "projection: {kind: observables, observables: ['state == 0 ? 1 : state == 1 ? -1 : 0']}\n"
        "memory: {times: {to: 3, steps: 30}, rates: 3}");
    const double r = std::sqrt(problem.k);
    ASSERT_EQ(found.kernel.size(), 31);
    for (std::size_t i = 0; i < found.times.size(); ++i) {
      const double t = found.times[i];
      EXPECT_TRUE(near(found.kernel[i](0, 0) * std::exp(r * t),
                       problem.k * std::exp(-problem.a * t), {1e-9, 0}))
          << t;
      EXPECT_TRUE(near(found.propagator[i](0, 0) * std::exp(r * t), problem.c(t), {1e-9, 0})) << t;
    }
    int visible = 0;
    for (const MemoryMode& mode : found.modes) {
      if (!mode.visible) continue;
      ++visible;
      EXPECT_TRUE(near(mode.rate - r, problem.a, {1e-9, 0}));
      EXPECT_TRUE(near(mode.strength, problem.k, {1e-9, 0}));
    }
    EXPECT_EQ(visible, 1);
    EXPECT_EQ(found.verdict, "exponential");
    EXPECT_LT(found.identity_error, 1e-10);
  }
}

TEST(Memory, harmonic_chain_is_said_not_to_decay_exponentially) {
  const double w = 1;
  const MemoryResult found =
      memory_of(signed_ring(40, w) +
                "projection: {kind: observables, observables: ['state == 0 ? 1 : state == 1 ? -1 : "
                "0']}\nmemory: {times: {to: 14, steps: 28}, rates: 30}");
  for (std::size_t i = 1; i < found.times.size(); ++i) {
    const double t = found.times[i];
    EXPECT_TRUE(near(found.kernel[i](0, 0) * std::exp(w * t), w * std::cyl_bessel_j(1, w * t) / t,
                     {1e-4, 0}))
        << t;
    EXPECT_TRUE(
        near(found.propagator[i](0, 0) * std::exp(w * t), std::cyl_bessel_j(0, w * t), {1e-4, 0}))
        << t;
  }
  EXPECT_TRUE(near(found.kernel[0](0, 0), w * w / 2, {1e-12, 0}));
  EXPECT_EQ(found.verdict, "not exponential");
  // Thirty rates reach that of the kernel, and yet leave much of its tail.
  EXPECT_TRUE(near(found.modes.back().rate, w, {1e-9, 0}));
  EXPECT_GT(found.remainder, 0.1);
  EXPECT_LT(found.identity_error, 1e-10);
}

TEST(Memory, klein_kramers_seen_through_its_position) {
  const std::string particle =
      "model: {kind: sde, variables: [x, v], drift: [v, -x - v], diffusion: [0, 1]}\n"
      "grid: {x: {from: -4, to: 4, cells: 20}, v: {from: -4, to: 4, cells: 20}}\n";
  for (const char* projection :
       {"{kind: observables, observables: [x]}", "{kind: variables, variables: [x], cells: [5]}",
        "{kind: variables, variables: [x], functions: [x]}"}) {
    const MemoryResult found =
        memory_of(particle + "projection: " + projection +
                  "\nmemory: {times: {to: 2, steps: 10}, rates: 2, laplace: [1]}");
    EXPECT_LT(found.identity_error, 1e-10) << projection;
    EXPECT_EQ(found.kernel.size(), 11);
  }
}

TEST(Memory, sweeps_along_velocities_agree_with_a_factorisation) {
  const std::string text =
      "model: {kind: sde, variables: [x, v], drift: [v, -4*x*(x^2-1) - v], diffusion: [0, 0.25]}\n"
      "grid: {x: {from: -2, to: 2, cells: 80}, v: {from: -2.5, to: 2.5, cells: 40}}\n"
      "projection: {kind: variables, variables: [x]}\n"
      "memory: {times: {to: 6, steps: 12}, rates: 5, laplace: [0.5], tolerance: 1e-9, solver: ";
  const MemoryResult exact = memory_of(text + "direct}");
  const MemoryResult found = memory_of(text + "iterative}");
  EXPECT_THAT(found.solver, testing::HasSubstr("sweeps"));
  EXPECT_LT(found.identity_error, 1e-10);
  EXPECT_TRUE(found.complete);
  ASSERT_EQ(found.modes.size(), exact.modes.size());
  for (std::size_t i = 0; i < exact.modes.size(); ++i) {
    // Both sides' vectors err, the value by the product of the errors.
    EXPECT_TRUE(near(found.modes[i].value.real(), exact.modes[i].value.real(), {1e-9, 0}));
    EXPECT_TRUE(near(found.modes[i].value.imag(), exact.modes[i].value.imag(), {1e-9, 0}));
    EXPECT_EQ(found.modes[i].visible, exact.modes[i].visible);
    EXPECT_TRUE(near(found.modes[i].strength, exact.modes[i].strength, {1e-6, 0}));
    EXPECT_EQ(found.modes[i].verdict, "converged");
  }
  EXPECT_TRUE(near(found.transforms[0](0, 0), exact.transforms[0](0, 0), {1e-10, 0}));
  for (std::size_t i = 0; i < exact.kernel.size(); ++i) {
    const double scale = std::abs(exact.kernel[0](0, 0));
    EXPECT_TRUE(near(found.kernel[i](0, 0), exact.kernel[i](0, 0), {1e-8 * scale, 0}));
    EXPECT_TRUE(near(found.propagator[i](0, 0), exact.propagator[i](0, 0), {1e-8, 0}));
  }
}

TEST(Memory, rates_followed_from_coarser_grids_are_those_of_a_factorisation) {
  const MemoryResult found = memory_of(
      "model: {kind: sde, variables: [x, v], drift: [v, 0.3 - 0.7*sin(x) - 0.8*v], diffusion: [0, "
      "0.4]}\n"
      "grid: {x: {from: 0, to: 6.283185307179586, cells: 250, boundary: periodic}, v: {from: -4, "
      "to: 4, cells: 160}}\n"
      "projection: {kind: variables, variables: [x]}\n"
      "memory: {times: {to: 0.5, steps: 1}, rates: 5}");
  EXPECT_THAT(found.solver, testing::HasSubstr("two-sided Newton iteration from 125 x 80 cells"));
  EXPECT_TRUE(found.complete);
  // By 'solver: direct', which takes a quarter of a minute: residuals of 3e-13, conditions of 23.
  const std::vector<std::complex<double>> exact{
      -0.7840034331305, {-1.377695999136, 0.968546464184}, {-1.377695999136, -0.968546464184},
      -1.504608452813,  {-1.889148207146, 1.575149942656}, {-1.889148207146, -1.575149942656}};
  const std::vector<double> strengths{0.16832601, 0.0531811,  0.0531811,
                                      0.1935214,  0.09505845, 0.09505845};
  ASSERT_EQ(found.modes.size(), exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    // Both sides' vectors err by some 1e-7, the value by the product of the errors.
    EXPECT_TRUE(near(found.modes[i].value.real(), exact[i].real(), {1e-10, 0})) << i;
    EXPECT_TRUE(near(found.modes[i].value.imag(), exact[i].imag(), {1e-10, 0})) << i;
    EXPECT_TRUE(near(found.modes[i].strength, strengths[i], {1e-6, 0})) << i;
    EXPECT_EQ(found.modes[i].verdict, "converged");
  }
}

TEST(Memory, coupled_double_well_seen_through_one_of_its_variables) {
  const std::string wells =
      "model: {kind: sde, variables: [x, y], potential: (x^2-1)^2 + 2*(y-x)^2, diffusion: 0.5}\n"
      "grid: {x: {from: -2, to: 2, cells: 24}, y: {from: -3, to: 3, cells: 24}}\n";
  const std::string asked = "\nmemory: {times: {to: 2, steps: 10}, rates: 2, laplace: [0.5]}";
  const MemoryResult linear =
      memory_of(wells + "projection: {kind: observables, observables: [x]}" + asked);
  EXPECT_LT(linear.identity_error, 1e-10);
  ASSERT_EQ(linear.gme_error.size(), 11);
  EXPECT_LT(*std::max_element(linear.gme_error.begin(), linear.gme_error.end()), 1e-8);
  const MemoryResult all =
      memory_of(wells + "projection: {kind: variables, variables: [x]}" + asked);
  EXPECT_LT(all.identity_error, 1e-10);
  // The more is seen, the less there is to remember; of reversible processes K is negative.
  EXPECT_LT(-all.kernel[0](0, 0), -linear.kernel[0](0, 0));
  EXPECT_LT(all.kernel[0](0, 0), 0);
}

TEST(Memory, flow_has_the_memory_of_the_map_that_it_is) {
  // After a lag, x' = -x + y, y' = -x - y has turned by it and shrunk by exp(-lag).
  const double lag = 0.5;
  const std::string rest =
      "grid: {x: {from: -2, to: 2, cells: 23}, y: {from: -2, to: 2, cells: 23}}\n"
      "ulam: {samples: 25}\n"
      "projection: {kind: observables, observables: [x]}\n"
      "memory: {lags: 5, rates: 2, inner_product: lebesgue}";
  const MemoryResult flow = memory_of(
      fmt::format("model: {{kind: flow, variables: [x, y], drift: [-x + y, -x - y], lag: {}}}\n",
                  lag) +
      rest);
  const double c = std::exp(-lag) * std::cos(lag);
  const double s = std::exp(-lag) * std::sin(lag);
  const MemoryResult map = memory_of(
      fmt::format("model: {{kind: map, variables: [x, y], map: ['{0:.17g}*x + {1:.17g}*y', "
                  "'-{1:.17g}*x + {0:.17g}*y']}}\n",
                  c, s) +
      rest);
  EXPECT_LT(flow.identity_error, 1e-12);
  ASSERT_EQ(flow.omega.size(), map.omega.size());
  EXPECT_TRUE(near(flow.omega[0](0, 0), c, {1e-2, 0})); // within what cells of 4/23 blur
  EXPECT_TRUE(near(flow.omega[1](0, 0), -s * s, {1e-2, 0}));
  // An image on the edge of a cell may fall to either side of it: less than one in a thousand.
  for (std::size_t l = 0; l < map.omega.size(); ++l) {
    EXPECT_TRUE(near(flow.omega[l](0, 0), map.omega[l](0, 0), {1e-4, 0})) << l;
  }
}

TEST(Memory, reversible_kernels_are_minus_the_correlation_of_forces) {
  const MemoryResult found = memory_of(
      "model: {kind: sde, variables: [x, y], potential: (x^2-1)^2 + 2*(y-x)^2, diffusion: 0.5}\n"
      "grid: {x: {from: -2, to: 2, cells: 24}, y: {from: -3, to: 3, cells: 24}}\n"
      "projection: {kind: sets, sets: [x < 0, x >= 0]}\n"
      "memory: {times: {to: 2, steps: 10}, rates: 4}");
  EXPECT_EQ(found.fluctuation_sign, -1);
  EXPECT_LT(found.fluctuation_dissipation, 1e-8);
  EXPECT_LT(found.identity_error, 1e-10);
  for (const Eigen::MatrixXd& r : found.propagator) {
    EXPECT_TRUE(near(r.col(0).sum(), 1, {1e-9, 0})); // written transposed: rows = from
  }
}

TEST(Memory, blocks_begun_on_a_coarser_grid_find_the_slowest_rates) {
  // Eigenvectors carried over from a coarser grid are not orthogonal to the functions on this one.
  const std::string text =
      "model: {kind: sde, variables: [x, y], potential: (x^2-1)^2 + y^2, diffusion: 0.25}\n"
      "grid: {x: {from: -2.5, to: 2.5, cells: 146}, y: {from: -2.5, to: 2.5, cells: 146}}\n";
  struct Case {
    const char* projection;
    std::vector<double> rates;
  };
  for (const Case& problem : {
           // The first as 1000 x 1000 cells give them; with all functions of x projected out, one
           // relaxation in y and what x does by itself.
           Case{"{kind: observables, observables: [x, y, x*y, x^2]}",
                {3.99980, 4.02958, 5.31025, 5.34627}},
           Case{"{kind: variables, variables: [x]}", {2, 2.0297795933, 4, 4.0297795933}},
       }) {
    const MemoryResult found =
        memory_of(fmt::format("{}projection: {}\nmemory: {{rates: {}, solver: iterative}}", text,
                              problem.projection, problem.rates.size()));
    EXPECT_TRUE(found.complete);
    EXPECT_THAT(found.solver, testing::HasSubstr("block_lobpcg"));
    ASSERT_EQ(found.modes.size(), problem.rates.size());
    for (std::size_t i = 0; i < problem.rates.size(); ++i) {
      EXPECT_TRUE(near(found.modes[i].rate, problem.rates[i], {0, 5e-3}));
      EXPECT_EQ(found.modes[i].verdict, "converged");
    }
  }
}

} // namespace
} // namespace komori::analyses
