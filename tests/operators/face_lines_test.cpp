/// Lines of faces against single ones, and the rows built from them.
#include "operators/face_lines.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "numbers.hpp"
#include "operators/generator.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using spaces::Index;
using support::axis;
using support::SdeText;

struct Problem {
  SdeText text;
  std::vector<spaces::Axis> axes;
  SchemeInput scheme{};
};

/// All ways to get a rate: each rule for the drift, each convention, tilted rings, no diffusion.
std::vector<Problem> problems() {
  const auto x = axis("x", -1.2, 1.3, 7);
  const auto y = axis("y", -1, 1, 9, Boundary::periodic);
  const spaces::Axis graded("y", {-1, -0.7, -0.1, 0.2, 0.9, 1.4}, Boundary::absorbing,
                            Boundary::reflecting);
  const SdeText drift{.drift = {"y - x^3", "exp(-x^2) - y"}, .diffusion = {"0.3"}};
  const SdeText noise{.drift = {"-x", "x"}, .noise = {"0.4 + 0.1*x^2", "0.5 + 0.2*sin(x)"}};
  const auto with = [&](SdeText text, const std::string& convention) {
    text.convention = convention;
    return text;
  };
  return {
      {{.potential = "(x^2-1)^2", .diffusion = {"0.25"}}, {axis("x", -2, 2, 700)}},
      {{.potential = "(x^2-1)^2 + x*cos(pi*y)", .diffusion = {"0.25"}}, {x, y}},
      {{.potential = "(x^2-1)^2 + x*cos(pi*y)", .diffusion = {"0.25"}}, {y, x}},
      {{.potential = "cos(pi*y) - 3*y + x^2", .diffusion = {"0.5"}}, {y, x}},
      {{.potential = "cos(pi*y) - 3*y + x^2", .diffusion = {"0.5"}}, {x, y}},
      {{.potential = "300*x^2 + y", .diffusion = {"0.01"}}, {x, graded}},
      {{.potential = "x^2 + y", .drift = {"-y", "x"}, .diffusion = {"0.1", "0.2"}}, {x, graded}},
      {drift, {x, graded}},
      {drift, {x, graded}, {.face_drift = "midpoint"}},
      {drift, {graded, x}, {.face_drift = "simpson"}},
      {drift, {x, graded}, {.rates = "square_root"}},
      {with(noise, "ito"), {x, graded}},
      {with(noise, "stratonovich"), {x, graded}},
      {with(noise, "isothermal"), {x, graded}, {.face_drift = "simpson"}},
      {{.drift = {"y", "-y - x"}, .diffusion = {"0", "0.5"}}, {x, graded}},
      {{.drift = {"y", "-y - x"}, .diffusion = {"max(x, 0)", "0.5"}}, {x, graded}},
      {{.potential = "x^2 + y^2/2 + x*z", .diffusion = {"0.3"}},
       {axis("x", -1, 1, 3), axis("y", -1, 1, 4), axis("z", -1, 1, 5)}},
      {{.potential = "x^2", .diffusion = {"0.3"}}, {x, axis("y", 0, 1, 1, Boundary::periodic)}},
      {{.potential = "x^2", .diffusion = {"0.3"}}, {axis("y", 0, 1, 2, Boundary::periodic), x}},
  };
}

models::Sde sde_of(const Problem& problem) {
  std::vector<std::string> names;
  for (const spaces::Axis& axis : problem.axes) names.push_back(axis.name());
  return support::sde(names, problem.text);
}

TEST(FaceLines, agree_with_single_faces) {
  for (const Problem& problem : problems()) {
    const models::Sde sde = sde_of(problem);
    const spaces::Grid grid = support::grid(problem.axes);
    const FaceFluxes fluxes(grid, sde, problem.scheme);
    const int last = grid.dimension() - 1;
    for (int k = 0; k < grid.dimension() && grid.local_cells() > 0; ++k) {
      const auto a = static_cast<std::size_t>(k);
      const spaces::Axis& along = grid.axis(k);
      FaceLines lines(fluxes, k, true);
      grid.for_each_cell([&](PetscInt, const Index& cell) {
        const auto l = static_cast<std::size_t>(last);
        if (cell[l] != grid.block().start[l]) return; // a line's first cell
        auto count = static_cast<std::size_t>(grid.block().count[l]);
        const bool has_last = along.periodic() || cell[a] + grid.block().count[l] < along.cells();
        if (k == last && !has_last) --count;
        if (k != last && !along.periodic() && cell[a] + 1 >= along.cells()) return;
        lines.compute(cell, count);
        for (std::size_t i = 0; i < count; ++i) {
          Index lower = cell;
          lower[l] += static_cast<PetscInt>(i);
          const FaceFlux flux = fluxes.between(k, lower);
          const double up = flux.lower / along.width(along.wrapped(lower[a]));
          const double down = flux.upper / along.width(along.wrapped(lower[a] + 1));
          // An exponential of w errs by w units of the last place: here up to some hundred.
          constexpr support::Tolerance round_off{1e-300, 1e-13};
          EXPECT_TRUE(support::near(lines.up()[i], up, round_off));
          EXPECT_TRUE(support::near(lines.down()[i], down, round_off));
          EXPECT_TRUE(
              support::near(lines.couplings()[i], std::sqrt(up) * std::sqrt(down), round_off));
        }
      });
    }
  }
}

/// Entry by entry the same bits as on one rank, which has all cells in one block.
TEST(FaceLines, rows_do_not_depend_on_the_ranks) {
  for (const Problem& problem : problems()) {
    const models::Sde sde = sde_of(problem);
    const spaces::Grid shared = support::grid(problem.axes);
    const spaces::Grid alone(PETSC_COMM_SELF, problem.axes);
    const FaceFluxes fluxes(shared, sde, problem.scheme);
    const FaceFluxes alone_fluxes(alone, sde, problem.scheme);
    const auto g = support::dense(shared, assemble_generator(fluxes).matrix.get());
    EXPECT_EQ(g, support::dense(alone, assemble_generator(alone_fluxes).matrix.get()));
    const auto a = support::dense(shared, assemble_symmetrised(fluxes).matrix.get());
    EXPECT_EQ(a, support::dense(alone, assemble_symmetrised(alone_fluxes).matrix.get()));
  }
}

void expect_equal(const Generator& one, const Generator& two) {
  PetscBool equal = PETSC_FALSE;
  base::check(MatEqual(one.matrix.get(), two.matrix.get(), &equal));
  EXPECT_TRUE(equal);
  base::check(VecEqual(one.leak.get(), two.leak.get(), &equal));
  EXPECT_TRUE(equal);
  EXPECT_EQ(one.facts.norm, two.facts.norm);
  EXPECT_EQ(one.facts.leak, two.facts.leak);
  EXPECT_EQ(one.facts.nonzeros, two.facts.nonzeros);
  EXPECT_EQ(one.facts.negative, two.facts.negative);
}

TEST(UpdateGenerator, gives_what_assembling_anew_gives) {
  for (const Problem& problem : problems()) {
    const models::Sde sde = sde_of(problem);
    const spaces::Grid grid = support::grid(problem.axes);
    SdeText other_text = problem.text;
    if (!other_text.potential.empty()) other_text.potential += " + sin(x)^2";
    if (!other_text.drift.empty()) other_text.drift[0] += " + x/3";
    const models::Sde other = sde_of({other_text, problem.axes, problem.scheme});
    const FaceFluxes fluxes(grid, sde, problem.scheme);
    const FaceFluxes other_fluxes(grid, other, problem.scheme);
    Generator generator = assemble_generator(fluxes);
    const Mat before = generator.matrix.get();
    const Generator fresh = assemble_generator(other_fluxes);
    update_generator(other_fluxes, false, generator);
    EXPECT_EQ(generator.matrix.get(), before); // in place
    expect_equal(generator, fresh);
    Generator symmetrised = assemble_symmetrised(fluxes);
    expect_equal(assemble_symmetrised_like(fluxes, fresh), symmetrised);
    update_generator(other_fluxes, true, symmetrised);
    expect_equal(symmetrised, assemble_symmetrised(other_fluxes));
  }
}

TEST(UpdateGenerator, of_wider_schemes_assembles_anew) {
  const SchemeInput fromm{.undiffused = "second_order"};
  const Problem problem{{.drift = {"y", "-y - x"}, .diffusion = {"0", "0.5"}},
                        {axis("x", -1, 1, 8), axis("y", -1, 1, 6)},
                        fromm};
  const models::Sde sde = sde_of(problem);
  const spaces::Grid grid = support::grid(problem.axes);
  const FaceFluxes fluxes(grid, sde, fromm);
  Generator generator = assemble_generator(fluxes);
  update_generator(fluxes, false, generator);
  expect_equal(generator, assemble_generator(fluxes));
}

} // namespace
} // namespace komori::operators
