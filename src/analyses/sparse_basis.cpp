#include "analyses/sparse_basis.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace komori::analyses {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double threshold = 0.99;

void reduce(MPI_Comm comm, double* data, Index size, MPI_Op operation) {
  MPI_Allreduce(MPI_IN_PLACE, data, static_cast<int>(size), MPI_DOUBLE, operation, comm);
}

/// The columns V R^T, thresholded, with unit norm; a column that vanishes keeps its sign pattern
/// of before and is left at 0.
MatrixXd thresholded(const RowCloud& cloud, const VectorXd& weights, const MatrixXd& rotation) {
  MatrixXd columns = cloud.rows() * rotation.transpose();
  columns = columns.unaryExpr([](double value) {
    return std::copysign(std::max(std::abs(value) - threshold, 0.0), value);
  });
  VectorXd norms = (columns.cwiseAbs2().array().colwise() * weights.array()).colwise().sum();
  reduce(cloud.comm(), norms.data(), norms.size(), MPI_SUM);
  for (Index j = 0; j < columns.cols(); ++j) {
    if (norms[j] > 0) columns.col(j) /= std::sqrt(norms[j]);
  }
  return columns;
}

} // namespace

SparseBasis sparse_basis(const RowCloud& cloud, const VectorXd& weights) {
  constexpr int most_iterations = 5000;
  constexpr double settled = 1e-12;
  const Index r = cloud.dimension();
  SparseBasis result{.rotation = MatrixXd::Identity(r, r)};
  const MatrixXd weighted = cloud.rows().array().colwise() * weights.array();
  double change = std::numeric_limits<double>::infinity();
  while (result.iterations < most_iterations && change > settled) {
    const MatrixXd sparse = thresholded(cloud, weights, result.rotation);
    MatrixXd overlap = sparse.transpose() * weighted;
    reduce(cloud.comm(), overlap.data(), overlap.size(), MPI_SUM);
    const Eigen::JacobiSVD<MatrixXd> svd(overlap, Eigen::ComputeFullU | Eigen::ComputeFullV);
    MatrixXd rotation = svd.matrixU() * svd.matrixV().transpose();
    MPI_Bcast(rotation.data(), static_cast<int>(rotation.size()), MPI_DOUBLE, 0, cloud.comm());
    change = (rotation - result.rotation).norm();
    result.rotation = rotation;
    ++result.iterations;
  }
  result.converged = change <= settled;
  const MatrixXd sparse = thresholded(cloud, weights, result.rotation);

  VectorXd sums = (sparse.array().colwise() * weights.array()).colwise().sum();
  reduce(cloud.comm(), sums.data(), r, MPI_SUM);
  MatrixXd signs = sparse;
  for (Index j = 0; j < r; ++j) {
    if (sums[j] < 0) signs.col(j) *= -1;
  }
  VectorXd highest = VectorXd::Constant(r, -std::numeric_limits<double>::infinity());
  VectorXd lowest = -highest;
  if (signs.rows() > 0) {
    highest = signs.colwise().maxCoeff();
    lowest = signs.colwise().minCoeff();
  }
  reduce(cloud.comm(), highest.data(), r, MPI_MAX);
  reduce(cloud.comm(), lowest.data(), r, MPI_MIN);
  for (Index j = 0; j < r; ++j) {
    const double top = highest[j] > 0 ? highest[j] : 1;
    signs.col(j) /= top;
    lowest[j] /= top;
  }
  std::vector<Index> order(static_cast<std::size_t>(r));
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](Index a, Index b) { return lowest[a] > lowest[b] + 1e-9; });
  result.columns.resize(signs.rows(), r);
  result.least.resize(r);
  for (Index j = 0; j < r; ++j) {
    result.columns.col(j) = signs.col(order[static_cast<std::size_t>(j)]);
    result.least[j] = lowest[order[static_cast<std::size_t>(j)]];
  }
  return result;
}

} // namespace komori::analyses
