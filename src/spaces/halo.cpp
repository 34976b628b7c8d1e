#include "spaces/halo.hpp"

#include <algorithm>

namespace komori::spaces {

using base::check;

Halo::Halo(const Grid& grid, PetscInt width) : grid_(grid) {
  PetscInt total = grid.local_cells() > 0 ? 1 : 0;
  for (int k = 0; k < grid.dimension(); ++k) {
    const auto a = static_cast<std::size_t>(k);
    PetscInt low = grid.block().start[a] - width;
    PetscInt high = grid.block().start[a] + grid.block().count[a] + width;
    if (!grid.axis(k).periodic()) {
      low = std::max<PetscInt>(low, 0);
      high = std::min(high, grid.axis(k).cells());
    }
    start_[a] = low;
    count_[a] = high - low;
    total *= count_[a];
  }
  std::vector<PetscInt> numbers;
  numbers.reserve(static_cast<std::size_t>(total));
  Index cell = start_;
  for (PetscInt n = 0; n < total; ++n) {
    Index inside = cell;
    for (int k = 0; k < grid.dimension(); ++k) {
      const auto a = static_cast<std::size_t>(k);
      inside[a] = grid.axis(k).wrapped(cell[a]);
    }
    numbers.push_back(grid.number(inside));
    for (int k = grid.dimension() - 1; k >= 0; --k) {
      const auto a = static_cast<std::size_t>(k);
      if (++cell[a] < start_[a] + count_[a]) break;
      cell[a] = start_[a];
    }
  }
  base::UniqueIs from;
  check(ISCreateGeneral(grid.comm(), total, numbers.data(), PETSC_COPY_VALUES, from.put()));
  check(VecCreateSeq(PETSC_COMM_SELF, total, received_.put()));
  const base::UniqueVec layout = grid.vector();
  check(VecScatterCreate(layout.get(), from.get(), received_.get(), nullptr, scatter_.put()));
}

void Halo::update(Vec field) {
  check(VecScatterBegin(scatter_.get(), field, received_.get(), INSERT_VALUES, SCATTER_FORWARD));
  check(VecScatterEnd(scatter_.get(), field, received_.get(), INSERT_VALUES, SCATTER_FORWARD));
  const base::ReadArray values(received_.get());
  values_.assign(values.span().begin(), values.span().end());
}

double Halo::operator()(const Index& cell) const {
  PetscInt position = 0;
  for (int k = 0; k < grid_.dimension(); ++k) {
    const auto a = static_cast<std::size_t>(k);
    position = position * count_[a] + (cell[a] - start_[a]);
  }
  return values_[static_cast<std::size_t>(position)];
}

} // namespace komori::spaces
