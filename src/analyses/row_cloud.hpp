/// The rows of a few distributed vectors as points in a space of few dimensions. Internal to
/// analyses.
#pragma once

#include <cstdint>
#include <vector>

#include <Eigen/Dense>

#include "base/petsc.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// One point per cell: its values in n vectors. Each rank holds its own cells. Where several points
/// are equally extreme up to rounding, the first cell in natural order counts, so that answers do
/// not depend on the number of ranks.
class RowCloud {
public:
  /// Columns are the vectors, in the grid's layout. Local.
  RowCloud(const spaces::Grid& grid, const std::vector<base::UniqueVec>& columns);

  MPI_Comm comm() const noexcept { return grid_.comm(); }
  Eigen::Index dimension() const noexcept { return rows_.cols(); }
  /// Of all ranks. Local.
  std::int64_t points() const noexcept;
  /// This rank's points, one per row. Local.
  const Eigen::MatrixXd& rows() const noexcept { return rows_; }

  /// A cell by its natural position, and its point.
  struct Point {
    std::int64_t natural = -1;
    Eigen::VectorXd place;
  };
  /// The point where `score`, one number per point of this rank, is largest. Collective.
  Point highest(const Eigen::VectorXd& score) const;
  /// For each column of `directions` [n, k] the point farthest along it. Collective.
  std::vector<Point> farthest(const Eigen::MatrixXd& directions) const;
  /// The smallest value of each column of rows * directions. Collective.
  Eigen::VectorXd lowest(const Eigen::MatrixXd& directions) const;
  /// All points in natural order on every rank: of small clouds. Collective.
  Eigen::MatrixXd everywhere() const;
  /// A vector with the values rows * direction. Collective.
  base::UniqueVec combined(const Eigen::VectorXd& direction) const;

private:
  const spaces::Grid& grid_;
  Eigen::MatrixXd rows_;
  std::vector<std::int64_t> naturals_;
};

} // namespace komori::analyses
