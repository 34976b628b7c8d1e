#include "spaces/grid.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "support.hpp"

namespace komori::spaces {
namespace {

using support::axis;
using support::grid;
using support::near;
using testing::HasSubstr;

std::array<int, max_dimension> parts(const std::vector<Axis>& axes, int ranks) {
  return process_grid(axes, ranks);
}

std::array<int, max_dimension> shares(int a, int b = 1, int c = 1) {
  return {a, b, c, 1, 1, 1};
}

TEST(ProcessGrid, one_axis_takes_all_ranks) {
  EXPECT_EQ(parts({axis("x", 0, 1, 10)}, 1), shares(1));
  EXPECT_EQ(parts({axis("x", 0, 1, 10)}, 4), shares(4));
}

TEST(ProcessGrid, keeps_an_axis_whole_while_the_others_have_cells) {
  const std::vector<Axis> axes{axis("x", 0, 1, 6), axis("v", 0, 1, 100)};
  EXPECT_EQ(process_grid(axes, 4, 1), shares(4, 1));
  EXPECT_EQ(process_grid(axes, 4, 0), shares(1, 4));
  EXPECT_EQ(process_grid(axes, 6, 1), shares(6, 1));
  EXPECT_EQ(process_grid(axes, 12, 1), shares(6, 2));
  EXPECT_EQ(process_grid(std::vector<Axis>{axis("v", 0, 1, 10)}, 4, 0), shares(4));
}

TEST(ProcessGrid, cuts_through_the_fewest_faces) {
  // 100 x 100: 2 x 2 cuts 200 faces, 4 x 1 cuts 300.
  EXPECT_EQ(parts({axis("x", 0, 1, 100), axis("y", 0, 1, 100)}, 4), shares(2, 2));
  // 100 x 10: 4 x 1 cuts 30 faces, 2 x 2 cuts 110.
  EXPECT_EQ(parts({axis("x", 0, 1, 100), axis("y", 0, 1, 10)}, 4), shares(4, 1));
  EXPECT_EQ(parts({axis("x", 0, 1, 10), axis("y", 0, 1, 100)}, 4), shares(1, 4));
  // 10^3: 2 x 2 x 2 cuts 300 faces, 8 x 1 x 1 cuts 700.
  EXPECT_EQ(parts({axis("x", 0, 1, 10), axis("y", 0, 1, 10), axis("z", 0, 1, 10)}, 8),
            shares(2, 2, 2));
}

TEST(ProcessGrid, a_periodic_axis_is_cut_once_more) {
  // Half of a periodic axis is bounded twice: 200 faces, against 100 across the other one.
  EXPECT_EQ(parts({axis("x", 0, 1, 100, Boundary::periodic), axis("y", 0, 1, 100)}, 2),
            shares(1, 2));
  EXPECT_EQ(parts({axis("x", 0, 1, 100), axis("y", 0, 1, 100, Boundary::periodic)}, 2),
            shares(2, 1));
}

TEST(ProcessGrid, no_axis_gets_more_ranks_than_cells) {
  // 7 is prime and above either number of cells; 6 = 3 x 2 is the best that fits.
  EXPECT_EQ(parts({axis("x", 0, 1, 3), axis("y", 0, 1, 2)}, 7), shares(3, 2));
  EXPECT_EQ(parts({axis("x", 0, 1, 5), axis("y", 0, 1, 1)}, 7), shares(5, 1));
  EXPECT_EQ(parts({axis("x", 0, 1, 1)}, 3), shares(1));
  // 2 x 2 x 2 on 7 ranks: neither 7 nor 6 nor 5 has factors of at most 2, so 4.
  EXPECT_EQ(parts({axis("x", 0, 1, 2), axis("y", 0, 1, 2), axis("z", 0, 1, 2)}, 7),
            shares(2, 2, 1));
}

void expect_a_bijection(const Grid& g) {
  std::set<PetscInt> seen;
  Index cell{};
  for (PetscInt n = 0; n < g.cells(); ++n) {
    const PetscInt number = g.number(cell);
    EXPECT_TRUE(seen.insert(number).second) << "number " << number << " came twice";
    EXPECT_GE(number, 0);
    EXPECT_LT(number, g.cells());
    EXPECT_EQ(g.cell(number), cell);
    EXPECT_EQ(g.natural(cell), n);
    for (int k = g.dimension() - 1; k >= 0; --k) {
      const auto a = static_cast<std::size_t>(k);
      if (++cell[a] < g.axis(k).cells()) break;
      cell[a] = 0;
    }
  }
  PetscInt local = 0;
  g.for_each_cell([&](PetscInt i, const Index& own) {
    EXPECT_EQ(i, local++);
    EXPECT_EQ(g.number(own), g.first() + i);
  });
  EXPECT_EQ(local, g.local_cells());
  MPI_Allreduce(MPI_IN_PLACE, &local, 1, MPIU_INT, MPI_SUM, g.comm());
  EXPECT_EQ(local, g.cells());
}

TEST(Grid, numbers_and_cells_correspond) {
  expect_a_bijection(grid({axis("x", 0, 1, 13)}));
  expect_a_bijection(grid({axis("x", 0, 1, 5), axis("y", 0, 1, 4), axis("z", 0, 1, 3)}));
  expect_a_bijection(grid({axis("x", 0, 1, 7), axis("y", 0, 1, 3, Boundary::periodic)}));
  expect_a_bijection(grid({axis("a", 0, 1, 2), axis("b", 0, 1, 3), axis("c", 0, 1, 2),
                           axis("d", 0, 1, 1), axis("e", 0, 1, 2), axis("f", 0, 1, 3)}));
}

TEST(Grid, ranks_without_cells_are_allowed) {
  const Grid g = grid({axis("x", 0, 1, 2)});
  expect_a_bijection(g);
  const base::UniqueVec ones = g.sampled([](auto) { return 1.0; });
  EXPECT_EQ(base::sum(ones.get()), 2);
  expect_a_bijection(grid({axis("x", 0, 1, 1)}));
}

TEST(Grid, natural_order_runs_fastest_along_the_last_axis) {
  const Grid g = grid({axis("x", 0, 1, 5), axis("y", 0, 1, 4), axis("z", 0, 1, 3)});
  EXPECT_EQ(g.natural({0, 0, 1}), 1);
  EXPECT_EQ(g.natural({0, 1, 0}), 3);
  EXPECT_EQ(g.natural({1, 0, 0}), 12);
  EXPECT_EQ(g.natural({4, 3, 2}), 59);
}

TEST(Grid, volumes_and_centres) {
  const Grid g = grid({Axis("x", {0, 1, 3}, Boundary::reflecting, Boundary::reflecting),
                       Axis("y", {-1, 0, 4}, Boundary::reflecting, Boundary::absorbing)});
  std::array<double, 2> x{};
  g.center({1, 1}, x);
  EXPECT_EQ(x[0], 2);
  EXPECT_EQ(x[1], 2);
  EXPECT_EQ(g.volume({1, 1}), 8);
  EXPECT_EQ(base::sum(g.volumes().get()), 15);
  EXPECT_TRUE(g.has(Boundary::absorbing));
  EXPECT_FALSE(g.has(Boundary::periodic));
  EXPECT_THAT(g.names(), testing::ElementsAre("x", "y"));
}

TEST(Grid, slabs_tile_the_natural_array) {
  const Grid g = grid({axis("x", 0, 1, 5), axis("y", 0, 1, 4)});
  const io::Slab slab = g.slab();
  EXPECT_THAT(slab.shape, testing::ElementsAre(5, 4));
  std::array<hsize_t, 1> cells{slab.count[0] * slab.count[1]};
  EXPECT_EQ(cells[0], static_cast<hsize_t>(g.local_cells()));
}

TEST(Grid, refuses_more_cells_than_an_index_can_number) {
  if (sizeof(PetscInt) > 4) GTEST_SKIP() << "64-bit indices number any grid";
  const std::string message = support::message_of(
      [] {
        grid({axis("x", 0, 1, 2000), axis("y", 0, 1, 2000), axis("z", 0, 1, 2000)});
      },
      base::ExitCode::memory);
  EXPECT_THAT(message,
              HasSubstr("the grid has 8e+09 cells, more than this build's 32-bit indices"));
}

TEST(Grid, coarsened_keeps_the_box_and_the_floor) {
  const Grid coarse = grid({axis("x", -1, 2, 64), axis("y", 0, 1, 6)}).coarsened(2, 4);
  EXPECT_EQ(coarse.axis(0).cells(), 32);
  EXPECT_EQ(coarse.axis(1).cells(), 4);
  EXPECT_EQ(coarse.axis(0).from(), -1);
  EXPECT_EQ(coarse.axis(0).to(), 2);
  EXPECT_EQ(grid({axis("x", 0, 1, 3)}).coarsened(2, 8).axis(0).cells(), 3);
}

double linear(std::span<const double> x) {
  return 1 + 2 * x[0] - 3 * x[1];
}

TEST(Interpolate, is_exact_for_linear_functions_between_centres) {
  const Grid g = grid({Axis("x", {0, 0.5, 1.5, 2, 4}, Boundary::reflecting, Boundary::reflecting),
                       axis("y", -1, 1, 7)});
  const base::UniqueVec field = g.sampled(linear);
  for (const double x : {0.25, 0.6, 1.0, 1.9, 3.0}) {
    for (const double y : {-0.85, -0.1, 0.0, 0.3, 0.8}) {
      const std::array<double, 2> point{x, y};
      EXPECT_TRUE(near(g.interpolate(field.get(), point), linear(point), support::round_off));
    }
  }
}

TEST(Interpolate, is_constant_from_the_last_centre_to_a_wall) {
  const Grid g = grid({axis("x", 0, 4, 4)});
  const base::UniqueVec field = g.sampled([](std::span<const double> x) { return x[0]; });
  EXPECT_EQ(g.interpolate(field.get(), std::array{0.0}), 0.5);
  EXPECT_EQ(g.interpolate(field.get(), std::array{4.0}), 3.5);
}

TEST(Interpolate, goes_round_the_seam_of_a_periodic_axis) {
  const Grid g = grid({axis("x", 0, 4, 4, Boundary::periodic)});
  const base::UniqueVec field = g.sampled([](std::span<const double> x) { return x[0]; });
  EXPECT_EQ(g.interpolate(field.get(), std::array{0.0}), 2); // half of 0.5, half of 3.5
  EXPECT_TRUE(near(g.interpolate(field.get(), std::array{3.75}), 0.75 * 3.5 + 0.25 * 0.5,
                   support::round_off));
}

TEST(Interpolate, names_a_point_outside) {
  const Grid g = grid({axis("x", 0, 1, 4), axis("y", 0, 1, 4)});
  const base::UniqueVec field = g.vector();
  EXPECT_EQ(support::message_of([&] {
              g.interpolate(field.get(), std::array{0.25, 3.0});
            }),
            "the point x = 0.25, y = 3 lies outside the grid");
}

TEST(Require, names_the_first_place_whatever_the_ranks) {
  const Grid g = grid({axis("x", 0, 4, 4), axis("y", 0, 2, 2)});
  const Field value = [](std::span<const double> x) { return x[0] > 2 ? -x[0] : 1; };
  EXPECT_EQ(support::message_of([&] {
              require(
                  g, value, [](double v) { return v >= 0; }, "'model.diffusion' is negative");
            }),
            "'model.diffusion' is negative (it is -2.5) at x = 2.5, y = 0.5");
  EXPECT_NO_THROW(require_finite(g, value, "'f'"));
  EXPECT_EQ(support::message_of([&] {
              require_finite(
                  g, [](auto x) { return 1 / (x[0] - 0.5); }, "'f'");
            }),
            "'f' is not finite (it is inf) at x = 0.5, y = 0.5");
}

} // namespace
} // namespace komori::spaces
