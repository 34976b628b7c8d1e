#include "io/layers.hpp"

#include <gtest/gtest.h>

#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using Counts = std::vector<hsize_t>;

/// The pieces are small enough, contiguous in memory, and cover the block in natural order.
void expect_cover(const std::vector<Layer>& pieces, const Counts& start, const Counts& count,
                  hsize_t max_values) {
  std::size_t next = 0;
  for (const Layer& piece : pieces) {
    if (piece.values == 0) continue;
    EXPECT_LE(piece.values, max_values);
    EXPECT_EQ(piece.offset, next);
    std::size_t position = 0;
    hsize_t values = 1;
    for (std::size_t k = 0; k < count.size(); ++k) {
      ASSERT_GE(piece.start[k], start[k]);
      ASSERT_LE(piece.start[k] + piece.count[k], start[k] + count[k]);
      position = position * count[k] + (piece.start[k] - start[k]);
      values *= piece.count[k];
    }
    EXPECT_EQ(position, next);
    EXPECT_EQ(values, piece.values);
    next += piece.values;
  }
  hsize_t all = 1;
  for (const hsize_t entries : count) all *= entries;
  EXPECT_EQ(next, all);
}

TEST(Layers, CoverAnyBlockWithSmallPieces) {
  for (const hsize_t max_values : {1, 2, 5, 7, 12, 1000}) {
    for (const Counts& count : {Counts{7}, Counts{3, 4}, Counts{1, 5}, Counts{2, 3, 4},
                                Counts{1, 1, 6}, Counts{4, 1, 3}}) {
      Counts start(count.size());
      for (std::size_t k = 0; k < start.size(); ++k) start[k] = k + 1;
      expect_cover(layers(TemporaryFolder::comm(), start, count, max_values), start, count,
                   max_values);
    }
  }
}

TEST(Layers, AreAsManyOnEveryRank) {
  const auto rank = static_cast<hsize_t>(TemporaryFolder::rank());
  const auto size = static_cast<std::size_t>(TemporaryFolder::size());
  EXPECT_EQ(layers(TemporaryFolder::comm(), {0, 0}, {rank, 3}, 3).size(), size - 1);
}

TEST(Layers, HoldASingleNumber) {
  const std::vector<Layer> pieces = layers(TemporaryFolder::comm(), {}, {});
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].values, 1U);
}

} // namespace
} // namespace komori::io
