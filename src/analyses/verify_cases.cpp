/// The problems of `verify` and where their numbers come from.
#include <cmath>
#include <complex>
#include <numbers>

#include <fmt/format.h>

#include "analyses/spectrum.hpp"
#include "analyses/stationary.hpp"
#include "analyses/transitions.hpp"
#include "analyses/verify.hpp"
#include "linalg/exponential.hpp"
#include "operators/currents.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Numbers = std::vector<double>;
using Compute = std::function<Numbers(Problem&)>;
using Cases = std::vector<VerifyCase>;
using spaces::Boundary;

constexpr double pi = std::numbers::pi;

// --- how far from its value a number may be ---------------------------------------------------

/// Numbers of a table of the same scheme on the same grid, rounded to a multiple of `unit`.
Known tabulated(std::string quantity, double exact, double unit = 1e-10) {
  return {std::move(quantity), exact, 1e-8 * std::abs(exact) + 0.5 * unit, "table digits"};
}
/// Equal on paper; `scale` is the size of the terms that cancel.
Known rounding(std::string quantity, double exact, double scale) {
  return {std::move(quantity), exact, scale, "round-off"};
}
/// Values of the continuous problem; the scheme errs by `share` of them on this grid, taken at
/// twice the observed error, which falls with the square of the cell width.
Known second_order(std::string quantity, double exact, double share) {
  return {std::move(quantity), exact, share * std::abs(exact), "h^2"};
}

// --- what is computed -------------------------------------------------------------------------

Spectrum solve(Problem& problem, std::int64_t pairs) {
  SpectrumInput input;
  input.pairs = pairs;
  return compute_spectrum(problem, input);
}

/// Decay rates first .. last, slowest first; rate 0 belongs to the stationary state.
Compute rates(std::size_t first, std::size_t last) {
  return [=](Problem& problem) {
    const Spectrum found = solve(problem, static_cast<std::int64_t>(last) + 1);
    Numbers numbers;
    for (std::size_t i = first; i <= last; ++i) numbers.push_back(-found.values.at(i).real());
    return numbers;
  };
}

/// Rate and |frequency| of the pairs that begin at these positions.
Compute oscillations(std::vector<std::size_t> positions) {
  return [positions = std::move(positions)](Problem& problem) {
    const Spectrum found = solve(problem, static_cast<std::int64_t>(positions.back()) + 2);
    Numbers numbers;
    for (const std::size_t i : positions) {
      numbers.push_back(-found.values.at(i).real());
      numbers.push_back(std::abs(found.values.at(i).imag()));
    }
    return numbers;
  };
}

/// What is asked between the sets given by two conditions; `from` may be empty.
Transitions between(Problem& problem, const std::string& from, const std::string& to) {
  TransitionsInput input;
  if (!from.empty()) input.from = {from, {"verify", 0}, "transitions.from"};
  if (!to.empty()) input.to = {to, {"verify", 0}, "transitions.to"};
  return compute_transitions(problem, input);
}

/// Mean first passage times to `to` (or out of the grid) and their deviations, point by point.
Compute passages(std::string to, std::vector<std::vector<double>> points) {
  return [to = std::move(to), points = std::move(points)](Problem& problem) {
    const Transitions found = between(problem, {}, to);
    Numbers numbers;
    for (const auto& point : points) {
      numbers.push_back(problem.grid().interpolate(found.mean_time.get(), point));
      numbers.push_back(problem.grid().interpolate(found.time_deviation.get(), point));
    }
    return numbers;
  };
}

/// The integral of |p - exact| over the stationary density p, both with integral 1.
Compute density_error(spaces::Field exact) {
  return [exact = std::move(exact)](Problem& problem) {
    const StationaryDensity found = stationary_density(problem, {});
    const base::UniqueVec difference = problem.grid().sampled(exact);
    check(VecScale(difference.get(), 1 / base::dot(difference.get(), problem.volumes())));
    check(VecAXPY(difference.get(), -1, found.density.get()));
    check(VecAbs(difference.get()));
    return Numbers{base::dot(difference.get(), problem.volumes())};
  };
}

/// Circulation round the first axis and entropy production.
Numbers driven_state(Problem& problem) {
  const StationaryDensity found = stationary_density(problem, {});
  const operators::Currents currents = operators::currents(problem.fluxes(), found.density.get());
  return {currents.circulation.front(), currents.entropy_production};
}

/// Mass, mean and variance at `time` of a Gaussian that starts at 1 with variance 0.1.
Numbers gaussian_at(Problem& problem, double time) {
  const base::UniqueVec masses = problem.grid().sampled(
      [](std::span<const double> x) { return std::exp(-(x[0] - 1) * (x[0] - 1) / 0.2); });
  check(VecPointwiseMult(masses.get(), masses.get(), problem.volumes()));
  check(VecScale(masses.get(), 1 / base::sum(masses.get())));
  const base::UniqueVec x = problem.grid().sampled([](std::span<const double> p) { return p[0]; });
  const base::UniqueVec square = base::duplicate(x.get());
  check(VecPointwiseMult(square.get(), x.get(), x.get()));
  Numbers numbers;
  const auto look = [&](std::size_t, Vec state, double) {
    const double mean = base::dot(x.get(), state);
    numbers = {base::sum(state), mean, base::dot(square.get(), state) - mean * mean};
  };
  linalg::uniformisation(problem.transposed(), problem.generator().facts.norm, masses.get(),
                         {.times = {time}, .tolerance = 1e-10, .prefix = "evolve_"}, look,
                         problem.log());
  return numbers;
}

/// Rows of G against the leak, and the sum of G^T m for masses m of total 1, over the norm of G.
Numbers conservation(Problem& problem) {
  const operators::Generator& g = problem.generator();
  const base::UniqueVec ones = problem.grid().sampled([](auto) { return 1.0; });
  const base::UniqueVec sums = problem.grid().vector();
  check(MatMult(g.matrix.get(), ones.get(), sums.get()));
  check(VecAXPY(sums.get(), 1, g.leak.get()));
  PetscReal rows = 0;
  check(VecNorm(sums.get(), NORM_INFINITY, &rows));
  const base::UniqueVec masses =
      problem.grid().sampled([](std::span<const double> x) { return 2 + std::sin(5 * x[0]); });
  check(VecScale(masses.get(), 1 / base::sum(masses.get())));
  check(MatMultTranspose(g.matrix.get(), masses.get(), sums.get()));
  const double lost = base::dot(masses.get(), g.leak.get());
  return {rows / g.facts.norm, (base::sum(sums.get()) + lost) / g.facts.norm};
}

// --- the systems ------------------------------------------------------------------------------

VerifySystem line(double from, double to, PetscInt cells, std::string drift, std::string diffusion,
                  Boundary boundary = Boundary::reflecting) {
  return {.axes = {{"x", from, to, cells, boundary}},
          .drift = {std::move(drift)},
          .diffusion = {std::move(diffusion)}};
}

VerifySystem double_well(PetscInt cells, const std::string& diffusion, double half = 2.5) {
  return {.axes = {{"x", -half, half, cells}}, .potential = "(x^2-1)^2", .diffusion = {diffusion}};
}

VerifySystem ring(PetscInt cells, const std::string& drift, const std::string& diffusion) {
  return line(0, 2 * pi, cells, drift, diffusion, Boundary::periodic);
}

VerifySystem square(double half_x, PetscInt x, double half_y, PetscInt y, const char* second,
                    std::vector<std::string> drift, std::vector<std::string> diffusion,
                    operators::SchemeInput scheme = {}) {
  return {.axes = {{"x", -half_x, half_x, x}, {second, -half_y, half_y, y}},
          .drift = std::move(drift),
          .diffusion = std::move(diffusion),
          .scheme = std::move(scheme)};
}

void closed_form_spectra(Cases& cases) {
  // Scharfetter-Gummel sees the diffusion D + (x h)^2 / (12 D); with what the differences neglect
  // rate n errs by n (n+1) h^2 / (12 D) to leading order. A quarter is left for the next one.
  const auto spring = [](int n) {
    constexpr double h = 10.0 / 256;
    return 1.25 * (n + 1) * h * h / (12 * 0.5);
  };
  cases.push_back({"Ornstein-Uhlenbeck",
                   line(-5, 5, 256, "-x", "0.5"),
                   {rounding("rate 0", 0, 1e-10), second_order("rate 1", 1, spring(1)),
                    second_order("rate 2", 2, spring(2)), second_order("rate 3", 3, spring(3))},
                   rates(0, 3)});
  cases.push_back({"Ornstein-Uhlenbeck, t = 1",
                   line(-5, 5, 256, "-x", "0.5"),
                   {rounding("mass", 1, 1e-9),
                    second_order("mean", std::exp(-1.0), spring(1)), // t times that of rate 1
                    second_order("variance", 0.5 - 0.4 * std::exp(-2.0), 1e-4)},
                   [](Problem& problem) { return gaussian_at(problem, 1); }});
  for (const int w : {1, 5}) {
    const std::string turn = std::to_string(w);
    cases.push_back(
        {fmt::format("rotating OU, w = {}", w),
         square(4.5, 80, 4.5, 80, "y",
                {fmt::format("-x + {}*y", turn), fmt::format("-{}*x - y", turn)}, {"0.5"}),
         {second_order("rate 1", 1, 8e-3), second_order("frequency 1", w, 8e-3)},
         oscillations({1})});
  }
  // Turned by 30 degrees: c^2 = 3/4, s^2 = 1/4, s c = sqrt(3)/4. Rates n + 0.7 m.
  VerifySystem turned{
      .axes = {{"x", -4, 4, 160}, {"y", -3, 3, 120}},
      .drift = {"-(0.75 + 0.7/4)*x - 0.3*sqrt(3)/4*y", "-0.3*sqrt(3)/4*x - (0.25 + 0.7*0.75)*y"}};
  turned.diffusion_matrix = {{"0.75 + 0.01/4", "0.99*sqrt(3)/4"},
                             {"0.99*sqrt(3)/4", "0.25 + 0.01*0.75"}};
  cases.push_back({"turned OU, noise 1:100",
                   std::move(turned),
                   {second_order("rate 1", 0.7, 9e-3), second_order("rate 2", 1, 8e-3),
                    second_order("rate 3", 1.4, 1.2e-2)},
                   rates(1, 3)});
  constexpr double h = 2.0 / 64;
  const auto discrete = [&](int n) { return 1 / (h * h) * (1 - std::cos(pi * n / 64)); };
  cases.push_back({"Brownian, reflecting",
                   line(0, 2, 64, "0", "0.5"),
                   {rounding("discrete rate 1", discrete(1), 1e-11),
                    rounding("discrete rate 2", discrete(2), 1e-11),
                    rounding("discrete rate 3", discrete(3), 1e-11)},
                   rates(1, 3)});
  // k^2 h^2 / 12 of the rate D k^2, to leading order.
  const auto brownian = [](int k) { return 1.25 * std::pow(k * 2 * pi / 256, 2) / 12; };
  cases.push_back(
      {"Brownian on a ring",
       ring(256, "0", "0.3"),
       {second_order("rate 1", 0.3, brownian(1)), second_order("rate 1 again", 0.3, brownian(1)),
        second_order("rate 2", 1.2, brownian(2)), second_order("rate 2 again", 1.2, brownian(2))},
       rates(1, 4)});
  cases.push_back({"carried round a ring",
                   ring(256, "1.5", "0.3"),
                   {second_order("rate 1", 0.3, 2.4e-3), second_order("frequency 1", 1.5, 2e-4)},
                   oscillations({1})});
  cases.push_back({"drift-diffusion, reflecting",
                   line(0, 2, 256, "-1", "0.5"),
                   {second_order("rate 1", 0.5 + 0.5 * pi * pi / 4, 4e-5),
                    second_order("rate 2", 0.5 + 0.5 * pi * pi, 1.1e-4)},
                   rates(1, 2)});
  cases.push_back({"Brownian, absorbing",
                   line(-1, 1, 256, "0", "0.5", Boundary::absorbing),
                   {second_order("exit rate", pi * pi / 8, 3e-5)},
                   rates(0, 0)});
  cases.push_back({"Brownian, absorbing",
                   line(-1, 1, 256, "0", "0.5", Boundary::absorbing),
                   {rounding("mean exit time from 0", 1, 1e-11),
                    second_order("its deviation", std::sqrt(2.0 / 3), 3e-5),
                    rounding("mean exit time from 0.5", 0.75, 1e-11)},
                   passages("", {{0}, {0.5}})});
  cases.push_back(
      {"harmonic Klein-Kramers",
       square(4.5, 96, 4.5, 96, "v", {"v", "-x - v"}, {"0", "0.5"}, {.undiffused = "second_order"}),
       {second_order("rate 1", 0.5, 6e-3), second_order("frequency 1", std::sqrt(0.75), 2e-3)},
       oscillations({1})});
}

void metastable_tables(Cases& cases) {
  const auto add = [&](const std::string& name, VerifySystem system, double first, double second) {
    cases.push_back({name,
                     std::move(system),
                     {tabulated("rate 1", first), tabulated("rate 2", second)},
                     rates(1, 2)});
  };
  add("double well, 64 cells", double_well(64, "0.25"), .0299654751, 3.2908153059);
  add("double well, 128 cells", double_well(128, "0.25"), .0298260596, 3.3055217469);
  add("double well, 256 cells", double_well(256, "0.25"), .0297912096, 3.3091773596);
  VerifySystem square_root = double_well(64, "0.25");
  square_root.scheme.rates = "square_root";
  add("double well, square root", square_root, .0300546517, 3.3121548787);
  add("double well, mean drift", line(-2.5, 2.5, 64, "4*x - 4*x^3", "0.25"), .0306018233,
      3.2827376552);
  cases.push_back({"double well in two dimensions",
                   {.axes = {{"x", -2.5, 2.5, 96}, {"y", -2, 2, 64}},
                    .potential = "(x^2-1)^2 + y^2",
                    .diffusion = {"0.25"}},
                   {second_order("rate 1", .0297795933, 6e-3), second_order("rate 2", 2, 1e-2),
                    second_order("rate 3", 2.0297795933, 1e-2)},
                   rates(1, 3)});
}

struct DrivenRing {
  const char* name;
  const char* drift;
  const char* diffusion;
  double work; ///< the torque over the diffusion
  double rate, frequency, current;
  double rate_share, frequency_share, current_share;
};

void driven_states(Cases& cases) {
  for (const DrivenRing& r :
       {DrivenRing{"driven ring, weak barrier", "1 - 0.5*sin(x)", "0.1", 10, .1407019120,
                   .8832444161, .138237193290, 1.4e-3, 6e-5, 1.2e-5},
        DrivenRing{"driven ring, strong barrier", "1 - 1.5*sin(x)", "0.1", 10, .8821565282,
                   .1319724998, 6.53290712e-4, 3e-4, 2e-4, 8e-4},
        DrivenRing{"driven ring, strong noise", "1 - 0.5*sin(x)", "1", 1, 1.0374229312, .9875351851,
                   .149456247174, 6e-6, 5e-5, 5e-6}}) {
    const VerifySystem system = ring(512, r.drift, r.diffusion);
    cases.push_back({r.name,
                     system,
                     {second_order("rate 1", r.rate, r.rate_share),
                      second_order("frequency 1", r.frequency, r.frequency_share)},
                     oscillations({1})});
    cases.push_back(
        {r.name,
         system,
         {second_order("current", r.current, r.current_share),
          second_order("entropy production", r.current * 2 * pi * r.work, r.current_share)},
         driven_state});
  }
  cases.push_back({"undriven ring",
                   ring(128, "-0.5*sin(x)", "0.1"),
                   {rounding("current", 0, 1e-13), rounding("entropy production", 0, 1e-13)},
                   driven_state});
  // <|v|^2> / D with v = (y, -x), D = 1/2 and <r^2> = 1.
  cases.push_back({"rotating OU, w = 1",
                   square(4.5, 64, 4.5, 64, "y", {"-x + y", "-x - y"}, {"0.5"}),
                   {second_order("entropy production", 2, 7e-3)},
                   [](Problem& problem) { return Numbers{driven_state(problem).back()}; }});
}

void passage_times(Cases& cases) {
  // Centres of cells at -1 and 1, so that the border of the target set is exactly there.
  const auto add = [&](const std::string& beta, double exact, double share) {
    cases.push_back({"double well, beta = " + beta,
                     double_well(315, "1/" + beta),
                     {second_order("mean passage time -1 to 1", exact, share)},
                     passages("x > 1 - 1e-9", {{-1}})});
  };
  add("1", 3.56943415912701, 5e-5);
  add("4", 69.2636447608363, 5e-4);
  add("8", 3500.03481118679, 1.2e-3);
  cases.push_back({"OU, exit from (-2, 2)",
                   line(-2, 2, 256, "-x", "0.5", Boundary::absorbing),
                   {second_order("mean time from 0", 27.4327391524997704, 8e-5)},
                   passages("", {{0}})});
  cases.push_back({"OU, exit from (-2, 2)",
                   line(-2, 2, 256, "-x", "0.5", Boundary::absorbing),
                   {second_order("rate", .0374612092816751605, 8e-5)},
                   rates(0, 0)});
}

void transition_paths(Cases& cases) {
  const auto paths = [](const std::string& from, const std::string& to, double at) {
    return [=](Problem& problem) {
      const Transitions found = between(problem, from, to);
      return Numbers{found.flux, found.rate, found.rate_backward,
                     problem.grid().interpolate(found.forward.get(), std::vector<double>{at}),
                     found.flux_into_target / found.flux};
    };
  };
  // Centres of cells at -0.7, 0.3 and 0.7.
  const auto add = [&](const std::string& name, VerifySystem system, double flux, double committor,
                       double share) {
    cases.push_back(
        {name,
         std::move(system),
         {second_order("reactive flux", flux, share), second_order("rate A to B", 2 * flux, share),
          second_order("rate B to A", 2 * flux, share),
          second_order("committor at 0.3", committor, 3e-5),
          rounding("flux into B over flux out of A", 1, 1e-9)},
         paths("x < -0.7 + 1e-9", "x > 0.7 - 1e-9", 0.3)});
  };
  add("double well, sigma = 0.5", double_well(343, "0.125", 2.45), 1.43022499051289e-4,
      .946479166181422, 1e-3);
  add("double well, sigma = 1", double_well(343, "0.5", 2.45), .0542158912666454, .803334536435618,
      2e-4);
  VerifySystem quartic = double_well(343, "0.18", 2.45);
  quartic.potential = "x^4/4 - x^2/2";
  add("quartic well, sigma = 0.6", std::move(quartic), .0264054191687123, .777809350169121, 1.2e-4);

  const VerifySystem maier_stein =
      square(1.6, 121, 1, 81, "y", {"x - x^3 - 10*x*y^2", "-(1 + x^2)*y"}, {"0.045"});
  cases.push_back({"Maier-Stein",
                   maier_stein,
                   {tabulated("rate 1", .034141730, 1e-9), tabulated("rate 2", .574548597, 1e-9),
                    tabulated("rate 3", 1.107903396, 1e-9)},
                   rates(1, 3)});
  cases.push_back({"Maier-Stein",
                   maier_stein,
                   {tabulated("reactive flux", 7.3180014e-3),
                    tabulated("reactive probability", 3.9466492e-2, 1e-9),
                    rounding("flux into B over flux out of A", 1, 1e-9)},
                   [](Problem& problem) {
                     const Transitions found =
                         between(problem, "(x+1)^2 + y^2 <= 0.0625", "(x-1)^2 + y^2 <= 0.0625");
                     return Numbers{found.flux, found.reactive_probability,
                                    found.flux_into_target / found.flux};
                   }});
}

void stationary_densities(Cases& cases) {
  // dX = -X dt + sqrt(2D) dW, D = 1 + x^2/2: p = D^(-1-theta).
  for (const auto& [convention, exponent] :
       {std::pair{"ito", -2.0}, {"stratonovich", -1.5}, {"isothermal", -1.0}}) {
    VerifySystem system = line(-4, 4, 256, "-x", "1 + x^2/2");
    system.convention = convention;
    const double power = exponent;
    cases.push_back({fmt::format("multiplicative noise, {}", convention),
                     std::move(system),
                     {{"error of the density", 0, 3e-5, "h^2"}},
                     density_error([=](std::span<const double> x) {
                       return std::pow(1 + 0.5 * x[0] * x[0], power);
                     })});
  }
  cases.push_back({"rotating OU, w = 1",
                   square(4.5, 64, 4.5, 64, "y", {"-x + y", "-x - y"}, {"0.5"}),
                   {{"error of the density", 0, 4e-3, "h^2"}},
                   density_error([](std::span<const double> x) {
                     return std::exp(-x[0] * x[0] - x[1] * x[1]);
                   })});
}

void conserved_quantities(Cases& cases) {
  const auto add = [&](const std::string& name, VerifySystem system) {
    cases.push_back(
        {name,
         std::move(system),
         {rounding("row sums over norm", 0, 1e-15), rounding("change of mass over norm", 0, 1e-15)},
         conservation});
  };
  add("Ornstein-Uhlenbeck", line(-5, 5, 256, "-x", "0.5"));
  add("Brownian, absorbing", line(-1, 1, 256, "0", "0.5", Boundary::absorbing));
  add("harmonic Klein-Kramers",
      square(4.5, 64, 4.5, 64, "v", {"v", "-x - v"}, {"0", "0.5"}, {.undiffused = "second_order"}));
}

} // namespace

std::vector<VerifyCase> verify_cases() {
  Cases cases;
  conserved_quantities(cases);
  closed_form_spectra(cases);
  metastable_tables(cases);
  driven_states(cases);
  stationary_densities(cases);
  passage_times(cases);
  transition_paths(cases);
  return cases;
}

} // namespace komori::analyses
