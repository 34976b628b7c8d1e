#include "operators/koopman_matrix.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/error.hpp"
#include "linalg/dense.hpp"

namespace komori::operators {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Remaining share of a function's square that counts as nothing.
constexpr double nothing = 1e-13;

MatrixXd selected(const MatrixXd& matrix, const std::vector<std::size_t>& functions) {
  const auto n = static_cast<Index>(functions.size());
  MatrixXd part(n, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) {
      part(i, j) = matrix(static_cast<Index>(functions[static_cast<std::size_t>(i)]),
                          static_cast<Index>(functions[static_cast<std::size_t>(j)]));
    }
  }
  return part;
}

/// The Gram matrix of functions scaled to norm 1; rows of functions that are 0 are 0.
MatrixXd correlations(const MatrixXd& g, VectorXd& inverse) {
  inverse = g.diagonal().unaryExpr([](double x) { return x > 0 ? 1 / std::sqrt(x) : 0; });
  return inverse.asDiagonal() * g * inverse.asDiagonal();
}

} // namespace

KoopmanMatrix koopman_matrix(const GramMatrices& gram, const std::vector<std::size_t>& functions,
                             Estimator estimator, double cut) {
  VectorXd inverse;
  const linalg::SymmetricPairs pairs =
      linalg::symmetric_pairs(correlations(selected(gram.g, functions), inverse));
  const auto n = static_cast<Index>(functions.size());
  const double largest = pairs.values[n - 1];
  Index first = 0;
  while (first < n && !(pairs.values[first] > cut * largest)) ++first;
  if (first == n || !(largest > 0)) {
    throw base::ConvergenceError("nothing is left of the dictionary: its Gram matrix is 0 to "
                                 "rounding; look at 'sampling' and 'dictionary.on'");
  }
  const Index rank = n - first;
  const MatrixXd within = inverse.asDiagonal() * pairs.vectors.rightCols(rank) *
                          pairs.values.tail(rank).cwiseSqrt().cwiseInverse().asDiagonal();
  KoopmanMatrix result;
  result.eigenvalues = pairs.values;
  result.basis = MatrixXd::Zero(gram.g.rows(), rank);
  for (Index i = 0; i < n; ++i) {
    result.basis.row(static_cast<Index>(functions[static_cast<std::size_t>(i)])) = within.row(i);
  }
  const MatrixXd turned = within.transpose();
  result.a = linalg::product(linalg::product(turned, selected(gram.a, functions)), within);
  result.l = linalg::product(linalg::product(turned, selected(gram.l, functions)), within);
  result.k = result.a;
  if (estimator == Estimator::measure_preserving) result.k = linalg::orthogonal_factor(result.a);
  if (estimator == Estimator::reversible) result.k = 0.5 * (result.a + result.a.transpose());
  return result;
}

std::string dependence(const GramMatrices& gram, const spaces::Dictionary& dictionary,
                       std::size_t own) {
  const auto n = static_cast<Index>(dictionary.size());
  for (Index j = 0; j < n; ++j) {
    if (gram.g(j, j) > 0) continue;
    return fmt::format("the function '{}' is 0 at every sample, so that the Gram matrix is "
                       "singular; remove it, or take samples where it is not 0",
                       dictionary.name(static_cast<std::size_t>(j)));
  }
  if (gram.samples < n) {
    return fmt::format(
        "the dictionary has {} functions, but there are only {} samples, so that the "
        "Gram matrix is singular; take more of them, or fewer functions",
        n, gram.samples);
  }
  VectorXd inverse;
  const MatrixXd correlation = correlations(gram.g, inverse);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < j; ++i) {
      if (1 - std::abs(correlation(i, j)) > 4e-16) continue;
      return fmt::format("the functions '{}' and '{}' are proportional at all samples, so that the "
                         "Gram matrix is singular; remove one of them",
                         dictionary.name(static_cast<std::size_t>(i)),
                         dictionary.name(static_cast<std::size_t>(j)));
    }
  }
  if (own == 0) return {};
  // Cholesky's factorisation row by row: what the functions before cannot represent remains.
  MatrixXd factor = MatrixXd::Zero(n, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < j; ++i) {
      const double rest = correlation(i, j) - factor.row(i).head(i).dot(factor.row(j).head(i));
      factor(j, i) = factor(i, i) > 0 ? rest / factor(i, i) : 0;
    }
    const double left = 1 - factor.row(j).head(j).squaredNorm();
    factor(j, j) = left > nothing ? std::sqrt(left) : 0;
    if (factor(j, j) > 0 || j < n - static_cast<Index>(own)) continue;
    return fmt::format("the function '{}' depends linearly on the functions before it, so that the "
                       "Gram matrix is singular; remove it",
                       dictionary.name(static_cast<std::size_t>(j)));
  }
  return {};
}

double gram_residual(const KoopmanMatrix& matrix, std::complex<double> lambda,
                     const Eigen::VectorXcd& v) {
  const Eigen::VectorXcd av = matrix.a * v;
  const double square = std::real(v.dot(matrix.l * v)) -
                        2 * std::real(std::conj(lambda) * v.dot(av)) +
                        std::norm(lambda) * v.squaredNorm();
  return std::sqrt(std::max(0.0, square) / v.squaredNorm());
}

void broadcast(MPI_Comm comm, MatrixXd& matrix) {
  std::array<long long, 2> shape{matrix.rows(), matrix.cols()};
  MPI_Bcast(shape.data(), 2, MPI_LONG_LONG, 0, comm);
  matrix.conservativeResize(static_cast<Index>(shape[0]), static_cast<Index>(shape[1]));
  constexpr Index piece = Index{1} << 27;
  for (Index at = 0; at < matrix.size(); at += piece) {
    const auto n = static_cast<int>(std::min(piece, matrix.size() - at));
    MPI_Bcast(matrix.data() + at, n, MPI_DOUBLE, 0, comm);
  }
}

void broadcast(MPI_Comm comm, KoopmanMatrix& matrix) {
  for (MatrixXd* part : {&matrix.basis, &matrix.k, &matrix.a, &matrix.l}) broadcast(comm, *part);
  MatrixXd values = matrix.eigenvalues;
  broadcast(comm, values);
  matrix.eigenvalues = values.reshaped();
}

} // namespace komori::operators
