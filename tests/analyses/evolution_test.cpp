/// Densities in time against closed forms, identities and other methods.
#include "analyses/evolution.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "config/node.hpp"
#include "config/reader.hpp"
#include "io/read_file.hpp"
#include "io/temporary_folder.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using base::check;
using spaces::Boundary;
using support::axis;
using support::Case;
using support::formula;
using support::message_of;
using testing::HasSubstr;

EvolveInput from_formula(const std::string& initial, std::vector<double> times) {
  EvolveInput input;
  input.formula = formula(initial, "evolve.initial");
  input.times = std::move(times);
  return input;
}

EvolveInput from_point(std::vector<double> point, std::vector<double> times) {
  EvolveInput input;
  input.initial = InitialInput{};
  input.initial->point = std::move(point);
  input.times = std::move(times);
  return input;
}

/// Cell masses in natural order at every output time.
std::vector<std::vector<double>> states(Problem& problem, const EvolveInput& input, Vec start,
                                        EvolveChoice* used = nullptr) {
  const EvolveChoice choice = choose_method(problem, input, start);
  if (used != nullptr) *used = choice;
  std::vector<std::vector<double>> result;
  propagate(problem, input, choice, start, [&](std::size_t, Vec masses, double error) {
    EXPECT_LE(error, input.tolerance);
    result.push_back(support::gathered(problem.grid(), masses));
  });
  EXPECT_EQ(result.size(), input.times.size());
  return result;
}

std::vector<std::vector<double>> states(Problem& problem, const EvolveInput& input,
                                        EvolveChoice* used = nullptr) {
  const base::UniqueVec start = initial_masses(problem, input);
  return states(problem, input, start.get(), used);
}

double sum(const std::vector<double>& masses) {
  double total = 0;
  for (const double mass : masses) total += mass;
  return total;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += std::abs(a[i] - b[i]);
  return total;
}

struct Moments {
  double mean = 0;
  double variance = 0;
};

/// Of the last axis of the grid.
Moments moments(const spaces::Grid& grid, const std::vector<double>& masses) {
  const spaces::Axis& x = grid.axis(grid.dimension() - 1);
  Moments m;
  for (std::size_t i = 0; i < masses.size(); ++i) {
    m.mean += masses[i] * x.center(static_cast<PetscInt>(i) % x.cells());
  }
  for (std::size_t i = 0; i < masses.size(); ++i) {
    m.variance += masses[i] * std::pow(x.center(static_cast<PetscInt>(i) % x.cells()) - m.mean, 2);
  }
  return m;
}

Case double_well(PetscInt cells) {
  return {{.potential = "(x^2-1)^2 + y^2", .diffusion = {"0.25"}},
          {axis("x", -2.5, 2.5, cells), axis("y", -2.5, 2.5, cells)}};
}

Case rotating(PetscInt cells) {
  return {{.drift = {"-x-2*y", "2*x-y"}, .diffusion = {"0.5"}},
          {axis("x", -4, 4, cells), axis("y", -4, 4, cells)}};
}

/// dx = -x dt + dW: mean x0 e^-t, variance s0^2 e^-2t + (1 - e^-2t) / 2.
TEST(Evolution, OrnsteinUhlenbeckMomentsAreSecondOrder) {
  const std::vector<double> times{0.25, 1, 3};
  std::vector<std::vector<Moments>> errors;
  for (const PetscInt cells : {64, 128, 256}) {
    Case ou({.drift = {"-x"}, .diffusion = {"0.5"}}, {axis("x", -6, 6, cells)});
    EvolveInput input = from_formula("exp(-(x-1.5)^2/(2*0.16))", times);
    input.tolerance = 1e-10;
    const auto result = states(ou.problem(), input);
    errors.emplace_back();
    for (std::size_t j = 0; j < times.size(); ++j) {
      const Moments m = moments(ou->grid(), result[j]);
      const double decay = std::exp(-times[j]);
      errors.back().push_back(
          {m.mean - 1.5 * decay, m.variance - (0.16 * decay * decay + 0.5 * (1 - decay * decay))});
    }
  }
  for (std::size_t j = 0; j < times.size(); ++j) {
    EXPECT_LT(std::abs(errors[2][j].variance), 2e-3);
    EXPECT_NEAR(support::order(errors[1][j].variance, errors[2][j].variance), 2, 0.1);
    if (std::abs(errors[2][j].mean) < 1e-9) continue; // exact but for the walls
    EXPECT_NEAR(support::order(errors[1][j].mean, errors[2][j].mean), 2, 0.1);
  }
}

/// On a ring with constant drift v the Fourier mode k decays as exp(-(D k^2 + i v k) t).
TEST(Evolution, RingWithDrift) {
  const double length = 2 * std::numbers::pi;
  std::vector<double> errors;
  for (const PetscInt cells : {64, 128}) {
    Case ring({.drift = {"0.7"}, .diffusion = {"0.2"}},
              {axis("x", 0, length, cells, Boundary::periodic)});
    EXPECT_FALSE(ring->reversible());
    EvolveInput input = from_formula("1 + cos(x)", {2});
    input.tolerance = 1e-11;
    const auto result = states(ring.problem(), input);
    double difference = 0;
    for (PetscInt i = 0; i < cells; ++i) {
      const double x = ring->grid().axis(0).center(i);
      const double exact = (1 + std::exp(-0.2 * 2) * std::cos(x - 0.7 * 2)) / length;
      difference = std::max(
          difference,
          std::abs(result[0][static_cast<std::size_t>(i)] / ring->grid().axis(0).width(i) - exact));
    }
    errors.push_back(difference);
  }
  EXPECT_LT(errors[1], 1e-3);
  EXPECT_NEAR(support::order(errors[0], errors[1]), 2, 0.1);
}

TEST(Evolution, APointStartsWithItsOwnMean) {
  Case plane({.drift = {"-x", "-y"}, .diffusion = {"0.5"}},
             {axis("x", -3, 3, 30), axis("y", -4, 4, 50)});
  for (const double y : {-1.234, 0.0, 0.08, 2.71}) {
    const EvolveInput input = from_point({0.5, y}, {0});
    validate(plane.problem(), input);
    const auto result = states(plane.problem(), input);
    EXPECT_NEAR(sum(result[0]), 1, 1e-14);
    EXPECT_NEAR(moments(plane->grid(), result[0]).mean, y, 1e-13);
    EXPECT_LE(std::count_if(result[0].begin(), result[0].end(), [](double m) { return m != 0; }),
              4);
  }
}

TEST(Evolution, APointOnARingAndAtAWall) {
  Case ring({.drift = {"0.7"}, .diffusion = {"0.2"}}, {axis("x", 0, 1, 10, Boundary::periodic)});
  const auto on_seam = states(ring.problem(), from_point({0.0}, {0}));
  EXPECT_NEAR(on_seam[0][0], 0.5, 1e-14);
  EXPECT_NEAR(on_seam[0][9], 0.5, 1e-14);
  Case box({.drift = {"0.7"}, .diffusion = {"0.2"}}, {axis("x", 0, 1, 10)});
  const auto at_wall = states(box.problem(), from_point({0.99}, {0}));
  EXPECT_NEAR(at_wall[0][9], 1, 1e-14);
}

class EveryMethod : public testing::TestWithParam<std::string> {};

TEST_P(EveryMethod, KeepsTotalMassAndSignAndComposes) {
  for (const bool reversible : {true, false}) {
    if (!reversible && GetParam() == "chebyshev") continue;
    Case plane = reversible ? double_well(24) : rotating(24);
    EvolveInput input = from_formula("exp(-((x+1)^2+y^2)/0.2)", {0.4, 1});
    if (reversible) input.formula = formula("exp(-4*((x^2-1)^2+y^2))*(1+0.9*tanh(3*x))");
    input.method = GetParam();
    input.tolerance = 1e-9;
    validate(plane.problem(), input);
    const auto both = states(plane.problem(), input);
    for (const std::vector<double>& masses : both) {
      EXPECT_NEAR(sum(masses), 1, 1e-12);
      EXPECT_GE(*std::min_element(masses.begin(), masses.end()), -1e-10);
    }
    // exp((s + t) M) = exp(t M) exp(s M)
    const base::UniqueVec middle = plane->grid().vector();
    {
      const base::WriteArray entries(middle.get());
      plane->grid().for_each_cell([&](PetscInt local, const spaces::Index& cell) {
        entries[static_cast<std::size_t>(local)] =
            both[0][static_cast<std::size_t>(plane->grid().natural(cell))];
      });
    }
    input.times = {0.6};
    const auto rest = states(plane.problem(), input, middle.get());
    EXPECT_LT(distance(rest[0], both[1]), 3e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod,
                         testing::Values("auto", "chebyshev", "shift_invert", "uniformisation"));

TEST(Evolution, MethodsAgree) {
  Case well = double_well(40);
  EvolveInput input = from_formula("exp(-4*((x^2-1)^2+y^2))*(1+0.9*tanh(3*x))", {0.1, 5});
  input.tolerance = 1e-9;
  input.method = "uniformisation";
  const auto expected = states(well.problem(), input);
  for (const char* method : {"chebyshev", "shift_invert"}) {
    for (const char* solver : {"direct", "iterative"}) {
      input.method = method;
      input.solver = solver;
      EvolveChoice used;
      const auto result = states(well.problem(), input, &used);
      EXPECT_TRUE(used.symmetrised);
      for (std::size_t j = 0; j < result.size(); ++j) {
        EXPECT_LT(distance(result[j], expected[j]), 2e-9) << method << " " << solver;
      }
    }
  }
}

TEST(Evolution, LongTimesEndInEquilibrium) {
  Case well = double_well(24);
  EvolveInput input = from_formula("exp(-((x+1)^2+y^2)/0.2)", {1, 2000});
  const auto result = states(well.problem(), input);
  const auto root = support::gathered(well->grid(), well->root_of_masses());
  std::vector<double> equilibrium;
  for (const double value : root) equilibrium.push_back(value * value);
  EXPECT_LT(distance(result[1], equilibrium), 1e-7);
  EXPECT_GT(distance(result[0], equilibrium), 0.5);
}

TEST(Evolution, AStartFarUpThePotentialIsNotSymmetrised) {
  Case well({.potential = "(x^2-1)^2", .diffusion = {"0.05"}}, {axis("x", -2.5, 2.5, 128)});
  EXPECT_TRUE(well->reversible());
  for (const char* method : {"auto", "shift_invert"}) {
    EvolveInput input = from_point({-2.3}, {0.05, 1});
    input.method = method;
    EvolveChoice used;
    const auto result = states(well.problem(), input, &used);
    EXPECT_FALSE(used.symmetrised);
    EXPECT_THAT(used.reason, HasSubstr("larger in the symmetrised measure"));
    input.method = "uniformisation";
    const auto expected = states(well.problem(), input);
    EXPECT_LT(distance(result[0], expected[0]), 2e-8);
    EXPECT_LT(distance(result[1], expected[1]), 2e-8);
  }
  EvolveInput forced = from_point({-2.3}, {1});
  forced.method = "chebyshev";
  EXPECT_THAT(message_of([&] { states(well.problem(), forced); }, base::ExitCode::not_converged),
              HasSubstr("rounding alone errs by"));
}

TEST(Evolution, TheChoiceFollowsTheWork) {
  const auto chosen = [](Case& problem, double time) {
    EvolveInput input = from_formula("exp(-4*((x^2-1)^2+y^2))*(1+0.9*tanh(3*x))", {time});
    const base::UniqueVec start = initial_masses(problem.problem(), input);
    return choose_method(problem.problem(), input, start.get()).method;
  };
  Case well = double_well(32);
  EXPECT_EQ(chosen(well, 0.1), "chebyshev");
  EXPECT_EQ(chosen(well, 1e5), "shift_invert");
  Case rotor = rotating(32);
  EXPECT_EQ(chosen(rotor, 0.1), "uniformisation");
  EXPECT_EQ(chosen(rotor, 1e4), "shift_invert");
}

/// Brownian motion between absorbing walls: in the end the mass decays with the slowest rate
/// pi^2 D / (2 L)^2 and leaves through both walls alike.
TEST(Evolution, EscapesAtTheExitRate) {
  std::vector<double> errors;
  const double exact = std::numbers::pi * std::numbers::pi * 0.5 / 4;
  for (const PetscInt cells : {32, 64}) {
    Case box({.drift = {"0"}, .diffusion = {"0.5"}},
             {axis("x", -1, 1, cells, Boundary::absorbing)});
    EvolveInput input = from_point({0.1}, {0.5, 4, 5});
    input.tolerance = 1e-11;
    const base::UniqueVec start = initial_masses(box.problem(), input);
    std::vector<double> mass;
    std::vector<double> flux;
    propagate(box.problem(), input, choose_method(box.problem(), input, start.get()), start.get(),
              [&](std::size_t, Vec masses, double) {
                mass.push_back(base::sum(masses));
                const auto walls = operators::wall_fluxes(box->fluxes(), masses);
                ASSERT_EQ(walls.size(), 2u);
                flux.push_back(walls[0].second + walls[1].second);
                EXPECT_LE(walls[0].second, walls[1].second + 1e-9); // it started on the right
              });
    const double rate = std::log(mass[1] / mass[2]);
    EXPECT_NEAR(flux[2] / mass[2], rate, 1e-6);
    EXPECT_LT(mass[0], 1);
    errors.push_back(rate - exact);
  }
  EXPECT_LT(std::abs(errors[1]), 1e-3);
  EXPECT_NEAR(support::order(errors[0], errors[1]), 2, 0.1);
}

/// Summed from Poisson-weighted powers by a program of its own; the same on any number of ranks.
TEST(Evolution, KnownNumbers) {
  Case well = double_well(40);
  EvolveInput input = from_formula("exp(-((x+1)^2+y^2)/0.1)", {0.5, 2});
  input.tolerance = 1e-11;
  const auto well_states = states(well.problem(), input);
  Case rotor = rotating(30);
  input.formula = formula("exp(-((x-1)^2+y^2)/0.3)");
  const auto rotor_states = states(rotor.problem(), input);
  const auto value = [](const std::vector<double>& s, std::size_t i) { return s[i]; };
  EXPECT_NEAR(value(well_states[0], 12 * 40 + 19), 0.03638531964954703, 1e-11);
  EXPECT_NEAR(value(well_states[1], 28 * 40 + 22), 0.00042517661916468056, 1e-11);
  EXPECT_NEAR(moments(rotor->grid(), rotor_states[0]).mean, 0.5085533887547579, 1e-10);
  EXPECT_NEAR(moments(rotor->grid(), rotor_states[1]).variance, 0.5163890713716157, 1e-10);
}

TEST(Evolution, WritesAllItKnows) {
  Case box({.drift = {"-x"}, .diffusion = {"0.5"}}, {axis("x", -2, 2, 40, Boundary::absorbing)});
  EvolveInput input = from_formula("exp(-x^2)", {0, 0.5, 2});
  input.observables = {{"mean_x", formula("x")}, {"energy", formula("x^2")}};
  validate(box.problem(), input);
  const io::TemporaryFolder folder;
  const std::string path = folder.file("result.h5");
  {
    io::ResultFile file(test_session().comm(), path);
    evolve(box.problem(), input, file);
    file.commit();
  }
  const io::ReadFile file(test_session().comm(), path);
  EXPECT_EQ(file.read_small("/evolve/times", 10), input.times);
  const auto mass = file.read_small("/evolve/mass", 10);
  const auto escaped = file.read_small("/evolve/escaped", 10);
  const auto energy = file.read_small("/evolve/observables/energy", 10);
  const auto error = file.read_small("/evolve/error_estimate", 10);
  const auto density = file.read_small("/evolve/density", 1000);
  ASSERT_EQ(density.size(), 3u * 40u);
  for (std::size_t j = 0; j < 3; ++j) {
    double total = 0;
    double square = 0;
    for (std::size_t i = 0; i < 40; ++i) {
      const double x = box->grid().axis(0).center(static_cast<PetscInt>(i));
      total += 0.1 * density[40 * j + i];
      square += 0.1 * density[40 * j + i] * x * x;
    }
    EXPECT_NEAR(mass[j], total, 1e-12);
    EXPECT_NEAR(escaped[j], 1 - total, 1e-12);
    EXPECT_NEAR(energy[j], square, 1e-12);
    EXPECT_LE(error[j], input.tolerance);
  }
  const auto lower = file.read_small("/evolve/wall_flux/x_lower", 10);
  const auto upper = file.read_small("/evolve/wall_flux/x_upper", 10);
  EXPECT_NEAR(lower[2], upper[2], 1e-9);
  EXPECT_GT(lower[2], 0);
  EXPECT_NEAR(file.read_small("/evolve/observables/mean_x", 10)[2], 0, 1e-9);

  // The densities of a result are a start for another run.
  EvolveInput again;
  again.initial = InitialInput{};
  again.initial->file = path;
  again.initial->dataset = "/evolve/minimum";
  again.times = {1};
  EXPECT_THAT(message_of([&] { validate(box.problem(), again); }), HasSubstr("/evolve/minimum"));
}

TEST(Evolution, StartsFromAResultFile) {
  Case ring({.drift = {"0.7"}, .diffusion = {"0.2"}}, {axis("x", 0, 1, 12, Boundary::periodic)});
  const io::TemporaryFolder folder;
  const std::string path = folder.file("start.h5");
  const base::UniqueVec density =
      ring->grid().sampled([](std::span<const double> x) { return 1 + x[0]; });
  {
    io::ResultFile file(test_session().comm(), path);
    const base::ReadArray entries(density.get());
    file.write("/stationary/density", entries.span(), ring->grid().slab(),
               {{"meaning", std::string("test")}, {"unit", std::string("-")}});
    file.commit();
  }
  EvolveInput input;
  input.initial = InitialInput{};
  input.initial->file = path;
  input.times = {0};
  validate(ring.problem(), input);
  const auto result = states(ring.problem(), input);
  EXPECT_NEAR(sum(result[0]), 1, 1e-14);
  EXPECT_NEAR(result[0][11] / result[0][0], (1 + 11.5 / 12) / (1 + 0.5 / 12), 1e-12);
}

TEST(EvolutionInput, SaysWhatIsWrong) {
  Case well = double_well(20);
  const auto problem_of = [&](const EvolveInput& input) {
    return message_of([&] { validate(well.problem(), input); });
  };
  EXPECT_THAT(problem_of(from_formula("x", {1})), HasSubstr("is a density, but negative"));
  EXPECT_THAT(problem_of(from_formula("x", {1})), HasSubstr("test.yaml:1: 'evolve.initial'"));
  EXPECT_THAT(problem_of(from_formula("1/(x-x)", {1})), HasSubstr("'evolve.initial'"));
  EXPECT_THAT(problem_of(from_formula("exp(-1e9*(x-7)^2)", {1})), HasSubstr("is 0 at every cell"));
  EXPECT_THAT(problem_of(from_formula("z", {1})), HasSubstr("z"));
  EXPECT_THAT(problem_of(from_point({1}, {1})), HasSubstr("1 coordinates, but the model has 2"));
  EXPECT_THAT(problem_of(from_point({1, 9}, {1})),
              HasSubstr("y = 9, but the axis covers [-2.5, 2.5]"));
  EvolveInput input = from_formula("1", {1});
  input.observables = {{"bad", formula("log(x)", "evolve.observables.bad")}};
  EXPECT_THAT(problem_of(input), HasSubstr("evolve.observables.bad"));
  input = from_formula("1", {1});
  input.method = "chebyshev";
  Case rotor = rotating(10);
  EXPECT_THAT(message_of([&] { validate(rotor.problem(), input); }),
              HasSubstr("needs detailed balance, but the drift does work round closed loops"));
  Case kinetic({.drift = {"v", "-x-v"}, .diffusion = {"0", "1"}},
               {axis("x", -2, 2, 10), axis("v", -2, 2, 10)}, {.undiffused = "second_order"});
  input.method = "uniformisation";
  EXPECT_THAT(message_of([&] { validate(kinetic.problem(), input); }),
              HasSubstr("needs rates >= 0"));
}

struct Wrapped {
  EvolveInput evolve;
};
void declare(config::Declarer& declarer, Wrapped& wrapped) {
  declarer.section("evolve", wrapped.evolve, {.help = "test"});
}

std::string read_error(const std::string& yaml) {
  return message_of([&] { config::read<Wrapped>(config::parse(yaml, "a.yaml")); });
}

TEST(EvolutionInput, ReadsItsSection) {
  const auto input = config::read<Wrapped>(config::parse(
      "evolve:\n  initial: {point: [1, 2]}\n  times: [0, 1, 10]\n  observables: {mean_x: x}\n",
      "a.yaml"));
  EXPECT_EQ(input.evolve.initial->point, (std::vector<double>{1, 2}));
  EXPECT_EQ(input.evolve.times, (std::vector<double>{0, 1, 10}));
  EXPECT_EQ(input.evolve.observables[0].first, "mean_x");
  EXPECT_THAT(read_error("evolve: {initial: x, times: [1, 1]}"), HasSubstr("1 is followed by 1"));
  EXPECT_THAT(read_error("evolve: {initial: x, times: [-1]}"), HasSubstr("times"));
  EXPECT_THAT(read_error("evolve: {initial: x}"), HasSubstr("times"));
  EXPECT_THAT(read_error("evolve: {times: [1]}"), HasSubstr("initial"));
  EXPECT_THAT(read_error("evolve: {initial: {}, times: [1]}"), HasSubstr("'point' and 'file'"));
}

} // namespace
} // namespace komori::analyses
