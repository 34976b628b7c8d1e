#include "operators/face_stencil.hpp"

#include <array>
#include <numbers>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "linalg/recurrence.hpp"
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

/// What a recurrence leaves behind: the last two vectors and the sums.
std::vector<base::UniqueVec> recurred(Mat matrix, const spaces::Grid& grid, double norm,
                                      const linalg::ThreeTerms& terms, std::vector<int> steps) {
  const linalg::Recurrence recurrence(matrix, random_vector(grid).get());
  std::vector<base::UniqueVec> vectors;
  for (int i = 0; i < 4; ++i) {
    vectors.push_back(random_vector(grid));
    base::check(VecScale(vectors.back().get(), i + 1));
  }
  const linalg::ThreeTerms scaled{terms.product / norm, terms.current, terms.previous};
  double weight = 0;
  for (const int count : steps) {
    const std::array<linalg::RunningSum, 2> sums{{{vectors[2].get(), {weight + 1, weight + 2}},
                                                  {vectors[3].get(), {weight - 1, 1 - weight}}}};
    recurrence.take({.terms = scaled,
                     .previous = vectors[0].get(),
                     .current = vectors[1].get(),
                     .steps = count,
                     .sums = sums});
    if (count == 1) std::swap(vectors[0], vectors[1]);
    weight += 0.5 * count;
  }
  return vectors;
}

void expect_same_recurrences(const SdeText& text, std::vector<spaces::Axis> axes) {
  Case c(text, std::move(axes));
  const spaces::Grid& grid = c->grid();
  const auto compare = [&](Mat stencil, Mat assembled, double norm) {
    for (const linalg::ThreeTerms& terms :
         {linalg::ThreeTerms{-1, 2, -1}, linalg::ThreeTerms{0.5, 1, 0}}) {
      const auto expected = recurred(assembled, grid, norm, terms, {1, 2, 2, 1});
      const auto found = recurred(stencil, grid, norm, terms, {1, 2, 2, 1});
      for (std::size_t i = 0; i < found.size(); ++i) {
        PetscReal size = 0;
        PetscReal difference = 0;
        base::check(VecNorm(expected[i].get(), NORM_INFINITY, &size));
        base::check(VecAXPY(found[i].get(), -1, expected[i].get()));
        base::check(VecNorm(found[i].get(), NORM_INFINITY, &difference));
        // Six steps, each some ten operations on numbers no larger than the last ones.
        EXPECT_LE(difference, 1e-14 * std::max(size, 1.0)) << "vector " << i;
      }
    }
  };
  const Generator stencil = matrix_free_generator(c->fluxes());
  const Generator assembled = assemble_generator(c->fluxes());
  EXPECT_EQ(linalg::Recurrence(stencil.matrix.get(), grid.vector().get()).at_once(), 2);
  EXPECT_EQ(linalg::Recurrence(assembled.matrix.get(), grid.vector().get()).at_once(), 1);
  compare(stencil.matrix.get(), assembled.matrix.get(), assembled.facts.norm);
  base::UniqueMat transposed;
  base::check(MatTranspose(assembled.matrix.get(), MAT_INITIAL_MATRIX, transposed.put()));
  compare(matrix_free_transposed(stencil.matrix.get()).get(), transposed.get(),
          assembled.facts.norm);
  if (!c->reversible()) return;
  const Generator symmetrised = matrix_free_symmetrised(c->fluxes());
  compare(symmetrised.matrix.get(), assemble_symmetrised(c->fluxes()).matrix.get(),
          symmetrised.facts.norm);
}

TEST(FaceStencil, takes_the_steps_of_recurrences_at_once) {
  expect_same_recurrences({.potential = "(x^2-1)^2", .diffusion = {"0.25"}},
                          {axis("x", -2, 2, 17)});
  expect_same_recurrences({.potential = "(x^2-1)^2 + x*y + y^2", .diffusion = {"0.25"}},
                          {axis("x", -2, 2, 9), axis("y", -2, 2, 12)});
  expect_same_recurrences(
      {.drift = {"1", "-y"}, .diffusion = {"0.3"}},
      {axis("x", 0, 1, 17, Boundary::periodic), axis("y", -3, 3, 8, Boundary::absorbing)});
  expect_same_recurrences({.drift = {"-x", "1", "-z"}, .diffusion = {"0.3"}},
                          {axis("x", -1, 1, 9, Boundary::absorbing),
                           axis("y", 0, 1, 5, Boundary::periodic),
                           axis("z", -1, 1, 6, Boundary::periodic)});
  expect_same_recurrences(
      {.potential = "x^2 + y^2 + z^2 + x*z + u^2", .diffusion = {"1"}},
      {axis("x", -2, 2, 5), axis("y", -2, 2, 4), axis("z", -2, 2, 6), axis("u", -2, 2, 3)});
}

TEST(FaceStencil, takes_the_steps_of_recurrences_on_the_smallest_grids) {
  expect_same_recurrences({.drift = {"1", "-y"}, .diffusion = {"0.3"}},
                          {axis("x", 0, 1, 2, Boundary::periodic), axis("y", -3, 3, 3)});
  expect_same_recurrences({.drift = {"-x", "-y"}, .diffusion = {"0.3"}},
                          {axis("x", -1, 1, 1), axis("y", -3, 3, 2)});
  expect_same_recurrences({.drift = {"-x"}, .diffusion = {"0.3"}}, {axis("x", -1, 1, 3)});
}

TEST(FaceStencil, does_not_stand_for_wider_schemes) {
  Case wide({.drift = {"v", "-x - v"}, .diffusion = {"0", "0.5"}},
            {axis("x", -3, 3, 12), axis("v", -3, 3, 14)}, {.undiffused = "second_order"});
  EXPECT_FALSE(has_face_stencil(wide->fluxes()));
  EXPECT_FALSE(wide->matrix_free());
}

} // namespace
} // namespace komori::operators
