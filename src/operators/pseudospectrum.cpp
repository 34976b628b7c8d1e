#include "operators/pseudospectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <Eigen/Eigenvalues>
#include <petscsys.h>

#include <petscblaslapack.h>

namespace komori::operators {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// H(z) = L - z A^T - conj(z) A + |z|^2 as a real symmetric matrix of twice the size, whose
/// eigenvalues are those of H twice.
MatrixXd residual_form(const KoopmanMatrix& matrix, std::complex<double> z) {
  const Index r = matrix.l.rows();
  MatrixXd form(2 * r, 2 * r);
  form.topLeftCorner(r, r) = matrix.l - z.real() * (matrix.a + matrix.a.transpose());
  form.topLeftCorner(r, r).diagonal().array() += std::norm(z);
  form.bottomRightCorner(r, r) = form.topLeftCorner(r, r);
  form.bottomLeftCorner(r, r) = z.imag() * (matrix.a - matrix.a.transpose());
  form.topRightCorner(r, r) = -form.bottomLeftCorner(r, r);
  return form;
}

/// Cholesky's factor of form + shift, the shift raised from rounding until there is one.
MatrixXd factorised(const MatrixXd& form, double& shift) {
  const auto n = static_cast<PetscBLASInt>(form.rows());
  shift = 4 * std::numeric_limits<double>::epsilon() * std::max(form.diagonal().maxCoeff(), 1e-300);
  while (true) {
    MatrixXd factor = form;
    factor.diagonal().array() += shift;
    PetscBLASInt info = 0;
    LAPACKpotrf_("L", &n, factor.data(), &n, &info);
    if (info == 0) return factor;
    shift *= 8;
  }
}

/// The smallest eigenvalue of form by Lanczos's iteration with its inverse.
double smallest_eigenvalue(const MatrixXd& form) {
  constexpr Index most = 40;
  double shift = 0;
  const MatrixXd factor = factorised(form, shift);
  const auto n = static_cast<PetscBLASInt>(form.rows());
  const PetscBLASInt one = 1;
  const Index steps = std::min<Index>(most, form.rows());
  MatrixXd space(form.rows(), steps + 1);
  MatrixXd small = MatrixXd::Zero(steps, steps);
  // A start without the symmetries that eigenvectors may have.
  for (Index i = 0; i < form.rows(); ++i)
    space(i, 0) = 1 + std::sin(static_cast<double>(1 + i * i));
  space.col(0).normalize();
  double largest = 0;
  for (Index k = 0; k < steps; ++k) {
    VectorXd next = space.col(k);
    PetscBLASInt info = 0;
    LAPACKpotrs_("L", &n, &one, factor.data(), &n, next.data(), &n, &info);
    for (int pass = 0; pass < 2; ++pass) {
      const VectorXd share = space.leftCols(k + 1).transpose() * next;
      next -= space.leftCols(k + 1) * share;
      if (pass == 0) small.col(k).head(k + 1) = share;
    }
    const Eigen::SelfAdjointEigenSolver<MatrixXd> ritz(
        MatrixXd(small.topLeftCorner(k + 1, k + 1).selfadjointView<Eigen::Upper>()));
    const double found = ritz.eigenvalues()[k];
    const double left = next.norm();
    const bool settled = k > 2 && std::abs(found - largest) <= 1e-4 * found;
    largest = found;
    if (settled || left <= 1e-14 * found) break;
    space.col(k + 1) = next / left;
  }
  return 1 / largest - shift;
}

} // namespace

double least_residual(const KoopmanMatrix& matrix, std::complex<double> z) {
  return std::sqrt(std::max(0.0, smallest_eigenvalue(residual_form(matrix, z))));
}

double residual_floor(const KoopmanMatrix& matrix) {
  const double size = std::max(matrix.l.diagonal().maxCoeff(), 1.0);
  return std::sqrt(std::numeric_limits<double>::epsilon() * static_cast<double>(matrix.rank()) *
                   size);
}

} // namespace komori::operators
