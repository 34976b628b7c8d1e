#include "operators/face_stencil.hpp"

#include <numbers>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::SdeText;

constexpr double pi = std::numbers::pi;

base::UniqueVec random_vector(const spaces::Grid& grid) {
  base::UniqueVec vector = grid.vector();
  const base::Random random(11);
  const base::WriteArray entries(vector.get());
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    entries[static_cast<std::size_t>(local)] =
        random.uniform(static_cast<std::uint64_t>(grid.natural(cell))) - 0.5;
  });
  return vector;
}

void expect_same(const spaces::Grid& grid, const Generator& stencil, const Generator& assembled) {
  const base::UniqueVec x = random_vector(grid);
  const base::UniqueVec y = grid.vector();
  const base::UniqueVec z = grid.vector();
  PetscReal difference = 0;
  // Both add up a few products of that size, in different order.
  const double round_off = 4e-15 * assembled.facts.norm;
  const auto compare = [&] {
    base::check(VecAXPY(y.get(), -1, z.get()));
    base::check(VecNorm(y.get(), NORM_INFINITY, &difference));
    EXPECT_LE(difference, round_off);
  };
  base::check(MatMult(stencil.matrix.get(), x.get(), y.get()));
  base::check(MatMult(assembled.matrix.get(), x.get(), z.get()));
  compare();
  base::check(MatMultTranspose(stencil.matrix.get(), x.get(), y.get()));
  base::check(MatMultTranspose(assembled.matrix.get(), x.get(), z.get()));
  compare();
  base::check(MatGetDiagonal(stencil.matrix.get(), y.get()));
  base::check(MatGetDiagonal(assembled.matrix.get(), z.get()));
  compare();
  base::check(VecCopy(stencil.leak.get(), y.get()));
  base::check(VecCopy(assembled.leak.get(), z.get()));
  compare();
  EXPECT_NEAR(stencil.facts.norm, assembled.facts.norm, round_off);
  EXPECT_NEAR(stencil.facts.leak, assembled.facts.leak, round_off);
  EXPECT_EQ(stencil.facts.nonzeros, assembled.facts.nonzeros);
}

void expect_same(const SdeText& text, std::vector<spaces::Axis> axes,
                 const SchemeInput& scheme = {}) {
  Case c(text, std::move(axes), scheme);
  expect_same(c->grid(), matrix_free_generator(c->fluxes()), assemble_generator(c->fluxes()));
  if (!c->reversible()) return;
  expect_same(c->grid(), matrix_free_symmetrised(c->fluxes()), assemble_symmetrised(c->fluxes()));
}

TEST(FaceStencil, is_the_assembled_generator) {
  expect_same({.potential = "(x^2-1)^2", .diffusion = {"0.25"}}, {axis("x", -2, 2, 17)});
  expect_same({.potential = "(x^2-1)^2 + x*y + y^2", .diffusion = {"0.25"}},
              {axis("x", -2, 2, 9), axis("y", -2, 2, 12)});
  expect_same({.drift = {"-x + y", "-x - y"}, .noise = {"1 + 0.1*y^2", "0.5"}},
              {axis("x", -2, 2, 9), axis("y", -2, 2, 11)}, {.rates = "square_root"});
  expect_same({.potential = "x^2 + y^2 + z^2 + x*z", .diffusion = {"1", "0.5", "2"}},
              {axis("x", -2, 2, 5), axis("y", -2, 2, 6), axis("z", -2, 2, 7)});
}

TEST(FaceStencil, is_the_assembled_generator_at_all_boundaries) {
  expect_same({.drift = {"v", "-sin(x) - v"}, .diffusion = {"0", "0.5"}},
              {axis("x", 0, 2 * pi, 12, Boundary::periodic), axis("v", -3, 3, 14)});
  expect_same({.drift = {"1", "-y"}, .diffusion = {"0.3"}},
              {axis("x", 0, 1, 7, Boundary::periodic), axis("y", -3, 3, 8, Boundary::absorbing)});
  expect_same({.drift = {"-x", "1", "-z"}, .diffusion = {"0.3"}},
              {axis("x", -1, 1, 4, Boundary::absorbing), axis("y", 0, 1, 5, Boundary::periodic),
               axis("z", -1, 1, 6, Boundary::periodic)});
}

TEST(FaceStencil, is_the_assembled_generator_on_the_smallest_grids) {
  expect_same({.drift = {"1", "-y"}, .diffusion = {"0.3"}},
              {axis("x", 0, 1, 2, Boundary::periodic), axis("y", -3, 3, 3)});
  expect_same({.drift = {"-x", "-y"}, .diffusion = {"0.3"}},
              {axis("x", -1, 1, 1), axis("y", -3, 3, 2)});
  expect_same({.drift = {"-x"}, .diffusion = {"0.3"}}, {axis("x", -1, 1, 3)});
}

TEST(FaceStencil, does_not_stand_for_wider_schemes) {
  Case wide({.drift = {"v", "-x - v"}, .diffusion = {"0", "0.5"}},
            {axis("x", -3, 3, 12), axis("v", -3, 3, 14)}, {.undiffused = "second_order"});
  EXPECT_FALSE(has_face_stencil(wide->fluxes()));
  EXPECT_FALSE(wide->matrix_free());
}

} // namespace
} // namespace komori::operators
