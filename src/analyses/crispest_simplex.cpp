#include "analyses/crispest_simplex.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include <petsctao.h>

#include "analyses/simplex_search.hpp"
#include "base/random.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using UniqueTao = base::Handle<Tao, TaoDestroy>;

/// A before its first row is known: free block, and the first column that makes rows sum to 0.
MatrixXd lower_part(const MatrixXd& block) {
  const Index m = block.rows() + 1;
  MatrixXd transform = MatrixXd::Zero(m, m);
  transform.bottomRightCorner(m - 1, m - 1) = block;
  transform.bottomLeftCorner(m - 1, 1) = -block.rowwise().sum();
  return transform;
}

double crispness_of(const MatrixXd& transform) {
  double trace = 0;
  for (Index j = 0; j < transform.cols(); ++j) {
    trace += transform.col(j).squaredNorm() / transform(0, j);
  }
  return trace / static_cast<double>(transform.cols());
}

/// A from its free block: feasible for every row of the cloud. Collective.
MatrixXd completed(const RowCloud& cloud, const MatrixXd& block) {
  MatrixXd transform = lower_part(block);
  transform.row(0) = -cloud.lowest(transform).transpose();
  return transform / transform.row(0).sum();
}

/// What the minimiser works on: rows [k, m], and how smooth the minimum over them is.
struct Smoothed {
  MatrixXd rows;
  double width = 0;
};

/// m - m * crispness and its gradient by the free block.
double lack_of_crispness(const Smoothed& problem, const MatrixXd& block, MatrixXd& gradient) {
  MatrixXd transform = lower_part(block);
  const Index m = transform.cols();
  const MatrixXd values = problem.rows * transform;
  MatrixXd shares(values.rows(), m);
  for (Index j = 0; j < m; ++j) {
    const double least = values.col(j).minCoeff();
    shares.col(j) = (-(values.col(j).array() - least) / problem.width).exp();
    const double sum = shares.col(j).sum();
    shares.col(j) /= sum;
    transform(0, j) = problem.width * std::log(sum) - least;
  }
  const double scale = transform.row(0).sum();
  transform /= scale;
  MatrixXd by_transform(m, m);
  for (Index j = 0; j < m; ++j) {
    by_transform.col(j) = -2 * transform.col(j) / transform(0, j);
    by_transform(0, j) += transform.col(j).squaredNorm() / (transform(0, j) * transform(0, j));
  }
  MatrixXd by_parts = by_transform / scale;
  by_parts.row(0).array() -= by_transform.cwiseProduct(transform).sum() / scale;
  // The first row depends on the others through the shares.
  for (Index j = 0; j < m; ++j) {
    by_parts.col(j).tail(m - 1) -=
        by_parts(0, j) * (problem.rows.rightCols(m - 1).transpose() * shares.col(j));
  }
  gradient = by_parts.bottomRightCorner(m - 1, m - 1);
  gradient.colwise() -= by_parts.bottomLeftCorner(m - 1, 1).col(0);
  return static_cast<double>(m) * (1 - crispness_of(transform));
}

PetscErrorCode evaluate(Tao, Vec x, PetscReal* value, Vec slope, void* context) {
  return base::guarded([&] {
    const auto& problem = *static_cast<const Smoothed*>(context);
    const Index n = problem.rows.cols() - 1;
    const base::ReadArray from(x);
    const base::WriteArray to(slope);
    MatrixXd gradient;
    *value =
        lack_of_crispness(problem, Eigen::Map<const MatrixXd>(from.span().data(), n, n), gradient);
    Eigen::Map<MatrixXd>(to.span().data(), n, n) = gradient;
  });
}

/// A local minimum on the rows given, from `block` on, the width lowered from `widest`.
MatrixXd minimised(const MatrixXd& rows, MatrixXd block, double widest) {
  constexpr double narrowest = 1e-10;
  const Index n = block.rows();
  Smoothed problem{.rows = rows};
  UniqueTao tao;
  base::UniqueVec x;
  check(VecCreateSeq(PETSC_COMM_SELF, static_cast<PetscInt>(n * n), x.put()));
  for (problem.width = widest; problem.width >= narrowest; problem.width /= 10) {
    // The crispness does not depend on the block's scale, the smooth minimum does.
    MatrixXd transform = lower_part(block);
    block /= -(rows * transform).colwise().minCoeff().sum();
    {
      const base::WriteArray values(x.get());
      Eigen::Map<MatrixXd>(values.span().data(), n, n) = block;
    }
    check(TaoCreate(PETSC_COMM_SELF, tao.put()));
    check(TaoSetType(tao.get(), TAOLMVM));
    check(TaoSetSolution(tao.get(), x.get()));
    check(TaoSetObjectiveAndGradient(tao.get(), nullptr, evaluate, &problem));
    check(TaoSetTolerances(tao.get(), 1e-12, 0, 0));
    check(TaoSetMaximumIterations(tao.get(), 400));
    check(TaoSolve(tao.get()));
    const base::ReadArray values(x.get());
    block = Eigen::Map<const MatrixXd>(values.span().data(), n, n);
  }
  return block;
}

/// The m rows of the inner simplex.
std::vector<RowCloud::Point> inner_simplex(const RowCloud& cloud) {
  MatrixXd rest = cloud.rows();
  std::vector<RowCloud::Point> corners;
  std::vector<VectorXd> removed; // directions taken out of what is left
  for (Index k = 0; k < cloud.dimension(); ++k) {
    const RowCloud::Point corner = cloud.highest(rest.rowwise().squaredNorm());
    corners.push_back(corner);
    if (k == 0) {
      rest.rowwise() -= corner.place.transpose();
      continue;
    }
    VectorXd direction = corner.place - corners.front().place;
    for (const VectorXd& other : removed) direction -= other.dot(direction) * other;
    direction.normalize();
    rest -= (rest * direction) * direction.transpose();
    removed.push_back(direction);
  }
  return corners;
}

/// Rows the optimisation works on; grows.
class Candidates {
public:
  /// Returns whether the row is new.
  bool add(const RowCloud::Point& point) {
    if (!known_.insert(point.natural).second) return false;
    rows_.conservativeResize(rows_.rows() + 1, point.place.size());
    rows_.row(rows_.rows() - 1) = point.place.transpose();
    return true;
  }
  const MatrixXd& rows() const noexcept { return rows_; }

private:
  MatrixXd rows_;
  std::set<std::int64_t> known_;
};

/// As other codes have it; one rank speaks for all.
double searched(const RowCloud& cloud, const MatrixXd& block) {
  if (!may_search(static_cast<double>(cloud.points()), static_cast<double>(cloud.dimension()))) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  double found = searched_crispness(cloud.everywhere(), block);
  MPI_Bcast(&found, 1, MPI_DOUBLE, 0, cloud.comm());
  return found;
}

/// Directions spread over all of space, the same on all ranks.
MatrixXd spread(Index dimension) {
  constexpr Index per_dimension = 10;
  const base::Random random(20180710);
  MatrixXd directions(dimension, per_dimension * dimension);
  for (Index i = 0; i < directions.size(); ++i) {
    directions.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  }
  directions.row(0).setZero(); // the constant
  return directions;
}

} // namespace

Simplex crispest_simplex(const RowCloud& cloud) {
  const Index m = cloud.dimension();
  if (m == 1) return {MatrixXd::Ones(1, 1), 1, 1, 1};
  Candidates candidates;
  MatrixXd corners(m, m);
  Index next = 0;
  for (const RowCloud::Point& corner : inner_simplex(cloud)) {
    corners.row(next++) = corner.place.transpose();
    candidates.add(corner);
  }
  const MatrixXd start = corners.inverse();
  MatrixXd block = start.bottomRightCorner(m - 1, m - 1);
  Simplex result{.transform = completed(cloud, block)};
  result.crispness = result.first_crispness = crispness_of(result.transform);
  result.searched = searched(cloud, block);
  if (m == 2) return result; // every block is a multiple of this one

  for (const RowCloud::Point& point : cloud.farthest(spread(m))) candidates.add(point);
  for (const RowCloud::Point& point : cloud.farthest(-lower_part(block))) candidates.add(point);
  constexpr int most_rounds = 100;
  double widest = 0.1;
  for (int round = 0; round < most_rounds; ++round) {
    block = minimised(candidates.rows(), block, widest);
    // Ranks of different machines may round differently; one of them speaks for all.
    MPI_Bcast(block.data(), static_cast<int>(block.size()), MPI_DOUBLE, 0, cloud.comm());
    const MatrixXd lower = lower_part(block);
    const VectorXd allowed = (candidates.rows() * lower).colwise().minCoeff().transpose();
    const VectorXd met = cloud.lowest(lower);
    const double slack = 1e-11 * met.cwiseAbs().maxCoeff();
    bool grown = false;
    for (Index j = 0; j < m; ++j) {
      if (met[j] >= allowed[j] - slack) continue;
      grown = candidates.add(cloud.highest(-(cloud.rows() * lower.col(j)))) || grown;
    }
    if (!grown) break;
    widest = 1e-3;
  }
  const MatrixXd transform = completed(cloud, block);
  const double crispness = crispness_of(transform);
  if (crispness > result.crispness) {
    result.transform = transform;
    result.crispness = crispness;
  }
  return result;
}

} // namespace komori::analyses
