#include "analyses/row_cloud.hpp"

#include <limits>

namespace komori::analyses {
namespace {

/// Scores closer than this, relative to the largest, are a tie.
constexpr double tie = 1e-9;

} // namespace

RowCloud::RowCloud(const spaces::Grid& grid, const std::vector<base::UniqueVec>& columns)
    : grid_(grid), rows_(grid.local_cells(), static_cast<Eigen::Index>(columns.size())) {
  for (std::size_t j = 0; j < columns.size(); ++j) {
    const base::ReadArray values(columns[j].get());
    for (std::size_t i = 0; i < values.size(); ++i) {
      rows_(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = values[i];
    }
  }
  naturals_.reserve(static_cast<std::size_t>(grid.local_cells()));
  grid.for_each_cell(
      [&](PetscInt, const spaces::Index& cell) { naturals_.push_back(grid.natural(cell)); });
}

std::int64_t RowCloud::points() const noexcept {
  return grid_.cells();
}

RowCloud::Point RowCloud::highest(const Eigen::VectorXd& score) const {
  constexpr double none = -std::numeric_limits<double>::infinity();
  double best = score.size() > 0 ? score.maxCoeff() : none;
  MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_DOUBLE, MPI_MAX, grid_.comm());
  const double slack = tie * std::abs(best);
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  Eigen::Index mine = -1;
  for (Eigen::Index i = 0; i < score.size(); ++i) {
    const std::int64_t natural = naturals_[static_cast<std::size_t>(i)];
    if (score[i] < best - slack || natural >= first) continue;
    first = natural;
    mine = i;
  }
  const std::int64_t own = first;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT64_T, MPI_MIN, grid_.comm());
  Point point{.natural = first, .place = Eigen::VectorXd::Zero(dimension())};
  if (mine >= 0 && own == first) point.place = rows_.row(mine).transpose();
  MPI_Allreduce(MPI_IN_PLACE, point.place.data(), static_cast<int>(dimension()), MPI_DOUBLE,
                MPI_SUM, grid_.comm());
  return point;
}

std::vector<RowCloud::Point> RowCloud::farthest(const Eigen::MatrixXd& directions) const {
  std::vector<Point> points;
  for (Eigen::Index k = 0; k < directions.cols(); ++k) {
    points.push_back(highest(rows_ * directions.col(k)));
  }
  return points;
}

Eigen::VectorXd RowCloud::lowest(const Eigen::MatrixXd& directions) const {
  Eigen::VectorXd least =
      Eigen::VectorXd::Constant(directions.cols(), std::numeric_limits<double>::infinity());
  if (rows_.rows() > 0) least = (rows_ * directions).colwise().minCoeff().transpose();
  MPI_Allreduce(MPI_IN_PLACE, least.data(), static_cast<int>(least.size()), MPI_DOUBLE, MPI_MIN,
                grid_.comm());
  return least;
}

Eigen::MatrixXd RowCloud::everywhere() const {
  Eigen::MatrixXd all =
      Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(grid_.cells()), dimension());
  for (Eigen::Index i = 0; i < rows_.rows(); ++i) {
    all.row(static_cast<Eigen::Index>(naturals_[static_cast<std::size_t>(i)])) = rows_.row(i);
  }
  MPI_Allreduce(MPI_IN_PLACE, all.data(), static_cast<int>(all.size()), MPI_DOUBLE, MPI_SUM,
                grid_.comm());
  return all;
}

base::UniqueVec RowCloud::combined(const Eigen::VectorXd& direction) const {
  base::UniqueVec result = grid_.vector();
  const base::WriteArray values(result.get());
  const Eigen::VectorXd local = rows_ * direction;
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = local[static_cast<Eigen::Index>(i)];
  return result;
}

} // namespace komori::analyses
