/// A cell field on this rank's block and the cells around it.
#pragma once

#include <vector>

#include "base/petsc.hpp"
#include "spaces/grid.hpp"

namespace komori::spaces {

/// Values of one field on the block widened by `width` cells on every axis (edges and corners
/// included, clipped at walls, wrapped round periodic axes).
class Halo {
public:
  /// Plans the exchange. Collective. `grid` must outlive it.
  explicit Halo(const Grid& grid, PetscInt width = 1);
  /// Fetches the current values of `field`. Collective.
  void update(Vec field);
  /// The value at a cell of the widened block; indices beyond a periodic seam are allowed. Local.
  double operator()(const Index& cell) const;

private:
  const Grid& grid_;
  Index start_{};
  Index count_{};
  base::UniqueScatter scatter_;
  base::UniqueVec received_; ///< on this rank alone
  std::vector<double> values_;
};

} // namespace komori::spaces
