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
  for (std::size_t axes = 1; axes <= 4; ++axes) {
    SCOPED_TRACE(axes);
    BoxRows points{.axes = axes, .rows = 3, .length = 11};
    std::size_t nodes = 1;
    for (std::size_t k = axes; k-- > 0; nodes *= edge) points.stride[k] = nodes;
    constexpr std::size_t count = 33;
    std::vector<PetscInt> first(count + points_ahead + 4, 0);
    std::array<Numbers, 4> share;
    Numbers expected(count);
    const Numbers table = random_numbers(nodes, 4);
    const base::Random random(5);
    for (std::size_t k = 0; k < axes; ++k) {
      for (std::size_t i = 0; i < count; ++i) {
        const double place = (edge - 1) * random.uniform(k * count + i);
        first[i] +=
            static_cast<PetscInt>(std::floor(place)) * static_cast<PetscInt>(points.stride[k]);
        share[k].push_back(place - std::floor(place));
      }
      points.share[k] = share[k].data();
    }
    points.first = first.data();
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t corner = 0; corner < std::size_t{1} << axes; ++corner) {
        double weight = 1;
        auto node = static_cast<std::size_t>(first[i]);
        for (std::size_t k = 0; k < axes; ++k) {
          const bool upper = (corner >> k & 1) != 0;
          weight *= upper ? share[k][i] : 1 - share[k][i];
          node += upper ? points.stride[k] : 0;
        }
        expected[i] += weight * table[node];
      }
    }
    Numbers own(count);
    const std::array<double*, 3> rows{own.data(), own.data() + 11, own.data() + 22};
    gather_rows(points, table.data(), rows.data());
    EXPECT_LT(distance(own, expected), rounding);
    std::fill(own.begin(), own.end(), 0.0);
    plain::by_axes<plain::Gather>(points, table.data(), rows.data());
    EXPECT_LT(distance(own, expected), rounding);
    const Numbers values = random_numbers(count, 6);
    const std::array<const double*, 3> from{values.data(), values.data() + 11, values.data() + 22};
    Numbers sums(nodes, 0.0);
    scatter_rows(points, from.data(), sums.data());
    EXPECT_NEAR(dot(sums, table), dot(values, expected), rounding * 10);
    Numbers others(nodes, 0.0);
    plain::by_axes<plain::Scatter>(points, from.data(), others.data());
    EXPECT_LT(distance(sums, others), rounding);
  }
}

TEST(BoxLoops, TakeTheirPlacesInOneTable) {
  for (const auto& [cells, nodes] : {std::pair{6, 9}, std::pair{13, 5}}) {
    for (const std::size_t count : {3, 16, 37}) {
      SCOPED_TRACE(testing::Message() << cells << " " << nodes << " " << count);
      const Lines lines(cells, nodes, count, false);
      const std::size_t room = std::max(cells, nodes) * count;
      const Numbers values = random_numbers(cells * count, 2);
      const Numbers at_nodes = random_numbers(nodes * count, 3);
      Numbers spread(cells * count);
      spread_lines(lines.all, at_nodes.data(), spread.data());
      for (const bool any : {false, true}) {
        Numbers table = values;
        table.resize(room);
        any ? plain::average_in_place(lines.all, table.data())
            : average_lines_in_place(lines.all, table.data());
        table.resize(nodes * count);
        EXPECT_LT(distance(table, averaged(lines, values)), rounding);
        table = at_nodes;
        table.resize(room);
        any ? plain::spread_in_place(lines.all, table.data())
            : spread_lines_in_place(lines.all, table.data());
        table.resize(cells * count);
        EXPECT_LT(distance(table, spread), rounding);
      }
    }
  }
}

} // namespace
} // namespace komori::operators
