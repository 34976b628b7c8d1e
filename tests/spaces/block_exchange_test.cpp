/// Values that go from one cut of a box to another.
#include "spaces/block_exchange.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <gtest/gtest.h>

namespace komori::spaces {
namespace {

constexpr PetscInt rows = 7;
constexpr PetscInt columns = 5;

int rank_of_this() {
  int rank = 0;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  return rank;
}
int ranks() {
  int count = 0;
  MPI_Comm_size(PETSC_COMM_WORLD, &count);
  return count;
}

/// Slabs of rows or of columns of a table; some are empty where ranks are many.
Block slab(std::size_t axis) {
  Block block;
  block.count = {rows, columns};
  const PetscInt all = block.count[axis];
  block.start[axis] = all * rank_of_this() / ranks();
  block.count[axis] = all * (rank_of_this() + 1) / ranks() - block.start[axis];
  return block;
}

/// A window that overlaps those of other ranks; the last rank wants nothing if it is not alone.
Block window() {
  Block block;
  const PetscInt begin = rank_of_this() % 3;
  block.start = {begin, 1};
  block.count = {rows - 2 - begin, 3};
  if (ranks() > 1 && rank_of_this() + 1 == ranks()) block = Block{};
  return block;
}

double value_at(PetscInt row, PetscInt column) {
  return 1 + 10 * static_cast<double>(row) + static_cast<double>(column);
}

template <class Visit> void for_each(const Block& block, Visit&& visit) {
  std::size_t place = 0;
  for (PetscInt i = 0; i < block.count[0]; ++i) {
    for (PetscInt j = 0; j < block.count[1]; ++j) {
      visit(place++, block.start[0] + i, block.start[1] + j);
    }
  }
}

/// How many ranks' windows hold a place.
int wanted_by(PetscInt row, PetscInt column) {
  int own = 0;
  for_each(window(), [&](std::size_t, PetscInt i, PetscInt j) {
    own += static_cast<int>(i == row && j == column);
  });
  MPI_Allreduce(MPI_IN_PLACE, &own, 1, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
  return own;
}

TEST(BlockExchange, BringsEveryRankWhatItWants) {
  for (const Block& wanted : {slab(1), window()}) {
    const BlockExchange exchange(PETSC_COMM_WORLD, 2, slab(0), wanted);
    BlockExchange::Messages messages;
    std::vector<double> held(exchange.held());
    for_each(slab(0), [&](std::size_t p, PetscInt i, PetscInt j) { held[p] = value_at(i, j); });
    std::vector<double> values(exchange.wanted(), -1);

    if (!exchange.trivial()) exchange.fetch(held, values, messages);

    if (exchange.trivial()) values = held;
    for_each(wanted,
             [&](std::size_t p, PetscInt i, PetscInt j) { EXPECT_EQ(values[p], value_at(i, j)); });
  }
}

TEST(BlockExchange, SumsWhatComesBack) {
  const BlockExchange exchange(PETSC_COMM_WORLD, 2, slab(0), window());
  BlockExchange::Messages messages;
  std::vector<double> values(exchange.wanted());
  for_each(window(), [&](std::size_t p, PetscInt i, PetscInt j) { values[p] = value_at(i, j); });
  std::vector<double> held(exchange.held(), -1);

  exchange.sum_back(values, held, messages);

  for (PetscInt row = 0; row < rows; ++row) {
    for (PetscInt column = 0; column < columns; ++column) {
      const double expected = wanted_by(row, column) * value_at(row, column);
      for_each(slab(0), [&](std::size_t p, PetscInt i, PetscInt j) {
        if (i == row && j == column) {
          EXPECT_EQ(held[p], expected);
        }
      });
    }
  }
}

TEST(BlockExchange, IsTrivialWhereNothingMoves) {
  EXPECT_TRUE(BlockExchange(PETSC_COMM_WORLD, 2, slab(0), slab(0)).trivial());
  EXPECT_EQ(BlockExchange(PETSC_COMM_WORLD, 2, slab(0), slab(1)).trivial(), ranks() == 1);
  EXPECT_FALSE(BlockExchange(PETSC_COMM_WORLD, 2, slab(0), window()).trivial());
}

/// The slab of a rank and a row on either side of it: what it holds stays where it is.
TEST(BlockExchange, LeavesValuesAmongThoseWanted) {
  const Block own = slab(0);
  Block wanted = own;
  if (own.count[0] > 0) {
    wanted.start[0] = std::max<PetscInt>(own.start[0] - 1, 0);
    wanted.count[0] = std::min(own.start[0] + own.count[0] + 1, rows) - wanted.start[0];
  }
  const BlockExchange exchange(PETSC_COMM_WORLD, 2, own, wanted);
  BlockExchange::Messages messages;
  std::vector<double> values(exchange.wanted(), -1);
  if (own.count[0] == 0) {
    EXPECT_FALSE(exchange.place_of_held());
  } else {
    ASSERT_TRUE(exchange.place_of_held());
    EXPECT_EQ(*exchange.place_of_held(),
              static_cast<std::size_t>((own.start[0] - wanted.start[0]) * columns));
  }
  const std::span<double> held =
      std::span(values).subspan(exchange.place_of_held().value_or(0), exchange.held());
  for_each(own, [&](std::size_t p, PetscInt i, PetscInt j) { held[p] = value_at(i, j); });

  if (!exchange.trivial()) exchange.fetch(held, values, messages);

  for_each(wanted,
           [&](std::size_t p, PetscInt i, PetscInt j) { EXPECT_EQ(values[p], value_at(i, j)); });
  std::fill(values.begin(), values.end(), 1.0);

  if (!exchange.trivial()) exchange.sum_back(values, held, messages);

  std::array<int, rows> wanting{};
  for (PetscInt i = 0; i < wanted.count[0]; ++i) {
    ++wanting[static_cast<std::size_t>(wanted.start[0] + i)];
  }
  MPI_Allreduce(MPI_IN_PLACE, wanting.data(), static_cast<int>(rows), MPI_INT, MPI_SUM,
                PETSC_COMM_WORLD);
  for_each(own, [&](std::size_t p, PetscInt i, PetscInt) {
    EXPECT_EQ(held[p], wanting[static_cast<std::size_t>(i)]);
  });
}

TEST(BlockExchange, HasNoPlaceForValuesOfWhichItWantsSome) {
  const BlockExchange exchange(PETSC_COMM_WORLD, 2, slab(0), window()); // three of five columns
  EXPECT_FALSE(exchange.place_of_held());
}

} // namespace
} // namespace komori::spaces
