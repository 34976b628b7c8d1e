/// Rows of transition matrices on their way into checkpoints and back.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "operators/csr.hpp"
#include "operators/ulam.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// The cell at a natural position.
spaces::Index cell_at(const spaces::Grid& grid, std::int64_t natural);

/// The grids whose cells are the rows and the columns of a matrix.
struct MatrixGrids {
  const spaces::Grid& rows;
  const spaces::Grid& columns;
};

/// All rows of this rank of a matrix that is done; a matrix has leaks per row, or none. Local.
UlamRowsDone rows_of(Mat matrix, const MatrixGrids& grids, std::span<const double> leaks);

/// Rows of this rank that are known before they are computed, handed out in its order of cells. The
/// grids must outlive it.
class KnownRows {
public:
  /// `done`: parts that any rank may hold. Collective.
  KnownRows(const MatrixGrids& grids, const UlamRowsDone& done);
  /// The row of a cell of this rank is known, taken or not. Local.
  bool has(PetscInt local) const;
  /// Adds the entries of a cell of this rank, and sets its leak, if its row is known; to be asked
  /// in ascending order of local numbers. Local.
  bool take(PetscInt local, CsrBuilder& builder, double& leak);
  /// The rows that a builder has, with their leaks, and those that were not taken yet. Local.
  UlamRowsDone done(const CsrBuilder& builder, std::span<const double> leaks) const;

private:
  struct Row {
    PetscInt local = 0;
    double leak = 0;
    std::size_t first = 0; ///< of its entries
    std::size_t count = 0;
  };
  MatrixGrids grids_;
  std::vector<Row> rows_;
  std::vector<std::pair<PetscInt, double>> entries_;
  std::size_t next_ = 0;
};

} // namespace komori::operators
