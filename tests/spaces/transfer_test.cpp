#include <gtest/gtest.h>

#include "numbers.hpp"
#include "spaces/cubic_interpolation.hpp"
#include "spaces/halo.hpp"
#include "spaces/interpolation.hpp"
#include "support.hpp"

namespace komori::spaces {
namespace {

using base::check;
using support::axis;
using support::grid;
using support::near;

/// Compares every value of the widened block with the natural number of its cell.
void expect_halo(const Grid& g, PetscInt width) {
  const base::UniqueVec field = g.vector();
  {
    const base::WriteArray values(field.get());
    g.for_each_cell([&](PetscInt i, const Index& cell) {
      values[static_cast<std::size_t>(i)] = static_cast<double>(g.natural(cell));
    });
  }
  Halo halo(g, width);
  halo.update(field.get());
  if (g.local_cells() == 0) return;
  Index low{};
  Index high{};
  PetscInt total = 1;
  for (int k = 0; k < g.dimension(); ++k) {
    const auto a = static_cast<std::size_t>(k);
    low[a] = g.block().start[a] - width;
    high[a] = g.block().start[a] + g.block().count[a] + width;
    if (!g.axis(k).periodic()) {
      low[a] = std::max<PetscInt>(low[a], 0);
      high[a] = std::min(high[a], g.axis(k).cells());
    }
    total *= high[a] - low[a];
  }
  Index cell = low;
  for (PetscInt n = 0; n < total; ++n) {
    Index inside = cell;
    for (int k = 0; k < g.dimension(); ++k) {
      const auto a = static_cast<std::size_t>(k);
      inside[a] = g.axis(k).wrapped(cell[a]);
    }
    EXPECT_EQ(halo(cell), static_cast<double>(g.natural(inside)));
    for (int k = g.dimension() - 1; k >= 0; --k) {
      const auto a = static_cast<std::size_t>(k);
      if (++cell[a] < high[a]) break;
      cell[a] = low[a];
    }
  }
}

TEST(Halo, holds_neighbours_edges_and_corners) {
  expect_halo(grid({axis("x", 0, 1, 9)}), 1);
  expect_halo(grid({axis("x", 0, 1, 8), axis("y", 0, 1, 6)}), 1);
  expect_halo(grid({axis("x", 0, 1, 5), axis("y", 0, 1, 4), axis("z", 0, 1, 6)}), 2);
}

TEST(Halo, wraps_round_periodic_axes) {
  expect_halo(grid({axis("x", 0, 1, 8, Boundary::periodic), axis("y", 0, 1, 6)}), 1);
  expect_halo(
      grid({axis("x", 0, 1, 8, Boundary::periodic), axis("y", 0, 1, 6, Boundary::periodic)}), 2);
  expect_halo(grid({axis("x", 0, 1, 1, Boundary::periodic)}), 1);
  expect_halo(grid({axis("x", 0, 1, 2, Boundary::periodic), axis("y", 0, 1, 1)}), 1);
}

TEST(Halo, follows_the_field) {
  const Grid g = grid({axis("x", 0, 1, 4)});
  const base::UniqueVec field = g.vector();
  Halo halo(g);
  for (const double value : {1.0, 2.0}) {
    base::check(VecSet(field.get(), value));
    halo.update(field.get());
    g.for_each_cell([&](PetscInt, const Index& cell) { EXPECT_EQ(halo(cell), value); });
  }
}

/// Interpolates the samples of `f` from coarse to fine and returns the largest error.
double largest_error(const Grid& coarse, const Grid& fine, const Field& f) {
  const base::UniqueMat matrix = interpolation(coarse, fine);
  const base::UniqueVec from = coarse.sampled(f);
  const base::UniqueVec to = fine.vector();
  base::check(MatMult(matrix.get(), from.get(), to.get()));
  base::check(VecAXPY(to.get(), -1, fine.sampled(f).get()));
  PetscReal error = 0;
  base::check(VecNorm(to.get(), NORM_INFINITY, &error));
  return error;
}

TEST(Interpolation, rows_add_up_to_one) {
  const auto one = [](auto) { return 1.0; };
  const Grid coarse = grid({axis("x", 0, 1, 5), axis("y", 0, 2, 4, Boundary::periodic)});
  const Grid fine = grid({axis("x", 0, 1, 13), axis("y", 0, 2, 8, Boundary::periodic)});
  EXPECT_LE(largest_error(coarse, fine, one), 1e-15); // weights w and 1 - w: one rounding each
  EXPECT_LE(largest_error(fine, coarse, one), 1e-15);
}

TEST(Interpolation, is_exact_for_linear_functions_away_from_walls) {
  // The finer grid's edges stop where the coarse centres do, so no point lies beyond the last one.
  const Axis coarse("x", {0, 1, 3, 4, 8}, Boundary::reflecting, Boundary::reflecting);
  const Grid from = grid({coarse, axis("y", 0, 1, 3)});
  const Grid to = grid({axis("x", 0.5, 6, 9), axis("y", 1.0 / 6, 5.0 / 6, 4)});
  EXPECT_LE(largest_error(from, to, [](auto x) { return 2 - x[0] + 5 * x[1]; }), 1e-14);
}

TEST(Interpolation, carries_a_periodic_function_round_the_seam) {
  const auto error = [](PetscInt cells) {
    return largest_error(grid({axis("x", 0, 1, cells, Boundary::periodic)}),
                         grid({axis("x", 0, 1, 2 * cells, Boundary::periodic)}),
                         [](auto x) { return std::sin(2 * M_PI * x[0]); });
  };
  EXPECT_TRUE(near(support::order(error(32), error(64)), 2, {0.05, 0}));
}

TEST(Interpolation, falls_to_zero_at_absorbing_walls) {
  // Linear functions that vanish at both walls, on either half.
  const Grid coarse = grid({axis("x", -1, 1, 8, Boundary::absorbing)});
  const Grid fine = grid({axis("x", -1, 1, 16, Boundary::absorbing)});
  const base::UniqueMat matrix = interpolation(coarse, fine);
  const base::UniqueVec from = coarse.sampled([](auto x) { return 1 - std::abs(x[0]); });
  const base::UniqueVec to = fine.vector();
  base::check(MatMult(matrix.get(), from.get(), to.get()));
  const std::vector<double> values = support::gathered(fine, to.get());
  for (std::size_t i = 0; i < 7; ++i) { // up to the kink, which no linear interpolation carries
    const double exact = 1 - std::abs(fine.axis(0).center(static_cast<PetscInt>(i)));
    EXPECT_TRUE(near(values[i], exact, support::round_off));
    EXPECT_TRUE(near(values[15 - i], exact, support::round_off));
  }
}

/// The largest error of cubic interpolation of `f`.
double cubic_error(const Grid& coarse, const Grid& fine, const Field& f) {
  const CubicInterpolation up(coarse, fine);
  const base::UniqueVec to = fine.vector();
  up.apply(coarse.sampled(f).get(), to.get());
  check(VecAXPY(to.get(), -1, fine.sampled(f).get()));
  PetscReal error = 0;
  check(VecNorm(to.get(), NORM_INFINITY, &error));
  return error;
}

TEST(CubicInterpolation, is_exact_for_cubics_away_from_walls) {
  const Axis coarse("x", {0, 1, 3, 4, 8, 9, 11}, Boundary::reflecting, Boundary::reflecting);
  const Grid from = grid({coarse, axis("y", 0, 1, 5)});
  const Grid to = grid({axis("x", 2, 8.4, 9), axis("y", 0.3, 0.7, 4)});
  EXPECT_LE(cubic_error(from, to,
                        [](auto x) {
                          return 2 - x[0] + 5 * x[1] - x[0] * x[0] * x[1] +
                                 0.1 * x[0] * x[0] * x[0] * x[1] * x[1] * x[1];
                        }),
            1e-12); // of values up to 100
}

TEST(CubicInterpolation, is_of_fourth_order_up_to_all_kinds_of_walls) {
  // Even about the reflecting walls of x, odd about the absorbing ones of y, periodic along z.
  const auto f = [](std::span<const double> x) {
    return std::cos(M_PI * x[0]) * std::sin(M_PI * x[1]) * std::cos(2 * M_PI * x[2] + 1);
  };
  const auto error = [&](PetscInt cells) {
    const auto at = [](PetscInt n) {
      return grid({axis("x", 0, 1, n), axis("y", 0, 1, n, Boundary::absorbing),
                   axis("z", 0, 1, n, Boundary::periodic)});
    };
    return cubic_error(at(cells), at(2 * cells), f);
  };
  EXPECT_TRUE(near(support::order(error(16), error(32)), 4, {0.1, 0}));
}

TEST(CubicInterpolation, leaves_axes_that_do_not_change) {
  const Grid coarse = grid({axis("x", 0, 1, 6), axis("y", 0, 1, 3)});
  const Grid fine = grid({axis("x", 0, 1, 6), axis("y", 0, 1, 6)});
  const auto f = [](auto x) { return std::exp(x[0]) + x[0]; };
  EXPECT_LE(cubic_error(coarse, fine, f), 1e-14);
  EXPECT_EQ(cubic_error(coarse, coarse, f), 0);
}

} // namespace
} // namespace komori::spaces
