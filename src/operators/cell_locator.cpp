#include "operators/cell_locator.hpp"

#include <cmath>

namespace komori::operators {

CellLocator::CellLocator(const spaces::Grid& grid) : grid_(grid) {
  for (int k = 0; k < grid.dimension(); ++k) kernels_.emplace_back(grid.axis(k), nullptr);
}

std::int64_t CellLocator::place(std::size_t k, double x) const {
  const spaces::Axis& axis = grid_.axis(static_cast<int>(k));
  const bool sane = std::abs(x - axis.from()) <= 1e9 * axis.length();
  if (!sane) return -1;
  const std::int64_t cell = kernels_[k].place(x);
  if (axis.periodic()) return kernels_[k].wrapped(cell);
  return cell < axis.cells() ? cell : -1;
}

std::int64_t CellLocator::natural(std::span<const double> x) const {
  std::int64_t natural = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const std::int64_t cell = place(k, x[k]);
    if (cell < 0) return -1;
    natural = natural * grid_.axis(static_cast<int>(k)).cells() + cell;
  }
  return natural;
}

int CellLocator::outside(std::span<const double> x) const {
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (place(k, x[k]) < 0) return static_cast<int>(k);
  }
  return -1;
}

PetscInt CellLocator::number(const spaces::Grid& grid, std::int64_t natural) {
  spaces::Index cell{};
  for (int k = grid.dimension() - 1; k >= 0; --k) {
    cell[static_cast<std::size_t>(k)] = static_cast<PetscInt>(natural % grid.axis(k).cells());
    natural /= grid.axis(k).cells();
  }
  return grid.number(cell);
}

} // namespace komori::operators
