#include "operators/block_multigrid.hpp"

#include <cmath>
#include <memory>
#include <numbers>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using linalg::BlockView;
using spaces::Boundary;
using support::axis;
using support::Case;
using support::near;
using support::SdeText;

constexpr double pi = std::numbers::pi;

struct Block {
  Block(std::size_t rows, int columns)
      : values(rows * static_cast<std::size_t>(columns), 0), view{values.data(), rows, columns,
                                                                  columns} {}
  std::vector<double> values;
  BlockView view;
};

Block random_block(const spaces::Grid& grid, int columns) {
  Block block(static_cast<std::size_t>(grid.local_cells()), columns);
  const base::Random random(3);
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    for (int j = 0; j < columns; ++j) {
      const auto counter = static_cast<std::uint64_t>(grid.natural(cell) * columns + j);
      block.values[static_cast<std::size_t>(local * columns + j)] = random.uniform(counter) - 0.5;
    }
  });
  return block;
}

double norm(const spaces::Grid& grid, const Block& block) {
  double sum = 0;
  for (const double value : block.values) sum += value * value;
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, grid.comm());
  return std::sqrt(sum);
}

/// The factor by which one cycle reduces the error of A x = 0 after the first few.
double contraction(Case& c, double shift) {
  const spaces::Grid& grid = c->grid();
  BlockMultigrid cycle(symmetric_stencil(c->fluxes()), shift);
  constexpr int columns = 4;
  Block x = random_block(grid, columns);
  Block r(x.view.rows, columns);
  double before = 0;
  constexpr int settled = 6;
  constexpr int cycles = 12;
  for (int i = 0; i < cycles; ++i) {
    cycle.apply(x.view, r.view);
    for (std::size_t n = 0; n < r.values.size(); ++n) r.values[n] -= shift * x.values[n];
    cycle.precondition(r.view, r.view);
    for (std::size_t n = 0; n < r.values.size(); ++n) x.values[n] -= r.values[n];
    if (i + 1 == settled) before = norm(grid, x);
  }
  return std::pow(norm(grid, x) / before, 1.0 / (cycles - settled));
}

std::unique_ptr<Case> well(std::vector<PetscInt> cells, const std::string& scale = "1") {
  static const std::vector<std::string> names{"x", "y", "z", "u"};
  std::string potential = "(x^2-1)^2";
  std::vector<spaces::Axis> axes;
  for (std::size_t k = 0; k < cells.size(); ++k) {
    axes.push_back(axis(names[k], -2.5, 2.5, cells[k]));
    if (k > 0) potential += "+" + names[k] + "^2";
  }
  return std::make_unique<Case>(
      SdeText{.potential = scale + "*(" + potential + ")", .diffusion = {"0.25"}}, std::move(axes));
}

// A cycle with point smoothing reduces errors to a third in two dimensions and, as more and more of
// the rough errors vary along one axis only, to somewhat less than a half in three and four. The
// bounds leave no room for a defect: one wrong weight makes the factor exceed 0.6 or 1.
constexpr double in_plane = 0.42;
constexpr double in_space = 0.5;

TEST(BlockMultigrid, contracts_alike_on_all_grids) {
  for (const PetscInt cells : {33, 64, 100, 256}) {
    EXPECT_LT(contraction(*well({cells, cells}), -0.1), in_plane) << cells;
  }
  EXPECT_LT(contraction(*well({16, 16, 16}), -0.1), in_space);
  EXPECT_LT(contraction(*well({40, 24, 32}), -0.1), in_space);
  EXPECT_LT(contraction(*well({12, 12, 12, 12}), -0.1), in_space);
}

TEST(BlockMultigrid, contracts_whatever_the_masses) {
  EXPECT_LT(contraction(*well({128, 128}, "8"), -0.1), in_plane);
  EXPECT_LT(contraction(*well({64, 64}, "40"), -0.1), in_plane); // masses down to exp(-4000)
}

TEST(BlockMultigrid, contracts_with_anisotropic_diffusion_and_graded_cells) {
  Case anisotropic({.potential = "(x^2-1)^2+y^2", .diffusion = {"0.25", "0.0025"}},
                   {axis("x", -2.5, 2.5, 128), axis("y", -2.5, 2.5, 128)});
  EXPECT_LT(contraction(anisotropic, -0.1), in_plane);
  std::vector<double> edges;
  for (int i = 0; i <= 96; ++i) edges.push_back(std::sinh(4.0 * i / 96 - 2));
  Case graded(
      {.potential = "x^2+y^2", .diffusion = {"0.5"}},
      {spaces::Axis("x", edges, Boundary::reflecting, Boundary::reflecting), axis("y", -3, 3, 64)});
  // Couplings of the two axes differ by up to 14 in some places and are equal in others.
  EXPECT_LT(contraction(graded, -0.1), 0.55);
}

TEST(BlockMultigrid, contracts_at_all_boundaries) {
  for (const PetscInt cells : {65, 128}) { // an odd ring has neighbours of one colour
    Case ring({.potential = "cos(x)+cos(y)", .diffusion = {"0.25"}},
              {axis("x", 0, 2 * pi, cells, Boundary::periodic),
               axis("y", 0, 2 * pi, cells, Boundary::periodic)});
    EXPECT_LT(contraction(ring, -0.1), in_plane) << cells;
    Case box({.potential = "x^2+y^2", .diffusion = {"0.25"}},
             {axis("x", -2, 2, cells, Boundary::absorbing),
              axis("y", -2, 2, cells, Boundary::absorbing)});
    EXPECT_LT(contraction(box, 0), in_plane) << cells;
  }
}

TEST(BlockMultigrid, is_exact_where_the_factorisation_does_it_all) {
  // In single precision: six cycles leave what one would, squared six times.
  EXPECT_LT(contraction(*well({7, 5}), -0.1), 1e-5);
}

TEST(BlockMultigrid, product_is_that_of_the_assembled_matrix) {
  Case c({.potential = "(x^2-1)^2+x*y+y^2", .diffusion = {"0.25"}},
         {axis("x", -2, 2, 9), axis("y", -2, 2, 7, Boundary::absorbing)});
  const spaces::Grid& grid = c->grid();
  BlockMultigrid op(symmetric_stencil(c->fluxes()), 0);
  StencilProduct functions(op.stencil(), Form::functions);
  for (const int columns : {1, 3, 5, 13, 17}) {
    const Block x = random_block(grid, columns);
    Block ax(x.view.rows, columns);
    Block gx(x.view.rows, columns);
    op.apply(x.view, ax.view);
    functions.apply(x.view, gx.view);
    const base::UniqueVec from = grid.vector();
    const base::UniqueVec to = grid.vector();
    for (int j = 0; j < columns; ++j) {
      const auto compare = [&](const Mat matrix, const Block& block, double sign) {
        {
          const base::WriteArray entries(from.get());
          for (std::size_t i = 0; i < x.view.rows; ++i) {
            entries[i] =
                x.values[i * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j)];
          }
        }
        base::check(MatMult(matrix, from.get(), to.get()));
        const base::ReadArray expected(to.get());
        for (std::size_t i = 0; i < x.view.rows; ++i) {
          const double value =
              block.values[i * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j)];
          EXPECT_NEAR(sign * value, expected[i], 1e-14 * c->generator().facts.norm);
        }
      };
      compare(c->symmetrised_entries().matrix.get(), ax, 1);
      compare(c->generator_entries(), gx, -1);
    }
  }
  EXPECT_TRUE(near(op.stencil().norm(), c->symmetrised().facts.norm, {.relative = 1e-14}));
}

} // namespace
} // namespace komori::operators
