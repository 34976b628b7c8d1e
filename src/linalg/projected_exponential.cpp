#include "linalg/projected_exponential.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>
#include <unsupported/Eigen/MatrixFunctions>

namespace komori::linalg {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

std::vector<double> to_list(const Vector& v) {
  return {v.data(), v.data() + v.size()};
}

/// (exp(t (1 - 1/x) / gamma) - 1) / (x - 1): what one eigenvalue x of H contributes.
double response(double x, double t, double gamma) {
  if (x <= 0) return 1; // infinitely fast: gone at any t > 0
  const double exponent = t * (x - 1) / (x * gamma);
  if (exponent == 0) return t / gamma;
  return std::expm1(exponent) / (x - 1);
}

} // namespace

std::vector<double> ProjectedExponential::coefficients(double time, std::size_t dimension) const {
  const auto n = static_cast<Eigen::Index>(dimension);
  if (n == 0) return {};
  Matrix h = Matrix::Zero(n, n);
  for (Eigen::Index j = 0; j < n; ++j) {
    const std::vector<double>& column = columns_[static_cast<std::size_t>(j)];
    for (Eigen::Index i = 0; i < std::min(n, j + 2); ++i) {
      h(i, j) = column[static_cast<std::size_t>(i)];
    }
  }
  if (symmetric_) {
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(h); // reads the lower triangle
    const Matrix& u = solver.eigenvectors();
    Vector c = u.row(0).transpose() * beta_;
    for (Eigen::Index i = 0; i < n; ++i) c[i] *= response(solver.eigenvalues()[i], time, gamma_);
    return to_list(u * c);
  }
  const Matrix inverse = Eigen::PartialPivLU<Matrix>(h).inverse();
  // exp of [[a, g], [0, 0]] holds the integral of exp(sa) g in its last column.
  Matrix augmented = Matrix::Zero(n + 1, n + 1);
  augmented.topLeftCorner(n, n) = (Matrix::Identity(n, n) - inverse) * (time / gamma_);
  augmented.topRightCorner(n, 1) = inverse.col(0) * (beta_ * time / gamma_);
  if (!augmented.allFinite()) return std::vector<double>(dimension, std::nan(""));
  const Matrix exponential = augmented.exp();
  return to_list(exponential.topRightCorner(n, 1));
}

} // namespace komori::linalg
