#include "operators/projection.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "operators/orthogonal_dynamics.hpp"
#include "operators/orthogonal_resolvent.hpp"
#include "operators/resolved.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using base::check;
using support::near;
using support::noise;

spaces::Grid plane() {
  return support::grid({support::axis("x", -2, 2, 12), support::axis("y", -2, 2, 9)});
}

base::UniqueVec weights(const spaces::Grid& grid) {
  base::UniqueVec w = grid.sampled(
      [](std::span<const double> x) { return std::exp(-x[0] * x[0] - x[0] * x[1] - x[1] * x[1]); });
  check(VecScale(w.get(), 1 / base::sum(w.get())));
  return w;
}

ProjectionInput of_kind(const std::string& kind) {
  ProjectionInput input;
  input.kind = kind;
  input.origin = {"test.yaml", 1};
  return input;
}

std::vector<ProjectionInput> all_kinds() {
  ProjectionInput observables = of_kind("observables");
  observables.observables = support::formulas({"x", "x^2*y", "y-x"}, "projection.observables");
  ProjectionInput variables = of_kind("variables");
  variables.variables = {"x"};
  ProjectionInput coarse = variables;
  coarse.cells = {5};
  ProjectionInput sets = of_kind("sets");
  sets.sets =
      support::formulas({"x < 0", "x >= 0 && y < 0.5", "x >= 0 && y >= 0.5"}, "projection.sets");
  return {observables, variables, coarse, sets};
}

double distance(Vec a, Vec b) {
  const base::UniqueVec rest = base::duplicate(a);
  check(VecWAXPY(rest.get(), -1, a, b));
  return base::norm2(rest.get());
}

TEST(Projection, is_idempotent_self_adjoint_and_orthogonal_to_its_complement) {
  const spaces::Grid grid = plane();
  const base::UniqueVec w = weights(grid);
  const Names names{{"x", "y"}, {}};
  const base::UniqueVec u = noise(grid, 1);
  const base::UniqueVec v = noise(grid, 2);
  const base::UniqueVec pu = grid.vector();
  const base::UniqueVec pv = grid.vector();
  const base::UniqueVec again = grid.vector();
  for (const ProjectionInput& input : all_kinds()) {
    const Resolved resolved = resolve(grid, input, names, w.get(), true);
    const Projection& p = *resolved.projection;
    p.apply(u.get(), pu.get());
    p.apply(pu.get(), again.get());
    EXPECT_LT(distance(pu.get(), again.get()), 1e-11 * base::norm2(u.get())) << resolved.text;
    p.apply(v.get(), pv.get());
    EXPECT_TRUE(near(p.product(pu.get(), v.get()), p.product(u.get(), pv.get()), {1e-13, 0}));
    check(VecCopy(u.get(), again.get()));
    p.complement(again.get()); // Q u
    p.apply(again.get(), pu.get());
    EXPECT_LT(base::norm2(pu.get()), 1e-11 * base::norm2(u.get())) << resolved.text;
    // The transpose is that of the same matrix.
    p.apply(u.get(), pu.get());
    p.apply_transposed(v.get(), pv.get());
    EXPECT_TRUE(near(base::dot(pu.get(), v.get()), base::dot(u.get(), pv.get()), {1e-11, 0}));
    // The constant belongs to every range here, and so do the functions asked for.
    check(VecSet(again.get(), 1));
    p.complement(again.get());
    EXPECT_LT(base::norm2(again.get()), 1e-11);
    for (const base::UniqueVec& f : resolved.functions) {
      check(VecCopy(f.get(), again.get()));
      p.complement(again.get());
      EXPECT_LT(base::norm2(again.get()), 1e-10 * base::norm2(f.get()));
    }
  }
}

TEST(Projection, conditional_expectation_is_the_weighted_mean_over_what_is_not_seen) {
  const spaces::Grid grid = plane();
  const base::UniqueVec w =
      grid.sampled([](std::span<const double> x) { return (2.5 + x[0]) * (3 + x[1]); });
  check(VecScale(w.get(), 1 / base::sum(w.get())));
  ProjectionInput input = of_kind("variables");
  input.variables = {"x"};
  const Resolved resolved = resolve(grid, input, {{"x", "y"}, {}}, w.get(), true);
  const base::UniqueVec y = grid.sampled([](std::span<const double> x) { return x[0] * x[1]; });
  const base::UniqueVec mean = grid.vector();
  resolved.projection->apply(y.get(), mean.get());
  // <y> with weight 3 + y on nine cells of width 4/9: sum y^2 / (3 * 9).
  double square = 0;
  for (int j = 0; j < 9; ++j) square += std::pow(-2 + 4.0 / 9 * (j + 0.5), 2);
  const base::UniqueVec expected =
      grid.sampled([&](std::span<const double> x) { return x[0] * square / 27; });
  EXPECT_LT(distance(mean.get(), expected.get()), 1e-12);
}

TEST(OrthogonalResolvent, both_ways_solve_and_so_do_their_transposes) {
  support::Case c({.drift = {"-x+y", "-2*x-y"}, .diffusion = {"1", "0.5"}},
                  {support::axis("x", -2, 2, 12), support::axis("y", -2, 2, 9)});
  const spaces::Grid& grid = c.problem().grid();
  const base::UniqueVec w = weights(grid);
  const Mat entries = c.problem().generator_entries();
  const double shift = 0.7;
  for (const ProjectionInput& input : all_kinds()) {
    const Resolved resolved = resolve(grid, input, {{"x", "y"}, {}}, w.get(), true);
    const Projection& p = *resolved.projection;
    std::vector<std::unique_ptr<OrthogonalResolvent>> ways;
    ways.push_back(eliminated_resolvent(
        std::make_shared<ShiftedSolver>(entries, shift, linalg::Method::direct, 1e-12, "memory_"),
        p));
    if (p.partition()) ways.push_back(bordered_resolvent(entries, shift, p, "memory_"));
    const base::UniqueMat shell = orthogonal_dynamics(entries, p);
    const base::UniqueVec x = grid.vector();
    const base::UniqueVec image = grid.vector();
    for (const auto& way : ways) {
      const base::UniqueVec b = noise(grid, 3);
      p.complement(b.get());
      way->solve(b.get(), x.get());
      check(MatMult(shell.get(), x.get(), image.get()));
      check(VecAXPBY(image.get(), shift, -1, x.get()));
      EXPECT_LT(distance(image.get(), b.get()), 1e-9 * base::norm2(b.get())) << resolved.text;
      const base::UniqueVec m = noise(grid, 4);
      p.complement_transposed(m.get());
      way->solve_transposed(m.get(), x.get());
      check(MatMultTranspose(shell.get(), x.get(), image.get()));
      check(VecAXPBY(image.get(), shift, -1, x.get()));
      EXPECT_LT(distance(image.get(), m.get()), 1e-9 * base::norm2(m.get())) << resolved.text;
    }
  }
}

} // namespace
} // namespace komori::operators
