#include "operators/koopman_matrix.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numeric>
#include <utility>

#include <Eigen/Dense>
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

template <class Scalar> using Dense = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

/// The basis of the span of v that `form` asks for, and the one of the span of w that is dual to
/// it; false where there is none.
template <class Scalar> bool sort_space(Dense<Scalar>& v, Dense<Scalar>& w, Dense<Scalar> form) {
  Eigen::ColPivHouseholderQR<Dense<Scalar>> qr(v);
  qr.setThreshold(1e-6);
  if (qr.rank() < v.cols()) return false;
  const Dense<Scalar> q = qr.householderQ() * Dense<Scalar>::Identity(v.rows(), v.cols());
  form = q.adjoint() * form * q;
  const Eigen::SelfAdjointEigenSolver<Dense<Scalar>> solver(form);
  const Dense<Scalar> best = q * solver.eigenvectors();
  const Eigen::FullPivLU<Dense<Scalar>> mixed(best.adjoint() * w);
  if (mixed.rcond() < 1e-8) return false;
  v = best;
  w = w * mixed.inverse();
  w.colwise().normalize();
  return true;
}

/// Columns of real vectors with these numbers.
MatrixXd columns_of(const MatrixXd& all, const std::vector<std::size_t>& numbers) {
  MatrixXd some(all.rows(), static_cast<Index>(numbers.size()));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    some.col(static_cast<Index>(i)) = all.col(static_cast<Index>(numbers[i]));
  }
  return some;
}

void sort_real(const KoopmanMatrix& matrix, double value, const std::vector<std::size_t>& numbers,
               linalg::GeneralPairs& pairs) {
  MatrixXd v = columns_of(pairs.right, numbers);
  MatrixXd w = columns_of(pairs.left, numbers);
  MatrixXd form = matrix.l - value * (matrix.a + matrix.a.transpose());
  form.diagonal().array() += value * value;
  if (!sort_space<double>(v, w, std::move(form))) return;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto at = static_cast<Index>(numbers[i]);
    pairs.values[numbers[i]] = pairs.values[numbers[i]].real();
    pairs.right.col(at) = v.col(static_cast<Index>(i));
    pairs.left.col(at) = w.col(static_cast<Index>(i));
  }
}

/// `numbers`: of the pairs' first ones, of positive imaginary part.
void sort_complex(const KoopmanMatrix& matrix, std::complex<double> value,
                  const std::vector<std::size_t>& numbers, linalg::GeneralPairs& pairs) {
  Eigen::MatrixXcd v(pairs.right.rows(), static_cast<Index>(numbers.size()));
  Eigen::MatrixXcd w(pairs.left.rows(), v.cols());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    v.col(static_cast<Index>(i)) = linalg::complex_column(pairs.values, pairs.right, numbers[i]);
    w.col(static_cast<Index>(i)) = linalg::complex_column(pairs.values, pairs.left, numbers[i]);
  }
  Eigen::MatrixXcd form = matrix.l - std::conj(value) * matrix.a - value * matrix.a.transpose();
  form.diagonal().array() += std::norm(value);
  if (!sort_space<std::complex<double>>(v, w, std::move(form))) return;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto at = static_cast<Index>(numbers[i]);
    const auto from = static_cast<Index>(i);
    pairs.right.col(at) = v.col(from).real();
    pairs.right.col(at + 1) = v.col(from).imag();
    pairs.left.col(at) = w.col(from).real();
    pairs.left.col(at + 1) = w.col(from).imag();
  }
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

void sort_multiple(const KoopmanMatrix& matrix, linalg::GeneralPairs& pairs) {
  const double coincide = 1e-11 * matrix.k.norm();
  std::vector<bool> done(pairs.values.size(), false);
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    const std::complex<double> value = pairs.values[i];
    if (done[i] || value.imag() < 0 || std::abs(value) <= coincide) continue;
    const bool real = value.imag() <= coincide;
    const std::complex<double> centre = real ? value.real() : value; // as far from both of a pair
    std::vector<std::size_t> numbers;
    for (std::size_t j = i; j < pairs.values.size(); ++j) {
      if (done[j] || std::abs(pairs.values[j] - centre) > coincide) continue;
      // Next to the real axis both of a pair are near: their columns are vectors of their own.
      if (!real && pairs.values[j].imag() < 0) continue;
      numbers.push_back(j);
      done[j] = true;
    }
    if (numbers.size() < 2) continue;
    if (real) {
      sort_real(matrix, value.real(), numbers, pairs);
    } else {
      sort_complex(matrix, value, numbers, pairs);
    }
  }
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
