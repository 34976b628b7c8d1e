#include "analyses/transitions.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::near;
using testing::HasSubstr;

TransitionsInput sets(const std::string& from, const std::string& to) {
  TransitionsInput input;
  if (!from.empty()) input.from = support::formula(from, "transitions.from");
  if (!to.empty()) input.to = support::formula(to, "transitions.to");
  return input;
}

double value_at(Case& c, const base::UniqueVec& field, std::vector<double> point) {
  return c->grid().interpolate(field.get(), point);
}

/// Errors on grids a factor of three apart, so that the same points are cell centres on both.
void expect_second_order(double coarse, double fine) {
  EXPECT_TRUE(near(support::order(coarse, fine, 3), 2, {0.1, 0}))
      << "errors " << coarse << " and " << fine;
}

struct Passage {
  const char* diffusion;
  double exact;
};

class MeanTime : public testing::TestWithParam<Passage> {};

TEST_P(MeanTime, over_the_barrier_converges_at_second_order) {
  // Cells are centred on -1 and 1, so that the target set ends exactly there.
  const auto error = [](PetscInt cells) {
    Case c({.potential = "(x^2-1)^2", .diffusion = {GetParam().diffusion}},
           {axis("x", -2.5, 2.5, cells)});
    const Transitions found = compute_transitions(c.problem(), sets("", "x > 1 - 1e-9"));
    return value_at(c, found.mean_time, {-1}) / GetParam().exact - 1;
  };
  const double coarse = error(105);
  const double fine = error(315);
  expect_second_order(coarse, fine);
  EXPECT_TRUE(near((9 * fine - coarse) / 8, 0, {1e-5, 0})); // fourth order
}

INSTANTIATE_TEST_SUITE_P(Beta1, MeanTime, testing::Values(Passage{"1", 3.56943415912701}));
INSTANTIATE_TEST_SUITE_P(Beta4, MeanTime, testing::Values(Passage{"1/4", 69.2636447608363}));
INSTANTIATE_TEST_SUITE_P(Beta8, MeanTime, testing::Values(Passage{"1/8", 3500.03481118679}));

TEST(ExitTime, from_an_interval) { // E7: mean L^2 - x^2, variance at 0 of 2/3
  const auto errors = [](PetscInt cells) {
    Case c({.drift = {"0"}, .noise = {"1"}}, {axis("x", -1, 1, cells, Boundary::absorbing)});
    const Transitions found = compute_transitions(c.problem(), {});
    return std::array{value_at(c, found.mean_time, {0}) - 1,
                      value_at(c, found.time_deviation, {0}) - std::sqrt(2.0 / 3)};
  };
  const auto coarse = errors(33); // odd: 0 is a centre
  const auto fine = errors(99);
  expect_second_order(coarse[0], fine[0]);
  expect_second_order(coarse[1], fine[1]);
}

TEST(ExitTime, of_a_spring) {
  const auto error = [](PetscInt cells) {
    Case c({.drift = {"-x"}, .noise = {"1"}}, {axis("x", -2, 2, cells, Boundary::absorbing)});
    const Transitions found = compute_transitions(c.problem(), {});
    return value_at(c, found.mean_time, {0}) - 27.4327391524997704;
  };
  expect_second_order(error(51), error(153));
}

TEST(ExitTime, in_two_dimensions_through_one_wall) {
  // Independent axes: the time out along x does not feel y.
  Case line({.drift = {"-x"}, .noise = {"1"}}, {axis("x", -2, 2, 21, Boundary::absorbing)});
  Case plane({.drift = {"-x", "-y"}, .noise = {"1"}},
             {axis("x", -2, 2, 21, Boundary::absorbing), axis("y", -2, 2, 16)});
  const Transitions a = compute_transitions(line.problem(), {});
  const Transitions b = compute_transitions(plane.problem(), {});
  for (const double y : {-1.9, 0.0, 0.7}) {
    EXPECT_TRUE(near(value_at(plane, b.mean_time, {0.3, y}), value_at(line, a.mean_time, {0.3}),
                     {1e-9, 1e-9}));
  }
}

/// `flux`: reactive paths per time; twice that, by symmetry, is the rate.
struct Path {
  const char* potential;
  const char* diffusion;
  double flux;
  double committor; ///< at 0.3
};

class TransitionPath : public testing::TestWithParam<Path> {};

TEST_P(TransitionPath, converges_at_second_order) {
  const Path path = GetParam();
  // On [-2.45, 2.45] with 49 or 147 cells -0.7, 0.3 and 0.7 are centres.
  const auto errors = [&](PetscInt cells) {
    Case c({.potential = path.potential, .diffusion = {path.diffusion}},
           {axis("x", -2.45, 2.45, cells)});
    const Transitions found =
        compute_transitions(c.problem(), sets("x < -0.7 + 1e-9", "x > 0.7 - 1e-9"));
    EXPECT_TRUE(near(found.flux_into_target, found.flux, {0, 1e-10}));
    EXPECT_TRUE(near(found.rate, found.rate_backward, {0, 1e-10})); // by symmetry
    EXPECT_TRUE(near(found.rate, 2 * found.flux, {0, 1e-10}));
    // In equilibrium paths look the same backwards: q- = 1 - q+.
    EXPECT_TRUE(near(value_at(c, found.backward, {0.3}), 1 - value_at(c, found.forward, {0.3}),
                     {1e-10, 0}));
    return std::array{found.flux / path.flux - 1,
                      value_at(c, found.forward, {0.3}) - path.committor};
  };
  const auto coarse = errors(147);
  const auto fine = errors(441);
  expect_second_order(coarse[0], fine[0]);
  expect_second_order(coarse[1], fine[1]);
  EXPECT_TRUE(near((9 * fine[0] - coarse[0]) / 8, 0, {1e-5, 0})); // fourth order
}

INSTANTIATE_TEST_SUITE_P(ColdDoubleWell, TransitionPath,
                         testing::Values(Path{"(x^2-1)^2", "0.125", 1.43022499051289e-4,
                                              .946479166181422}));
INSTANTIATE_TEST_SUITE_P(WarmDoubleWell, TransitionPath,
                         testing::Values(Path{"(x^2-1)^2", "0.5", .0542158912666454,
                                              .803334536435618}));
INSTANTIATE_TEST_SUITE_P(QuarticWell, TransitionPath,
                         testing::Values(Path{"x^4/4 - x^2/2", "0.18", .0264054191687123,
                                              .777809350169121}));

Case maier_stein(PetscInt x = 121, PetscInt y = 81) {
  return {{.drift = {"x - x^3 - 10*x*y^2", "-(1 + x^2)*y"}, .noise = {"0.3"}},
          {axis("x", -1.6, 1.6, x), axis("y", -1, 1, y)}};
}

TransitionsInput maier_stein_sets() {
  return sets("(x+1)^2 + y^2 <= 0.0625", "(x-1)^2 + y^2 <= 0.0625");
}

TEST(MaierStein, flux_and_reactive_probability_of_the_table) {
  Case c = maier_stein();
  const Transitions found = compute_transitions(c.problem(), maier_stein_sets());
  // The same scheme on the same grid, given to eight digits.
  EXPECT_TRUE(near(found.flux, 7.3180014e-3, {0, 2e-8}));
  EXPECT_TRUE(near(found.reactive_probability, 3.9466492e-2, {0, 2e-8}));
  EXPECT_TRUE(near(found.rate_backward, found.rate, {0, 1e-8})); // x -> -x is a symmetry
  EXPECT_TRUE(near(found.flux_into_target, found.flux, {0, 1e-9}));
  EXPECT_TRUE(near(found.mean_path_time, found.reactive_probability / found.flux, {0, 1e-12}));
  // Without detailed balance the way back is another one: q- is not 1 - q+.
  double difference = 0;
  for (const double x : {-0.4, 0.1, 0.4}) {
    for (const double y : {-0.3, 0.2}) {
      difference = std::max(difference, std::abs(value_at(c, found.backward, {x, y}) - 1 +
                                                 value_at(c, found.forward, {x, y})));
    }
  }
  EXPECT_GT(difference, 0.01);
}

TEST(Solvers, agree) {
  Case c = maier_stein(60, 40);
  TransitionsInput input = maier_stein_sets();
  input.solver = "direct";
  const Transitions direct = compute_transitions(c.problem(), input);
  input.solver = "iterative";
  const Transitions iterative = compute_transitions(c.problem(), input);
  EXPECT_LE(direct.residual, 1e-10);
  EXPECT_LE(iterative.residual, 1.1 * input.tolerance);
  EXPECT_TRUE(near(iterative.rate, direct.rate, {0, 1e-6}));
  EXPECT_TRUE(near(iterative.reactive_probability, direct.reactive_probability, {0, 1e-6}));
  EXPECT_TRUE(near(value_at(c, iterative.mean_time, {-1, 0}),
                   value_at(c, direct.mean_time, {-1, 0}), {0, 1e-6}));
}

TEST(Committor, with_an_open_wall_has_no_rate) {
  Case c({.drift = {"0"}, .noise = {"1"}}, {axis("x", -1, 1, 20, Boundary::absorbing)});
  const Transitions found = compute_transitions(c.problem(), sets("x < -0.5", "x > 0.5"));
  EXPECT_TRUE(found.forward);
  EXPECT_FALSE(found.backward);
  EXPECT_FALSE(found.reactive_density);
  EXPECT_TRUE(near(value_at(c, found.forward, {0}), 0.5, {1e-12, 0}));
}

TEST(Section, writes_what_it_found) {
  Case c({.potential = "(x^2-1)^2", .diffusion = {"0.25"}}, {axis("x", -2.5, 2.5, 64)});
  TransitionsInput input = sets("x < -0.7", "x > 0.7");
  input.points = {{-1}, {0}};
  const std::string name = "transitions_np" + std::to_string(test_session().size()) + ".h5";
  io::ResultFile file(test_session().comm(),
                      (std::filesystem::temp_directory_path() / name).string());
  transitions(c.problem(), input, file);
  for (const char* field : {"mean_first_passage_time", "first_passage_time_deviation",
                            "committor_forward", "committor_backward", "reactive_density"}) {
    EXPECT_EQ(file.shape(std::string("/transitions/") + field), (std::vector<hsize_t>{64}));
    EXPECT_EQ(file.shape(std::string("/transitions/points/") + field), (std::vector<hsize_t>{2}));
  }
  EXPECT_EQ(file.shape("/transitions/points/places"), (std::vector<hsize_t>{2, 1}));
}

TEST(Section, wrong_sets_are_named_with_their_remedy) {
  Case c({.potential = "x^2", .diffusion = {"1"}}, {axis("x", -2, 2, 8)});
  const auto error_of = [&](const TransitionsInput& input) {
    return support::message_of([&] { validate(c.problem(), input); });
  };
  EXPECT_EQ(error_of(sets("x < -1", "")),
            "'transitions' needs 'to' (the target set), or a grid with an absorbing wall; add e.g. "
            "'to: x > 0.7'");
  EXPECT_EQ(error_of(sets("x < -1", "x > 5")),
            "test.yaml:1: 'transitions.to' holds for no cell of the grid; widen the condition or "
            "refine the grid");
  EXPECT_EQ(
      error_of(sets("x < 1", "x > 0")),
      "test.yaml:1: 'transitions.from' and test.yaml:1: 'transitions.to' share cells; the two "
      "sets must not overlap");
  EXPECT_EQ(error_of(sets("", "x > -5")),
            "test.yaml:1: 'transitions.to' holds for every cell of the grid");
  TransitionsInput input = sets("x < -1", "x > 1");
  input.points = {{0, 0}};
  EXPECT_THAT(error_of(input), HasSubstr("'transitions.points' has a point of 2 numbers, but the "
                                         "model has 1 variables"));
  input.points = {{3}};
  EXPECT_THAT(error_of(input), HasSubstr("the point x = 3 lies outside the grid"));
}

} // namespace
} // namespace komori::analyses
