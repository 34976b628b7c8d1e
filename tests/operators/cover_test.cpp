#include "operators/cover.hpp"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "models/model.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using spaces::BoxTree;
using support::message_of;
using support::near;
using testing::HasSubstr;

models::Map map_of(const std::string& yaml) {
  return models::Map(
      config::read<models::ModelInput>(config::parse("{kind: map, " + yaml + "}", "a.yaml"),
                                       {.accepted = {"map"}})
          .map);
}

const std::string henon = "variables: [x, y], map: [1 - 1.4*x^2 + y, 0.3*x]";
/// A turn of a circle that drives two damped variables: the attractor is a closed curve.
const std::string curve = "variables: [x, y, z], map: [x + 0.381966, 0.5*y + cos(2*pi*x), "
                          "0.3*z + sin(2*pi*x)]";

std::vector<spaces::Axis> plane() {
  return {support::axis("x", -1.5, 1.5, 1), support::axis("y", -0.5, 0.5, 1)};
}
std::vector<spaces::Axis> tube() {
  return {support::axis("x", 0, 1, 1, Boundary::periodic), support::axis("y", -2.5, 2.5, 1),
          support::axis("z", -2, 2, 1)};
}

Cover cover_of(const models::Map& map, const std::vector<spaces::Axis>& axes,
               const CoverInput& input, MPI_Comm comm = test_session().comm()) {
  return build_cover(comm, map, axes, input, test_session().log());
}

TEST(BoxTree, keys_places_and_points_belong_together) {
  const BoxTree tree({support::axis("x", -1, 2, 3), support::axis("y", 0, 1, 1),
                      support::axis("z", 0, 1, 2, Boundary::periodic)},
                     7);
  EXPECT_EQ(tree.boxes(0), 3 * 8); // bisected three times, the others twice
  EXPECT_EQ(tree.boxes(1), 4);
  EXPECT_EQ(tree.boxes(2), 2 * 4);
  EXPECT_EQ(tree.all_boxes(), 24 * 4 * 8);
  EXPECT_TRUE(near(tree.volume() * tree.all_boxes(), 3, {0, 1e-14}));
  std::array<double, 3> x{};
  for (std::int64_t key = 0; key < 24 * 4 * 8; ++key) {
    EXPECT_EQ(tree.key(tree.place(key)), key);
    tree.center(key, x);
    EXPECT_EQ(tree.find(x), key);
    // The box it was half of holds it, too.
    EXPECT_EQ(tree.at(6).find(x), key / 2);
  }
  EXPECT_EQ(tree.find(std::array{-1.5, 0.5, 0.5}), -1);
  EXPECT_EQ(tree.find(std::array{0.5, 1.5, 0.5}), -2);
  EXPECT_EQ(tree.find(std::array{0.5, 0.5, 1.25}), tree.find(std::array{0.5, 0.5, 0.25}));
  EXPECT_EQ(tree.find(std::array{2.0, 1.0, 0.0}), tree.find(std::array{1.99, 0.99, 0.01}));
}

TEST(Cover, of_the_henon_attractor_has_its_dimension) {
  const models::Map map = map_of(henon);
  const Cover cover = cover_of(map, plane(), {.depth = 16, .outside = "leak"});

  // Box counting gives 1.26 to 1.28 for the attractor; from few boxes, roughly.
  ASSERT_EQ(cover.counts.size(), 17);
  const double growth =
      static_cast<double>(cover.counts[16]) / static_cast<double>(cover.counts[8]);
  const double dimension = 2 * std::log2(growth) / 8;
  EXPECT_GT(dimension, 1.15);
  EXPECT_LT(dimension, 1.4);
  EXPECT_LT(cover.total, 6000); // of 65536
}

TEST(Cover, of_a_curve_in_space_grows_like_a_curve) {
  const models::Map map = map_of(curve);
  const Cover cover = cover_of(map, tube(), {.depth = 24, .samples = 2});

  const double growth =
      static_cast<double>(cover.counts[24]) / static_cast<double>(cover.counts[15]);
  EXPECT_TRUE(near(3 * std::log2(growth) / 9, 1, {0.15, 0}));
  EXPECT_LT(cover.total, 8000); // of 1.7e7
}

TEST(Cover, is_the_same_on_any_number_of_ranks) {
  const models::Map map = map_of(henon);
  for (const char* rule : {"midpoint", "random"}) {
    const CoverInput input{.depth = 11, .samples = 3, .rule = rule, .outside = "leak"};
    Cover together = cover_of(map, plane(), input);
    Cover alone = cover_of(map, plane(), input, PETSC_COMM_SELF);

    const spaces::Grid grid = grid_of(test_session().comm(), together);
    EXPECT_EQ(together.total, alone.total);
    EXPECT_EQ(together.counts, alone.counts);
    ASSERT_EQ(together.keys.size(), static_cast<std::size_t>(grid.local_cells()));
    for (std::size_t i = 0; i < together.keys.size(); ++i) {
      EXPECT_EQ(together.keys[i], alone.keys[static_cast<std::size_t>(grid.first()) + i]);
    }

    const TransferMatrix matrix = assemble_cover(map, together, grid, input);
    const spaces::Grid whole = grid_of(PETSC_COMM_SELF, alone);
    const TransferMatrix serial = assemble_cover(map, alone, whole, input);
    EXPECT_EQ(matrix.nonzeros, serial.nonzeros);
    for (PetscInt row = grid.first(); row < grid.first() + grid.local_cells(); ++row) {
      PetscInt count = 0;
      const PetscInt* columns = nullptr;
      const PetscScalar* values = nullptr;
      base::check(MatGetRow(matrix.matrix.get(), row, &count, &columns, &values));
      double sum = 0;
      for (PetscInt i = 0; i < count; ++i) {
        PetscScalar other = 0;
        base::check(MatGetValues(serial.matrix.get(), 1, &row, 1, &columns[i], &other));
        EXPECT_EQ(values[i], other);
        sum += values[i];
      }
      base::check(MatRestoreRow(matrix.matrix.get(), row, &count, &columns, &values));
      EXPECT_LE(sum, 1 + 1e-12);
    }
  }
}

TEST(Cover, is_closed_where_nothing_leaves_the_axes) {
  const models::Map map = map_of(curve);
  const CoverInput input{.depth = 15, .samples = 2};
  Cover cover = cover_of(map, tube(), input);
  const spaces::Grid grid = grid_of(test_session().comm(), cover);

  const TransferMatrix matrix = assemble_cover(map, cover, grid, input);

  EXPECT_EQ(matrix.largest_leak, 0);
  const base::UniqueVec ones = grid.vector();
  const base::UniqueVec sums = grid.vector();
  base::check(VecSet(ones.get(), 1));
  base::check(MatMult(matrix.matrix.get(), ones.get(), sums.get()));
  for (const double sum : support::gathered(grid, sums.get())) {
    EXPECT_TRUE(near(sum, 1, {1e-13, 0}));
  }
}

TEST(Cover, finds_few_boxes_among_very_many) {
  // Six variables, 2^48 boxes; all but one are damped, with the first driving the second.
  const models::Map map = map_of("variables: [a, b, c, d, e, f], map: [a + 0.381966, 0.4*b + "
                                 "0.3*cos(2*pi*a), 0.4*c, 0.4*d, 0.4*e, 0.4*f]");
  std::vector<spaces::Axis> axes{support::axis("a", 0, 1, 1, Boundary::periodic)};
  for (const char* name : {"b", "c", "d", "e", "f"})
    axes.push_back(support::axis(name, -0.9, 1, 1));

  const Cover cover = cover_of(map, axes, {.depth = 48, .samples = 1});

  EXPECT_EQ(cover.tree.all_boxes(), std::ldexp(1.0, 48));
  EXPECT_GE(cover.total, 256); // boxes along the circle
  EXPECT_LT(cover.total, 20'000);
}

TEST(Cover, says_what_too_few_points_miss) {
  // Middles of boxes are mapped to edges: of every two boxes one is never hit.
  const models::Map map = map_of("variables: [x], map: [2*x]");
  const std::vector<spaces::Axis> ring{support::axis("x", 0, 1, 1, Boundary::periodic)};
  const Cover lacking = cover_of(map, ring, {.depth = 8, .samples = 1});
  EXPECT_LT(lacking.total, 256);
  EXPECT_GT(lacking.missed, 0);
  const Cover whole = cover_of(map, ring, {.depth = 8, .samples = 2});
  EXPECT_EQ(whole.total, 256);
  EXPECT_EQ(whole.missed, 0);
}

TEST(Cover, wrong_input_is_refused) {
  const models::Map leaving = map_of("variables: [x], map: [3*x + 0.1]");
  const std::vector<spaces::Axis> line{support::axis("x", -1, 1, 1)};
  const auto told = [&](const models::Map& map, const std::vector<spaces::Axis>& axes,
                        const CoverInput& input) {
    return message_of([&] {
      validate(map, axes, input);
      Cover cover = cover_of(map, axes, input);
      const spaces::Grid grid = grid_of(test_session().comm(), cover);
      assemble_cover(map, cover, grid, input);
    });
  };
  EXPECT_THAT(told(leaving, line, {.depth = 3, .samples = 2}),
              HasSubstr("'map[0]' leads to x = -2.7125, beyond the lower end of the axis (-1), "
                        "from x = -0.9375; widen 'grid.x'"));
  EXPECT_THAT(told(leaving, line, {.depth = 3, .samples = 2}),
              HasSubstr("set 'cover.outside: leak' to let it leave"));
  EXPECT_EQ(told(leaving, line, {.depth = 3, .samples = 2, .outside = "leak"}), "(no error)");
  EXPECT_THAT(told(map_of("variables: [x], map: [x + 5]"), line, {.depth = 3}),
              HasSubstr("'cover' keeps no box at depth 1"));
  EXPECT_THAT(told(map_of("variables: [x], map: [x]"), line, {.depth = 8, .most = 100}),
              HasSubstr("'cover' has 128 boxes at depth 7, but 'cover.most' allows 100"));
  EXPECT_THAT(told(map_of("variables: [x], map: [sqrt(x)]"), line, {.depth = 3}),
              HasSubstr("'map[0]' is not finite (it is nan) at x = -"));
  EXPECT_THAT(told(leaving, {support::axis("x", -1, 1, 1024)}, {.depth = 60}),
              HasSubstr("makes 2^70 boxes"));
  EXPECT_THAT(told(map_of("variables: [x], map: [x/2], noise: {kind: gaussian, sigma: 0.1}"), line,
                   {.depth = 3}),
              HasSubstr("'cover' is for maps and flows without noise"));
}

} // namespace
} // namespace komori::operators
