#include "linalg/dense.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include <petscsys.h>

#include <slepcblaslapack.h>

namespace komori::linalg {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

PetscBLASInt small(Index n) {
  return static_cast<PetscBLASInt>(n);
}

void require(PetscBLASInt info, const char* what) {
  if (info == 0) return;
  throw std::runtime_error(std::string("LAPACK's ") + what + " failed with code " +
                           std::to_string(info));
}

/// geevx with the vectors that have room. Rows and columns are permuted, not scaled: where entries
/// of 1e-200 stand beside those of 1, as weights of cells that nothing reaches do, scaling makes
/// vectors of them that are exact in the scaled matrix and wrong in this one (Watkins, Electron.
/// Trans. Numer. Anal. 23, 2006).
void solve(MatrixXd& a, std::vector<std::complex<double>>& values, MatrixXd* left,
           MatrixXd* right) {
  const PetscBLASInt n = small(a.rows());
  const PetscBLASInt one = 1;
  std::vector<double> re(static_cast<std::size_t>(n));
  std::vector<double> im(re.size());
  std::vector<double> scale(re.size());
  const char of_left = left ? 'V' : 'N';
  const char of_right = right ? 'V' : 'N';
  double none = 0;
  double* vl = left ? left->data() : &none;
  double* vr = right ? right->data() : &none;
  const PetscBLASInt ldl = left ? n : one;
  const PetscBLASInt ldr = right ? n : one;
  PetscBLASInt low = 0;
  PetscBLASInt high = 0;
  PetscBLASInt no_integers = 0;
  double norm = 0;
  PetscBLASInt info = 0;
  PetscBLASInt size = -1;
  std::vector<double> room(1);
  const auto call = [&] {
    LAPACKgeevx_("P", &of_left, &of_right, "N", &n, a.data(), &n, re.data(), im.data(), vl, &ldl,
                 vr, &ldr, &low, &high, scale.data(), &norm, &none, &none, room.data(), &size,
                 &no_integers, &info);
    require(info, "geevx");
  };
  call();
  size = static_cast<PetscBLASInt>(room[0]);
  room.resize(static_cast<std::size_t>(size));
  call();
  values.clear();
  for (std::size_t i = 0; i < re.size(); ++i) values.emplace_back(re[i], im[i]);
}

MatrixXd inverse_of(MatrixXd a) {
  const PetscBLASInt n = small(a.rows());
  if (n == 0) return a;
  std::vector<PetscBLASInt> pivots(static_cast<std::size_t>(n));
  PetscBLASInt info = 0;
  LAPACKgetrf_(&n, &n, a.data(), &n, pivots.data(), &info);
  if (info > 0) return MatrixXd::Constant(n, n, std::numeric_limits<double>::infinity());
  require(info, "getrf");
  PetscBLASInt size = 64 * n;
  std::vector<double> room(static_cast<std::size_t>(size));
  LAPACKgetri_(&n, a.data(), &n, pivots.data(), room.data(), &size, &info);
  require(info, "getri");
  return a;
}

/// Of a complex pair, the first holds what belongs to the positive imaginary part.
bool second_of_pair(const std::vector<std::complex<double>>& values, std::size_t i) {
  return values[i].imag() < 0;
}

} // namespace

SymmetricPairs symmetric_pairs(MatrixXd matrix) {
  const PetscBLASInt n = small(matrix.rows());
  SymmetricPairs pairs{Eigen::VectorXd(n), std::move(matrix)};
  if (n == 0) return pairs;
  PetscBLASInt info = 0;
  PetscBLASInt size = -1;
  std::vector<double> room(1);
  LAPACKsyev_("V", "L", &n, pairs.vectors.data(), &n, pairs.values.data(), room.data(), &size,
              &info);
  require(info, "syev");
  size = static_cast<PetscBLASInt>(room[0]);
  room.resize(static_cast<std::size_t>(size));
  LAPACKsyev_("V", "L", &n, pairs.vectors.data(), &n, pairs.values.data(), room.data(), &size,
              &info);
  require(info, "syev");
  return pairs;
}

GeneralPairs general_pairs(MatrixXd matrix) {
  GeneralPairs pairs;
  pairs.right.resize(matrix.rows(), matrix.rows());
  pairs.left.resize(matrix.rows(), matrix.rows());
  if (matrix.rows() > 0) solve(matrix, pairs.values, &pairs.left, &pairs.right);
  return pairs;
}

GeneralPairs as_general(const SymmetricPairs& pairs) {
  GeneralPairs general{{}, pairs.vectors, pairs.vectors};
  for (const double value : pairs.values) general.values.emplace_back(value, 0);
  return general;
}

std::vector<std::complex<double>> general_values(MatrixXd matrix) {
  std::vector<std::complex<double>> values;
  if (matrix.rows() > 0) solve(matrix, values, nullptr, nullptr);
  return values;
}

EigenBasis eigen_basis(MatrixXd matrix) {
  EigenBasis basis{.values = {}, .vectors = MatrixXd(matrix.rows(), matrix.cols()), .inverse = {}};
  if (matrix.rows() == 0) return basis;
  solve(matrix, basis.values, nullptr, &basis.vectors);
  basis.inverse = inverse_of(basis.vectors);
  return basis;
}

std::complex<double> EigenBasis::along(const Eigen::RowVectorXd& coefficients,
                                       std::size_t i) const {
  const auto k = static_cast<Index>(i);
  if (values[i].imag() == 0) return coefficients[k];
  if (second_of_pair(values, i)) return {coefficients[k - 1], -coefficients[k]};
  return {coefficients[k], coefficients[k + 1]};
}

std::complex<double> EigenBasis::component(const Eigen::VectorXd& components, std::size_t i) const {
  const auto k = static_cast<Index>(i);
  if (values[i].imag() == 0) return components[k];
  if (second_of_pair(values, i)) return {components[k - 1] / 2, components[k] / 2};
  return {components[k] / 2, -components[k + 1] / 2};
}

MatrixXd product(const Eigen::Ref<const MatrixXd>& a, const Eigen::Ref<const MatrixXd>& b) {
  MatrixXd c = MatrixXd::Zero(a.rows(), b.cols());
  if (c.size() == 0 || a.cols() == 0) return c;
  const PetscBLASInt m = small(a.rows());
  const PetscBLASInt n = small(b.cols());
  const PetscBLASInt k = small(a.cols());
  const PetscBLASInt lda = small(a.outerStride());
  const PetscBLASInt ldb = small(b.outerStride());
  const double one = 1;
  const double zero = 0;
  BLASgemm_("N", "N", &m, &n, &k, &one, a.data(), &lda, b.data(), &ldb, &zero, c.data(), &m);
  return c;
}

MatrixXd orthogonal_factor(const MatrixXd& matrix) {
  const PetscBLASInt n = small(matrix.rows());
  MatrixXd a = matrix;
  MatrixXd u(n, n);
  MatrixXd vt(n, n);
  std::vector<double> s(static_cast<std::size_t>(n));
  PetscBLASInt info = 0;
  PetscBLASInt size = -1;
  std::vector<double> room(1);
  LAPACKgesvd_("A", "A", &n, &n, a.data(), &n, s.data(), u.data(), &n, vt.data(), &n, room.data(),
               &size, &info);
  require(info, "gesvd");
  size = static_cast<PetscBLASInt>(room[0]);
  room.resize(static_cast<std::size_t>(size));
  LAPACKgesvd_("A", "A", &n, &n, a.data(), &n, s.data(), u.data(), &n, vt.data(), &n, room.data(),
               &size, &info);
  require(info, "gesvd");
  return product(u, vt);
}

Eigen::VectorXcd complex_column(const std::vector<std::complex<double>>& values,
                                const MatrixXd& columns, std::size_t i) {
  const auto c = static_cast<Index>(i);
  const double sign = values[i].imag();
  if (sign == 0) return columns.col(c).cast<std::complex<double>>();
  const Index first = sign > 0 ? c : c - 1;
  Eigen::VectorXcd vector(columns.rows());
  vector.real() = columns.col(first);
  vector.imag() =
      sign > 0 ? Eigen::VectorXd(columns.col(first + 1)) : Eigen::VectorXd(-columns.col(first + 1));
  return vector;
}

} // namespace komori::linalg
