/// Dense decompositions by LAPACK, of matrices that fit every rank. All functions are local and
/// throw std::runtime_error where LAPACK fails (matrices with NaN).
#pragma once

#include <complex>
#include <vector>

#include <Eigen/Core>

namespace komori::linalg {

/// A = V diag(values) V^T of a symmetric A (its lower triangle counts), values ascending.
struct SymmetricPairs {
  Eigen::VectorXd values;
  Eigen::MatrixXd vectors;
};
SymmetricPairs symmetric_pairs(Eigen::MatrixXd matrix);

/// A x = lambda x and y^H A = lambda y^H. A complex pair takes two neighbouring entries, positive
/// imaginary part first; its columns are then real and imaginary part of the vector of that one.
struct GeneralPairs {
  std::vector<std::complex<double>> values;
  Eigen::MatrixXd right; ///< of norm 1 each
  Eigen::MatrixXd left;  ///< of norm 1 each
};
GeneralPairs general_pairs(Eigen::MatrixXd matrix);
/// The same pairs in the other form: left and right vectors coincide.
GeneralPairs as_general(const SymmetricPairs& pairs);
/// The eigenvalues alone.
std::vector<std::complex<double>> general_values(Eigen::MatrixXd matrix);

/// A = X B X^-1 with B diagonal but for the 2 x 2 blocks of complex pairs: columns of X as the
/// right vectors above, and the rows of its inverse, infinite where X is singular.
struct EigenBasis {
  std::vector<std::complex<double>> values;
  Eigen::MatrixXd vectors;
  Eigen::MatrixXd inverse;
  /// c^T x of the i-th vector x, complex or not, for coefficients c^T X.
  std::complex<double> along(const Eigen::RowVectorXd& coefficients, std::size_t i) const;
  /// y^T b of the i-th row y of the inverse matrix of all complex vectors, for components X^-1 b.
  std::complex<double> component(const Eigen::VectorXd& components, std::size_t i) const;
};
EigenBasis eigen_basis(Eigen::MatrixXd matrix);

/// A B by BLAS.
Eigen::MatrixXd product(const Eigen::Ref<const Eigen::MatrixXd>& a,
                        const Eigen::Ref<const Eigen::MatrixXd>& b);

/// The orthogonal factor U V^T of A = U S V^T: the orthogonal matrix nearest to A.
Eigen::MatrixXd orthogonal_factor(const Eigen::MatrixXd& matrix);

/// The vector of pair i as complex numbers.
Eigen::VectorXcd complex_column(const std::vector<std::complex<double>>& values,
                                const Eigen::MatrixXd& columns, std::size_t i);

} // namespace komori::linalg
