/// The loops behind means over boxes: as any machine has them against as this one has.
#include "operators/box_pass.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace komori::operators {
namespace {

namespace plain {
#include "operators/box_loops.ipp"
} // namespace plain

using Numbers = std::vector<double>;

Numbers random_numbers(std::size_t count, std::uint64_t stream) {
  const base::Random random(11, stream);
  Numbers all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(random.uniform(i) - 0.5);
  return all;
}

double distance(const Numbers& a, const Numbers& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

double dot(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

constexpr double rounding = 1e-14; ///< of some fifty terms of order 1

/// Lines of some cells with made-up moves: loops do not care what these mean.
struct Lines {
  Lines(std::size_t cells, std::size_t nodes, std::size_t lines, bool along_the_last)
      : pass{.noisy = true, .cells = cells, .nodes = nodes, .shares = random_numbers(cells, 1)},
        room(lines_at_once * (cells + nodes + 4)) {
    pass.shares.back() = 0;
    for (std::size_t j = 0; j + 1 < nodes; ++j) {
      pass.moves.push_back({.high = std::min(cells - 1, cells / 2 + j / 2),
                            .low = std::min(cells - 1, j / 2),
                            .up = 0.3 - 0.01 * static_cast<double>(j),
                            .down = 0.2});
    }
    pass.order_by_cells();
    all = {.first = pass.shares.data(),
           .cells = cells,
           .moves = pass.moves.data(),
           .terms = pass.terms.data(),
           .begins = pass.begins.data(),
           .nodes = nodes,
           .lines = lines,
           .cell_step = along_the_last ? 1 : lines,
           .cell_side = along_the_last ? cells : 1,
           .node_step = along_the_last ? 1 : lines,
           .node_side = along_the_last ? nodes : 1,
           .work = room.data()};
  }
  BoxPass pass;
  Numbers room;
  BoxLines all;
};

/// What the loops are for, in so many words.
Numbers averaged(const Lines& lines, const Numbers& values) {
  const BoxLines& a = lines.all;
  Numbers result(a.nodes * a.lines);
  for (std::size_t l = 0; l < a.lines; ++l) {
    const auto value = [&](std::size_t i) { return values[i * a.cell_step + l * a.cell_side]; };
    double mean = 0;
    for (std::size_t i = 0; i < a.cells; ++i) mean += a.first[i] * value(i);
    for (std::size_t j = 0; j < a.nodes; ++j) {
      if (j > 0) {
        const BoxMove& move = a.moves[j - 1];
        mean += move.up * value(move.high) - move.down * value(move.low);
      }
      result[j * a.node_step + l * a.node_side] = mean;
    }
  }
  return result;
}

TEST(BoxLoops, AverageAndSpreadLines) {
  for (const bool along : {false, true}) {
    for (const std::size_t cells : {1, 6, 13}) {
      for (const std::size_t nodes : {1, 3, 8, 17}) {
        for (const std::size_t count :
             along ? std::vector<std::size_t>{1, 5, 16} : std::vector<std::size_t>{3, 16, 37}) {
          SCOPED_TRACE(testing::Message() << along << " " << cells << " " << nodes << " " << count);
          const Lines lines(cells, nodes, count, along);
          const Numbers values = random_numbers(cells * count, 2);
          const Numbers at_nodes = random_numbers(nodes * count, 3);
          const Numbers expected = averaged(lines, values);
          Numbers own(nodes * count);
          average_lines(lines.all, values.data(), own.data());
          EXPECT_LT(distance(own, expected), rounding);
          plain::average(lines.all, values.data(), own.data());
          EXPECT_LT(distance(own, expected), rounding);
          Numbers back(cells * count);
          spread_lines(lines.all, at_nodes.data(), back.data());
          EXPECT_NEAR(dot(back, values), dot(at_nodes, expected), 100 * rounding);
          Numbers other(cells * count);
          plain::spread(lines.all, at_nodes.data(), other.data());
          EXPECT_LT(distance(back, other), rounding);
        }
      }
    }
  }
}

TEST(BoxLoops, StreamTheSameNumbers) {
  Lines lines(9, 14, 40, false);
  const Numbers values = random_numbers(std::size_t{9} * 40, 2);
  const Numbers expected = averaged(lines, values);
  lines.all.stream = true;
  Numbers room(expected.size() + 8);
  const auto address = reinterpret_cast<std::uintptr_t>(room.data()) / sizeof(double);
  double* const begin = room.data() + (8 - address % 8) % 8;
  for (const bool any : {false, true}) {
    std::fill(room.begin(), room.end(), 0.0);
    any ? plain::average(lines.all, values.data(), begin)
        : average_lines(lines.all, values.data(), begin);
    EXPECT_LT(distance(Numbers(begin, begin + expected.size()), expected), rounding);
  }
}

TEST(BoxLoops, GatherAndScatterInOneToFourDimensions) {
  constexpr std::size_t edge = 5;
  std::vector<BoxRun> runs; // in an order of their own, with gaps; more than are taken at once
  std::size_t count = 0;
  for (const std::size_t length : {std::size_t{11}, std::size_t{1}, points_per_run, std::size_t{2},
                                   std::size_t{6}, std::size_t{3}}) {
    runs.push_back({.begin = 2000 - count, .count = length});
    if (count > 0) runs.back().begin -= 500 + length;
    count += length;
  }
  const std::size_t used = runs.size();
  runs.insert(runs.end(), runs_ahead, {.count = 1});
  std::vector<std::size_t> place; // of every point's value
  for (std::size_t r = 0; r < used; ++r) {
    for (std::size_t i = 0; i < runs[r].count; ++i) place.push_back(runs[r].begin + i);
  }
  for (std::size_t axes = 1; axes <= 4; ++axes) {
    SCOPED_TRACE(axes);
    BoxPlaces points{.axes = axes, .runs = runs.data(), .count = used};
    std::size_t nodes = 1;
    for (std::size_t k = axes; k-- > 0; nodes *= edge) points.stride[k] = nodes;
    std::vector<std::uint32_t> node(count, 0);
    std::array<Numbers, 4> share;
    const Numbers table = random_numbers(nodes, 4);
    const base::Random random(5);
    for (std::size_t k = 0; k < axes; ++k) {
      for (std::size_t i = 0; i < count; ++i) {
        const double where = (edge - 1) * random.uniform(k * count + i);
        node[i] += static_cast<std::uint32_t>(std::floor(where)) *
                   static_cast<std::uint32_t>(points.stride[k]);
        share[k].push_back(where - std::floor(where));
      }
      points.share[k] = share[k].data();
    }
    points.node = node.data();
    Numbers expected(2100, -7.0); // values of no point stay as they are
    for (std::size_t i = 0; i < count; ++i) {
      double& value = expected[place[i]] = 0;
      for (std::size_t corner = 0; corner < std::size_t{1} << axes; ++corner) {
        double weight = 1;
        std::size_t at = node[i];
        for (std::size_t k = 0; k < axes; ++k) {
          const bool upper = (corner >> k & 1) != 0;
          weight *= upper ? share[k][i] : 1 - share[k][i];
          at += upper ? points.stride[k] : 0;
        }
        value += weight * table[at];
      }
    }
    Numbers own(expected.size(), -7.0);
    gather_points(points, table.data(), own.data());
    EXPECT_LT(distance(own, expected), rounding);
    std::fill(own.begin(), own.end(), -7.0);
    plain::by_axes<plain::Gather>(points, table.data(), own.data());
    EXPECT_LT(distance(own, expected), rounding);
    const Numbers values = random_numbers(expected.size(), 6);
    double exact = 0;
    for (const std::size_t i : place) exact += values[i] * expected[i];
    Numbers sums(nodes, 0.0);
    scatter_points(points, values.data(), sums.data());
    EXPECT_NEAR(dot(sums, table), exact, rounding * 100);
    Numbers others(nodes, 0.0);
    plain::by_axes<plain::Scatter>(points, values.data(), others.data());
    EXPECT_LT(distance(sums, others), rounding * 10);
  }
}

/// A part of the nodes, from its own first mean, has the values that all nodes have there; the
/// transposed adds what cells are given by these nodes alone.
TEST(BoxLoops, TakeAPartOfTheNodes) {
  constexpr std::size_t cells = 13;
  constexpr std::size_t nodes = 17;
  for (const std::size_t count : {1, 3, 16, 37}) {
    for (const auto& [first, some] : {std::pair{0, 17}, {0, 5}, {4, 9}, {11, 6}, {16, 1}}) {
      SCOPED_TRACE(testing::Message() << count << " " << first << " " << some);
      const Lines lines(cells, nodes, count, false);
      BoxPart part{.node = static_cast<std::size_t>(first),
                   .nodes = static_cast<std::size_t>(some),
                   .shares = lines.pass.shares};
      for (std::size_t j = 0; j < part.node; ++j) {
        part.shares[lines.pass.moves[j].high] += lines.pass.moves[j].up;
        part.shares[lines.pass.moves[j].low] -= lines.pass.moves[j].down;
      }
      const BoxColumns columns{
          .lines = count, .cell_step = count, .node_step = count, .ahead = count > 16 ? 5U : 0U};
      const Numbers values = random_numbers(cells * count, 2);
      Numbers all = averaged(lines, values);
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(part.node * count);
      const Numbers expected(begin, begin + static_cast<std::ptrdiff_t>(part.nodes * count));
      std::vector<double> work;
      Numbers own(expected.size());
      lines.pass.average(part, columns, values.data(), own.data(), work);
      EXPECT_LT(distance(own, expected), rounding);
      const Numbers at_nodes = random_numbers(expected.size(), 3);
      const Numbers before = random_numbers(cells * count, 4);
      Numbers sums = before;
      lines.pass.spread(part, columns, at_nodes.data(), sums.data(), work);
      EXPECT_NEAR(dot(sums, values) - dot(before, values), dot(at_nodes, expected), 100 * rounding);
    }
  }
}

TEST(BoxLoops, TakeAPartOfTheNodesWithoutNoise) {
  const BoxPass pass{.noisy = false, .cells = 6, .nodes = 7, .kept = 6};
  const BoxPart part{.node = 3, .nodes = 4, .cell = 3, .shares = Numbers(3, 1.0)};
  const BoxColumns columns{.lines = 2, .cell_step = 2, .node_step = 5};
  const Numbers values = random_numbers(12, 2);
  Numbers nodes(20, -7.0);
  std::vector<double> work;
  pass.average(part, columns, values.data(), nodes.data(), work);
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::size_t l = 0; l < 5; ++l) {
      EXPECT_EQ(nodes[j * 5 + l], l > 1 ? -7.0 : j < 3 ? values[(3 + j) * 2 + l] : 0.0);
    }
  }
  Numbers sums(12, 1.0);
  pass.spread(part, columns, nodes.data(), sums.data(), work);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(sums[i], i < 6 ? 1.0 : 1.0 + values[i]);
}

} // namespace
} // namespace komori::operators
