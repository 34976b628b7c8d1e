#include "linalg/volterra.hpp"

#include <cmath>

#include <Eigen/LU>
#include <Eigen/SparseCholesky>

namespace komori::linalg {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

/// R' at step n by five points, to fourth order.
MatrixXd slope(const std::vector<MatrixXd>& r, std::size_t n, double step) {
  const double scale = 1 / (12 * step);
  if (n == 0) return scale * (-25 * r[0] + 48 * r[1] - 36 * r[2] + 16 * r[3] - 3 * r[4]);
  if (n == 1) return scale * (-3 * r[0] - 10 * r[1] + 18 * r[2] - 6 * r[3] + r[4]);
  return scale * (r[n - 2] - 8 * r[n - 1] + 8 * r[n + 1] - r[n + 2]);
}

} // namespace

VolterraKernel invert_volterra(const std::vector<MatrixXd>& r, double step) {
  const Index k = r.front().rows();
  const std::size_t count = r.size() - volterra_margin; // of values of K; G takes one more
  std::vector<MatrixXd> slopes;
  for (std::size_t n = 0; n <= count; ++n) slopes.push_back(slope(r, n, step));
  VolterraKernel found{.omega = slopes.front(), .integral = {MatrixXd::Zero(k, k)}, .kernel = {}};
  std::vector<MatrixXd>& g = found.integral;
  // G(t) stands to the left of R'(0) in its own equation.
  const Eigen::PartialPivLU<MatrixXd> implicit(
      (MatrixXd::Identity(k, k) + 0.5 * step * slopes.front()).transpose());
  MatrixXd sum(k, k);
  for (std::size_t n = 1; n <= count; ++n) {
    sum.setZero();
    for (std::size_t j = 1; j < n; ++j) sum.noalias() += g[j] * slopes[n - j];
    const MatrixXd known = found.omega * r[n] - slopes[n] - step * sum;
    g.emplace_back(implicit.solve(known.transpose()).transpose());
  }
  found.kernel.emplace_back((-3 * g[0] + 4 * g[1] - g[2]) / (2 * step));
  for (std::size_t n = 1; n < count; ++n) {
    found.kernel.emplace_back((g[n + 1] - g[n - 1]) / (2 * step));
  }
  g.pop_back();
  return found;
}

std::vector<MatrixXd> memory_matrices(const std::vector<MatrixXd>& r, std::size_t last) {
  std::vector<MatrixXd> omega;
  for (std::size_t n = 0; n <= last; ++n) {
    MatrixXd next = r[n + 1];
    for (std::size_t l = 0; l < n; ++l) next.noalias() -= omega[l] * r[n - l];
    omega.push_back(std::move(next));
  }
  return omega;
}

void smooth(std::vector<MatrixXd>& values, std::size_t first, double width) {
  if (width <= 0 || values.size() < first + 3) return;
  const auto count = static_cast<Index>(values.size() - first);
  Eigen::SparseMatrix<double> differences(count - 2, count);
  for (Index i = 0; i + 2 < count; ++i) {
    differences.insert(i, i) = 1;
    differences.insert(i, i + 1) = -2;
    differences.insert(i, i + 2) = 1;
  }
  Eigen::SparseMatrix<double> matrix =
      std::pow(width, 4) * Eigen::SparseMatrix<double>(differences.transpose() * differences);
  for (Index i = 0; i < count; ++i) matrix.coeffRef(i, i) += 1;
  const Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> solver(matrix);
  MatrixXd series(count, values.front().size());
  for (Index i = 0; i < count; ++i) {
    series.row(i) = values[first + static_cast<std::size_t>(i)].reshaped().transpose();
  }
  series = solver.solve(series).eval();
  for (Index i = 0; i < count; ++i) {
    values[first + static_cast<std::size_t>(i)].reshaped() = series.row(i).transpose();
  }
}

} // namespace komori::linalg
