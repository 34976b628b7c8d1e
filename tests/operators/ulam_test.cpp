#include "operators/ulam.hpp"

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "config/reader.hpp"
#include "interrupted_assembly.hpp"
#include "models/map.hpp"
#include "numbers.hpp"
#include "operators/column_counts.hpp"
#include "operators/row_sum.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using support::message_of;
using support::near;
using testing::HasSubstr;

models::Map map(const std::string& yaml) {
  models::MapInput input;
  const config::Node node = config::parse(yaml, "a.yaml");
  config::Reader reader(node);
  models::declare_keys(reader, input);
  reader.finish();
  return models::Map(input);
}

const UlamInput exact{.entries = "exact"};

Eigen::MatrixXd matrix(const models::Map& map, const spaces::Grid& grid, const UlamInput& input) {
  return support::dense(grid, assemble_ulam(map, grid, input).matrix.get());
}

const std::string doubling = "{variables: [x], map: [2*x]}";
const std::string logistic = "{variables: [x], map: [4*x*(1-x)]}";
const std::string standard = "{variables: [x, y], parameters: {K: 0.971635406}, "
                             "map: [x + y + K/(2*pi)*sin(2*pi*x), y + K/(2*pi)*sin(2*pi*x)]}";

TEST(RowSum, adds_up_by_column_and_forgets) {
  RowSum row;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5000; ++i) row.add((i * 7919) % 1000 * 1'000'003LL, 0.5);
    EXPECT_EQ(row.entries().size(), 1000);
    for (const auto& [column, value] : row.entries()) EXPECT_EQ(value, 2.5) << column;
    row.clear();
    EXPECT_TRUE(row.entries().empty());
  }
}

TEST(Ulam, goes_on_from_the_rows_that_an_interrupted_assembly_has_done) {
  const models::Map noisy = map("{variables: [x, y], map: [x + 0.3 + y/7, y + 0.9*sin(x)], "
                                "noise: {kind: gaussian, sigma: [0.05, 0]}}");
  const UlamInput input{.samples = 3, .outside = "leak"};
  const spaces::Grid grid(PETSC_COMM_WORLD, {support::axis("x", 0, 1, 12, Boundary::periodic),
                                             support::axis("y", 0, 1, 9)});
  const UlamRowsDone whole = rows_of(assemble_ulam(noisy, grid, input), grid);
  ASSERT_EQ(whole.rows.size(), 3 * static_cast<std::size_t>(grid.local_cells()));
  UlamContinuation continuation;
  const std::int64_t seen = support::interrupted_twice(
      grid, continuation, [&] { assemble_ulam(noisy, grid, input, {}, continuation); });
  std::int64_t computed = 0;
  continuation.step = [&](const auto&, std::int64_t rows) { computed = rows; };
  const TransferMatrix resumed = assemble_ulam(noisy, grid, input, {}, continuation);
  EXPECT_EQ(rows_of(resumed, grid).rows, whole.rows);
  EXPECT_EQ(rows_of(resumed, grid).entries, whole.entries);
  MPI_Allreduce(MPI_IN_PLACE, &computed, 1, MPI_INT64_T, MPI_SUM, grid.comm());
  EXPECT_LE(computed, grid.cells() - seen);
}

TEST(Ulam, doubling_map_is_exact_by_hand) {
  for (const PetscInt n : {7, 8}) {
    const spaces::Grid grid = support::grid({support::axis("x", 0, 1, n, Boundary::periodic)});
    const Eigen::MatrixXd p = matrix(map(doubling), grid, exact);
    for (PetscInt i = 0; i < n; ++i) {
      for (PetscInt j = 0; j < n; ++j) {
        const bool meets = j == (2 * i) % n || j == (2 * i + 1) % n;
        EXPECT_TRUE(near(p(i, j), meets ? 0.5 : 0, {1e-13, 0})) << i << ' ' << j;
      }
    }
  }
}

TEST(Ulam, a_modulus_within_the_formula_is_the_same_map) {
  const spaces::Grid ring = support::grid({support::axis("x", 0, 1, 7, Boundary::periodic)});
  const spaces::Grid interval = support::grid({support::axis("x", 0, 1, 7)});
  const models::Map written = map("{variables: [x], map: ['2*x < 1 ? 2*x : 2*x - 1']}");
  const Eigen::MatrixXd a = matrix(map(doubling), ring, exact);
  const Eigen::MatrixXd b = matrix(written, interval, exact);
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-13);
}

TEST(Ulam, logistic_entries_are_measures_of_preimages) {
  const PetscInt n = 64;
  const spaces::Grid grid = support::grid({support::axis("x", 0, 1, n)});
  const Eigen::MatrixXd p = matrix(map(logistic), grid, exact);
  // Preimages of y are (1 -+ sqrt(1 - y))/2.
  const auto overlap = [](double a, double b, double c, double d) {
    return std::max(0.0, std::min(b, d) - std::max(a, c));
  };
  for (PetscInt i = 0; i < n; ++i) {
    for (PetscInt j = 0; j < n; ++j) {
      const double a = static_cast<double>(i) / n;
      const double b = static_cast<double>(i + 1) / n;
      const double low = std::sqrt(1 - static_cast<double>(j) / n);
      const double high = std::sqrt(1 - static_cast<double>(j + 1) / n);
      const double measure = overlap(a, b, 0.5 * (1 - low), 0.5 * (1 - high)) +
                             overlap(a, b, 0.5 * (1 + high), 0.5 * (1 + low));
      EXPECT_TRUE(near(p(i, j), n * measure, {1e-12, 1e-12})) << i << ' ' << j;
    }
  }
}

TEST(Ulam, exact_entries_find_turning_points_between_samples) {
  // A narrow bump within one of four cells, higher than the cells around its foot.
  const models::Map bump = map("{variables: [x], map: ['0.1 + 0.8*exp(-((x-0.4321)/0.004)^2)']}");
  const spaces::Grid grid = support::grid({support::axis("x", 0, 1, 4)});
  const Eigen::MatrixXd p = matrix(bump, grid, exact);
  const auto width = [](double y) { return 2 * 0.004 * std::sqrt(-std::log((y - 0.1) / 0.8)); };
  EXPECT_TRUE(near(p(1, 3), 4 * width(0.75), {1e-12, 1e-10}));
  EXPECT_TRUE(near(p(1, 2), 4 * (width(0.5) - width(0.75)), {1e-12, 1e-10}));
  EXPECT_TRUE(near(p(1, 0), 1 - 4 * width(0.25), {1e-12, 1e-10}));
}

TEST(Ulam, sampled_entries_are_counts) {
  for (const auto& [n, nonzeros] : {std::pair{32, 4096}, std::pair{64, 17024}}) {
    const spaces::Grid grid = support::grid({support::axis("x", 0, 1, n, Boundary::periodic),
                                             support::axis("y", 0, 1, n, Boundary::periodic)});
    const TransferMatrix p = assemble_ulam(map(standard), grid, {});
    EXPECT_EQ(p.nonzeros, nonzeros);
    EXPECT_EQ(p.largest_leak, 0);
    const base::UniqueVec ones = grid.vector();
    const base::UniqueVec sums = grid.vector();
    base::check(VecSet(ones.get(), 1));
    base::check(MatMult(p.matrix.get(), ones.get(), sums.get()));
    base::check(VecAXPY(sums.get(), -1, ones.get()));
    EXPECT_LT(base::norm2(sums.get()), 1e-12); // rows sum to 1
  }
}

TEST(Ulam, matrices_are_identical_on_any_number_of_ranks) {
  const std::string noisy = "{variables: [x, y], map: [x + y + 0.1*sin(2*pi*x), y + 0.3*x], "
                            "noise: {kind: gaussian, sigma: [0.05, 0.02]}}";
  const auto axes = [](PetscInt n) {
    return std::vector<spaces::Axis>{support::axis("x", 0, 1, n, Boundary::periodic),
                                     support::axis("y", 0, 1, n + 1, Boundary::periodic)};
  };
  for (const std::string& text : {standard, noisy}) {
    for (const char* rule : {"midpoint", "random"}) {
      for (const PetscInt n : {1, 9}) { // fewer cells than ranks, too
        const UlamInput input{.samples = 3, .rule = rule, .seed = 7};
        const spaces::Grid together = support::grid(axes(n));
        const spaces::Grid alone(MPI_COMM_SELF, axes(n));
        const Eigen::MatrixXd a = matrix(map(text), together, input);
        const Eigen::MatrixXd b = matrix(map(text), alone, input);
        EXPECT_EQ((a - b).cwiseAbs().maxCoeff(), 0) << rule << n;
      }
    }
  }
}

TEST(Ulam, noise_makes_circulant_rows_of_a_rotation) {
  const PetscInt n = 16;
  const spaces::Grid grid = support::grid({support::axis("x", 0, 1, n, Boundary::periodic)});
  const models::Map rotation =
      map("{variables: [x], map: [x + 0.3], noise: {kind: gaussian, sigma: 0.1}}");
  const Eigen::MatrixXd p = matrix(rotation, grid, {.samples = 4});
  for (PetscInt i = 0; i < n; ++i) {
    EXPECT_TRUE(near(p.row(i).sum(), 1, support::round_off));
    for (PetscInt j = 0; j < n; ++j) {
      EXPECT_TRUE(near(p(i, j), p(0, (j - i + n) % n), support::round_off));
    }
  }
}

TEST(Ulam, counts_are_those_of_each_column) {
  for (const std::size_t kinds : {1, 2, 7, 23, 24, 25, 60}) { // few are taken out, many sorted
    for (const std::size_t count : {1, 3, 8, 99, 100, 257}) {
      std::vector<std::int64_t> points;
      std::map<std::int64_t, double, std::greater<>> expected;
      for (std::size_t s = 0; s < count; ++s) {
        const auto column = static_cast<std::int64_t>((s * s + 3 * s) % kinds * 1'000'003);
        points.push_back(std::bit_cast<std::int64_t>(static_cast<double>(column)));
        expected[column] += 1;
      }
      std::vector<std::pair<std::int64_t, double>> counts;
      ASSERT_TRUE(count_columns(points, counts));
      EXPECT_EQ(counts,
                (std::vector<std::pair<std::int64_t, double>>(expected.begin(), expected.end())));
    }
  }
  std::vector<std::int64_t> outside(20, std::bit_cast<std::int64_t>(5.0));
  outside[13] = std::bit_cast<std::int64_t>(-std::numeric_limits<double>::infinity());
  const std::vector<std::int64_t> before = outside;
  std::vector<std::pair<std::int64_t, double>> counts;
  EXPECT_FALSE(count_columns(outside, counts));
  EXPECT_TRUE(counts.empty());
  EXPECT_EQ(outside, before);
}

TEST(Ulam, leaks_are_accounted) {
  const models::Map open = map("{variables: [x], map: [3*x]}");
  const spaces::Grid grid = support::grid({support::axis("x", 0, 1, 6)});
  for (const char* entries : {"exact", "sampled"}) {
    const UlamInput input{.entries = entries, .samples = 3, .outside = "leak"};
    const TransferMatrix p = assemble_ulam(open, grid, input);
    const Eigen::MatrixXd dense = support::dense(grid, p.matrix.get());
    const std::vector<double> leak = support::gathered(grid, p.leak.get());
    for (PetscInt i = 0; i < 6; ++i) {
      EXPECT_EQ(leak[static_cast<std::size_t>(i)], i < 2 ? 0 : 1);
      EXPECT_TRUE(near(dense.row(i).sum(), i < 2 ? 1 : 0, support::round_off));
    }
    EXPECT_EQ(p.largest_leak, 1);
  }
  const spaces::Grid absorbing = support::grid({support::axis("x", 0, 1, 6, Boundary::absorbing)});
  EXPECT_EQ(assemble_ulam(open, absorbing, {}).largest_leak, 1);
}

TEST(Ulam, problems_name_the_first_place_on_all_ranks) {
  const spaces::Grid grid = support::grid({support::axis("x", 0, 1, 8)});
  const auto error = [&](const std::string& yaml, const UlamInput& input = {}) {
    return message_of([&] {
      const models::Map model = map(yaml);
      validate(model, grid, input);
      assemble_ulam(model, grid, input);
    });
  };
  EXPECT_EQ(error("{variables: [x], map: [1.5*x]}"),
            "a.yaml:1: 'map[0]' leads to x = 1.00312, beyond the upper end of the axis (1), from x "
            "= 0.66875; widen 'grid.x', or set 'ulam.outside: leak' to let it leave");
  EXPECT_EQ(error("{variables: [x], map: [sqrt(0.5-x)]}"),
            "a.yaml:1: 'map[0]' is not finite (it is nan) at x = 0.50625");
  EXPECT_THAT(error("{variables: [x], map: [1.5*x]}", exact), HasSubstr("beyond the upper end"));
  EXPECT_THAT(error("{variables: [x], map: [sqrt(0.5-x)]}", exact), HasSubstr("is not finite"));
  EXPECT_THAT(error("{variables: [x], map: [x], noise: {kind: gaussian, sigma: 0.01}}"),
              HasSubstr("and noise lead beyond the lower end of the axis x with probability"));
  EXPECT_THAT(error("{variables: [x], map: [x], noise: {kind: gaussian, sigma: 1}}", exact),
              HasSubstr("which is for maps without noise"));
  EXPECT_THAT(error("{variables: [x], map: ['0.5+0.5*sin(1/(x+1e-7))']}", exact),
              HasSubstr("too many branches"));
}

TEST(Ulam, predicts_its_size) {
  const spaces::Grid grid = support::grid({support::axis("x", 0, 1, 64, Boundary::periodic),
                                           support::axis("y", 0, 1, 64, Boundary::periodic)});
  const double predicted = entries_per_row(map(standard), grid, {}) * 4096;
  EXPECT_TRUE(near(predicted, 17024, {0, 0.1}));
}

} // namespace
} // namespace komori::operators
