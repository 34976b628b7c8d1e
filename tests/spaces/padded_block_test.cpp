#include "spaces/padded_block.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace komori::spaces {
namespace {

using support::axis;

/// The natural number of every owned cell as a field of two values, its ghosts filled.
std::vector<double> numbered(const Grid& grid, const PaddedBlock& block) {
  std::vector<double> field(block.padded_cells() * 2, -1);
  grid.for_each_cell([&](PetscInt, const Index& cell) {
    Index inside{};
    for (int k = 0; k < grid.dimension(); ++k) {
      const auto a = static_cast<std::size_t>(k);
      inside[a] = cell[a] - grid.block().start[a];
    }
    const std::size_t i = block.position(inside);
    field[2 * i] = static_cast<double>(grid.natural(cell));
    field[2 * i + 1] = -field[2 * i];
  });
  const GhostExchange exchange(block, MPI_DOUBLE, 2);
  exchange(field.data());
  return field;
}

void expect_neighbours(const Grid& grid) {
  const PaddedBlock block(grid);
  const std::vector<double> field = numbered(grid, block);
  grid.for_each_cell([&](PetscInt, const Index& cell) {
    Index inside{};
    for (int k = 0; k < grid.dimension(); ++k) {
      const auto a = static_cast<std::size_t>(k);
      inside[a] = cell[a] - grid.block().start[a];
    }
    for (int k = 0; k < grid.dimension(); ++k) {
      for (const int by : {-1, 1}) {
        Index next = cell;
        next[static_cast<std::size_t>(k)] += by;
        const Axis& along = grid.axis(k);
        const PetscInt i = along.wrapped(next[static_cast<std::size_t>(k)]);
        next[static_cast<std::size_t>(k)] = i;
        const auto ghost = static_cast<std::size_t>(
            static_cast<std::ptrdiff_t>(block.position(inside)) + by * block.stride(k));
        const double expected = along.contains(i) ? static_cast<double>(grid.natural(next)) : -1;
        EXPECT_EQ(field[2 * ghost], expected);
        EXPECT_EQ(field[2 * ghost + 1], along.contains(i) ? -expected : -1);
      }
    }
  });
}

TEST(PaddedBlock, ghosts_are_the_neighbours_cells) {
  expect_neighbours(Grid(MPI_COMM_WORLD, {axis("x", 0, 1, 7)}));
  expect_neighbours(Grid(MPI_COMM_WORLD, {axis("x", 0, 1, 6, Boundary::periodic)}));
  expect_neighbours(
      Grid(MPI_COMM_WORLD, {axis("x", 0, 1, 5), axis("y", 0, 1, 8, Boundary::periodic)}));
  expect_neighbours(Grid(MPI_COMM_WORLD, {axis("x", 0, 1, 4, Boundary::periodic),
                                          axis("y", 0, 1, 3), axis("z", 0, 1, 6)}));
}

TEST(PaddedBlock, a_ring_of_one_cell_is_its_own_neighbour) {
  expect_neighbours(
      Grid(MPI_COMM_WORLD, {axis("x", 0, 1, 1, Boundary::periodic), axis("y", 0, 1, 9)}));
}

TEST(PaddedBlock, ranks_without_cells_take_no_part) {
  expect_neighbours(Grid(MPI_COMM_WORLD, {axis("x", 0, 1, 2)}));
}

TEST(PaddedBlock, halves_every_part_by_itself) {
  const Grid grid(MPI_COMM_WORLD, {axis("x", 0, 1, 13), axis("y", 0, 1, 4)});
  const PaddedBlock half = PaddedBlock(grid).halved(0);

  PetscInt sum = half.count(0);
  EXPECT_EQ(half.count(0), (grid.block().count[0] + 1) / 2);
  EXPECT_EQ(half.count(1), grid.block().count[1]);
  if (grid.ranks_per_axis()[1] == 1) {
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPIU_INT, MPI_SUM, MPI_COMM_WORLD);
    EXPECT_EQ(half.total(0), sum);
  }
}

} // namespace
} // namespace komori::spaces
