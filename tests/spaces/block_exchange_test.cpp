/// Values that go from one cut of a box to another.
#include "spaces/block_exchange.hpp"

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

} // namespace
} // namespace komori::spaces
