/// The cell of a grid that a point lies in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/noise.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// Finds cells of any points, whichever rank owns them. The grid must outlive it. Local.
class CellLocator {
public:
  explicit CellLocator(const spaces::Grid& grid);
  const spaces::Grid& grid() const noexcept { return grid_; }

  /// The natural position of the cell of a point; -1 where it is outside.
  std::int64_t natural(std::span<const double> x) const;
  /// The first axis that a point outside the grid is beyond; -1 for one inside.
  int outside(std::span<const double> x) const;
  /// The number of the cell at a natural position.
  static PetscInt number(const spaces::Grid& grid, std::int64_t natural);

private:
  /// The position along axis k; -1 outside.
  std::int64_t place(std::size_t k, double x) const;

  const spaces::Grid& grid_;
  std::vector<models::AxisKernel> kernels_;
};

} // namespace komori::operators
