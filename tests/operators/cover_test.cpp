#include "operators/cover.hpp"

#include <cmath>
#include <map>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "interrupted_assembly.hpp"
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

void expect_rows_sum_to_one(const spaces::Grid& grid, Mat matrix) {
  const base::UniqueVec ones = grid.vector();
  const base::UniqueVec sums = grid.vector();
  base::check(VecSet(ones.get(), 1));
  base::check(MatMult(matrix, ones.get(), sums.get()));
  for (const double sum : support::gathered(grid, sums.get())) {
    EXPECT_TRUE(near(sum, 1, {1e-13, 0}));
  }
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

TEST(Cover, goes_on_from_any_state_to_the_same_boxes) {
  const models::Map map = map_of(henon);
  const CoverInput input{.depth = 11, .samples = 1, .outside = "leak"};
  std::vector<CoverState> states;
  bool midway = false;
  CoverContinuation saving{.step =
                               [&](const std::function<CoverState()>& state) {
                                 states.push_back(state());
                                 midway = midway || !states.back().found.empty();
                               },
                           .seconds = 0,
                           .finished = [&](CoverState state) { states.push_back(state); }};
  const Cover whole =
      build_cover(test_session().comm(), map, plane(), input, test_session().log(), saving);
  EXPECT_TRUE(midway);
  EXPECT_GT(whole.added, 0);
  EXPECT_GT(whole.missed, 0);

  for (std::size_t i = 0; i < states.size(); ++i) {
    const Cover resumed = build_cover(test_session().comm(), map, plane(), input,
                                      test_session().log(), {.from = states[i]});

    EXPECT_EQ(resumed.keys, whole.keys) << i;
    EXPECT_EQ(resumed.counts, whole.counts) << i;
    EXPECT_EQ(resumed.total, whole.total) << i;
    EXPECT_EQ(resumed.added, whole.added) << i;
    EXPECT_EQ(resumed.missed, whole.missed) << i;
  }
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
  expect_rows_sum_to_one(grid, matrix.matrix.get());
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
  EXPECT_THAT(told(map_of("variables: [x], map: [x/2], noise: {kind: gaussian, sigma: 0.3}"), line,
                   {.depth = 3}),
              HasSubstr("'map[0]' and noise lead beyond the lower end of the axis x with "
                        "probability 0.0428 (-1), from x = -0.96875"));
  EXPECT_THAT(told(map_of("variables: [x], map: [x/2], noise: {kind: cosine, power: 2}"), line,
                   {.depth = 3}),
              HasSubstr("is of kind 'cosine', which needs a period"));
}

// --- noise ---

/// The matrix's entries with rows and columns moved to the natural positions of a grid.
std::map<std::pair<std::int64_t, std::int64_t>, double> entries_of(Mat matrix, PetscInt first,
                                                                   PetscInt last) {
  std::map<std::pair<std::int64_t, std::int64_t>, double> entries;
  for (PetscInt row = first; row < last; ++row) {
    PetscInt count = 0;
    const PetscInt* columns = nullptr;
    const PetscScalar* values = nullptr;
    base::check(MatGetRow(matrix, row, &count, &columns, &values));
    for (PetscInt i = 0; i < count; ++i) entries[{row, columns[i]}] = values[i];
    base::check(MatRestoreRow(matrix, row, &count, &columns, &values));
  }
  return entries;
}

/// Rows of the noisy map on all boxes of a level and on the grid of the same cells agree.
void expect_rows_of_the_grid(const models::Map& map, const std::vector<spaces::Axis>& coarse,
                             const std::vector<spaces::Axis>& fine, const CoverInput& input,
                             bool leak) {
  Cover cover = cover_of(map, coarse, input, PETSC_COMM_SELF);
  ASSERT_EQ(static_cast<double>(cover.total), cover.tree.all_boxes());
  const spaces::Grid boxes = grid_of(PETSC_COMM_SELF, cover);
  const TransferMatrix on_boxes = assemble_cover(map, cover, boxes, input);
  const spaces::Grid cells(PETSC_COMM_SELF, fine);
  const TransferMatrix on_cells =
      assemble_ulam(map, cells, {.samples = input.samples, .outside = leak ? "leak" : "error"});
  EXPECT_EQ(on_boxes.nonzeros, on_cells.nonzeros);
  EXPECT_EQ(on_boxes.largest_cut, 0);
  EXPECT_TRUE(near(on_boxes.largest_leak, on_cells.largest_leak, {1e-14, 0}));
  EXPECT_EQ(on_boxes.largest_leak > 1e-3, leak);

  std::vector<PetscInt> cell_of; // the cell that is each box
  for (const std::int64_t key : cover.keys) {
    const BoxTree::Place place = cover.tree.place(key);
    spaces::Index index{};
    for (std::size_t k = 0; k < fine.size(); ++k) index[k] = static_cast<PetscInt>(place[k]);
    cell_of.push_back(cells.number(index));
  }
  const auto expected = entries_of(on_cells.matrix.get(), 0, cells.cells());
  const base::ReadArray leaks_of_boxes(on_boxes.leak.get());
  const base::ReadArray leaks_of_cells(on_cells.leak.get());
  for (const auto& [at, value] : entries_of(on_boxes.matrix.get(), 0, boxes.cells())) {
    const auto row = cell_of[static_cast<std::size_t>(at.first)];
    const auto column = cell_of[static_cast<std::size_t>(at.second)];
    const auto other = expected.find({row, column});
    ASSERT_NE(other, expected.end());
    // Sample points of both differ by a rounding.
    EXPECT_TRUE(near(value, other->second, {1e-15, 1e-12}));
  }
  for (std::size_t i = 0; i < cell_of.size(); ++i) {
    EXPECT_TRUE(
        near(leaks_of_boxes[i], leaks_of_cells[static_cast<std::size_t>(cell_of[i])], {1e-14, 0}));
  }
}

TEST(NoisyCover, of_all_boxes_has_the_rows_of_the_grid) {
  expect_rows_of_the_grid(map_of("variables: [x, y], map: [x + y, y + 0.15*sin(2*pi*(x + y))], "
                                 "noise: {kind: gaussian, sigma: [0.1, 0.04]}"),
                          {support::axis("x", 0, 1, 2, Boundary::periodic),
                           support::axis("y", 0, 1, 1, Boundary::periodic)},
                          {support::axis("x", 0, 1, 16, Boundary::periodic),
                           support::axis("y", 0, 1, 8, Boundary::periodic)},
                          {.depth = 6, .samples = 3}, false);
  expect_rows_of_the_grid(map_of("variables: [x, y], map: [0.9*x + 0.3*y, 0.8*y - x^2], "
                                 "noise: {kind: uniform, half_width: 0.7}"),
                          {support::axis("x", -1, 1, 1), support::axis("y", -1, 1, 1)},
                          {support::axis("x", -1, 1, 8), support::axis("y", -1, 1, 8)},
                          {.depth = 6, .samples = 2, .outside = "leak"}, true);
}

TEST(NoisyCover, keeps_the_boxes_that_hold_all_but_the_tail) {
  // x' = x/2 + noise: the stationary density is normal with variance sigma^2 / (1 - 1/4).
  const models::Map map =
      map_of("variables: [x], map: [x/2], noise: {kind: gaussian, sigma: 0.05}");
  const std::vector<spaces::Axis> line{support::axis("x", -4, 4, 1)};
  std::int64_t before = 0;
  for (const double tail : {1e-3, 1e-6, 1e-12}) {
    const CoverInput input{.depth = 10, .tail = tail};
    Cover cover = cover_of(map, line, input);
    EXPECT_GT(cover.total, before);
    before = cover.total;
    const spaces::Grid grid = grid_of(test_session().comm(), cover);
    const TransferMatrix matrix = assemble_cover(map, cover, grid, input);
    EXPECT_EQ(matrix.largest_leak, 0);
    EXPECT_LE(matrix.largest_cut, tail);
    EXPECT_GT(matrix.largest_cut, 0);
    expect_rows_sum_to_one(grid, matrix.matrix.get());
  }
  // A state r with r/2 + q sigma = r leads no further out than itself: r = 2 q sigma, where q = 7.1
  // has a tail of 1e-12 on both sides. Boxes are 1/128 wide, images reach whole ones, and of the
  // first axis 4/2^10 is left.
  EXPECT_LT(static_cast<double>(before), 4 * 7.2 * 0.05 * 128 + 12);
  EXPECT_GT(static_cast<double>(before), 4 * 6.4 * 0.05 * 128);
}

TEST(NoisyCover, of_a_thin_cloud_stays_thin) {
  // The circle of `curve` with noise along y alone: z stays on a curve over x.
  const models::Map map =
      map_of("variables: [x, y, z], map: [x + 0.381966, 0.5*y + cos(2*pi*x), 0.3*z + sin(2*pi*x)], "
             "noise: {kind: uniform, half_width: [0, 0.05, 0]}");
  const Cover cover = cover_of(map, tube(), {.depth = 21, .samples = 2});
  EXPECT_EQ(cover.tree.all_boxes(), std::ldexp(1.0, 21));
  EXPECT_LT(cover.total, 30'000);
  // Box counting: a surface.
  const double growth =
      static_cast<double>(cover.counts[21]) / static_cast<double>(cover.counts[15]);
  EXPECT_GT(3 * std::log2(growth) / 6, 1);
}

TEST(NoisyCover, is_the_same_on_any_number_of_ranks) {
  const models::Map map = map_of(henon + ", noise: {kind: gaussian, sigma: 0.01}");
  const std::vector<spaces::Axis> axes{support::axis("x", -1.8, 1.8, 1),
                                       support::axis("y", -0.6, 0.6, 1)};
  const CoverInput input{.depth = 11, .samples = 2, .outside = "leak"};
  Cover together = cover_of(map, axes, input);
  Cover alone = cover_of(map, axes, input, PETSC_COMM_SELF);
  EXPECT_EQ(together.counts, alone.counts);
  EXPECT_EQ(together.missed, alone.missed);
  const spaces::Grid grid = grid_of(test_session().comm(), together);
  const spaces::Grid whole = grid_of(PETSC_COMM_SELF, alone);
  const TransferMatrix matrix = assemble_cover(map, together, grid, input);
  const TransferMatrix serial = assemble_cover(map, alone, whole, input);
  EXPECT_EQ(matrix.nonzeros, serial.nonzeros);
  EXPECT_EQ(matrix.largest_leak, serial.largest_leak);
  EXPECT_EQ(matrix.largest_cut, serial.largest_cut);
  const PetscInt end = grid.first() + grid.local_cells();
  EXPECT_EQ(entries_of(matrix.matrix.get(), grid.first(), end),
            entries_of(serial.matrix.get(), grid.first(), end));
}

TEST(NoisyCover, goes_on_from_the_rows_that_an_interrupted_assembly_has_done) {
  const models::Map map = map_of(henon + ", noise: {kind: gaussian, sigma: 0.01}");
  const std::vector<spaces::Axis> axes{support::axis("x", -1.8, 1.8, 1),
                                       support::axis("y", -0.6, 0.6, 1)};
  const CoverInput input{.depth = 9, .samples = 2, .outside = "leak", .tail = 1e-4};
  Cover cover = cover_of(map, axes, input);
  const spaces::Grid grid = grid_of(test_session().comm(), cover);
  const TransferMatrix whole = assemble_cover(map, cover, grid, input);
  ASSERT_GT(whole.largest_cut, 0);
  ASSERT_GT(whole.largest_leak, 0);
  UlamContinuation continuation;
  const std::int64_t seen = support::interrupted_twice(
      grid, continuation, [&] { assemble_cover(map, cover, grid, input, {}, continuation); });
  std::int64_t computed = 0;
  continuation.step = [&](const auto&, std::int64_t rows) { computed = rows; };
  const TransferMatrix resumed = assemble_cover(map, cover, grid, input, {}, continuation);
  EXPECT_EQ(rows_of(resumed, grid).rows, rows_of(whole, grid).rows);
  EXPECT_EQ(rows_of(resumed, grid).entries, rows_of(whole, grid).entries);
  EXPECT_EQ(resumed.largest_cut, whole.largest_cut);
  EXPECT_EQ(resumed.largest_leak, whole.largest_leak);
  MPI_Allreduce(MPI_IN_PLACE, &computed, 1, MPI_INT64_T, MPI_SUM, grid.comm());
  EXPECT_LE(computed, grid.cells() - seen);
}

TEST(NoisyCover, takes_flows_with_drawn_paths) {
  const models::Flow flow(
      config::read<models::ModelInput>(
          config::parse("{kind: flow, variables: [x], drift: [-x], diffusion: 0.01, lag: 1, "
                        "steps: 20}",
                        "a.yaml"),
          {.accepted = {"flow"}})
          .flow);
  const std::vector<spaces::Axis> line{support::axis("x", -4, 4, 1)};
  const CoverInput input{.depth = 8, .samples = 32};
  Cover cover = build_cover(test_session().comm(), flow, line, input, test_session().log());
  Cover alone = build_cover(PETSC_COMM_SELF, flow, line, input, test_session().log());
  EXPECT_EQ(cover.counts, alone.counts);
  EXPECT_LT(cover.total, 60); // of 256; the standard deviation is 0.1, boxes are 1/32 wide
  const spaces::Grid grid = grid_of(test_session().comm(), cover);
  const TransferMatrix matrix = assemble_cover(flow, cover, grid, input);
  EXPECT_EQ(matrix.largest_leak, 0);
  EXPECT_THAT(message_of([&] { validate(flow, line, {.depth = 62}); }),
              HasSubstr("with 4 drawn paths from each"));
}

} // namespace
} // namespace komori::operators
