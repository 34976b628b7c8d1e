/// The matrix of an operator in an orthonormal basis of a dictionary's span.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <Eigen/Core>
#include <mpi.h>

#include "linalg/dense.hpp"
#include "operators/gram_pass.hpp"
#include "spaces/dictionary.hpp"

namespace komori::operators {

/// How the matrix is made from Gram matrices.
enum class Estimator {
  plain,              ///< the Galerkin projection (EDMD; Williams, Kevrekidis, Rowley 2015)
  measure_preserving, ///< the orthogonal matrix nearest to it (mpEDMD; Colbrook 2023)
  reversible          ///< its symmetric part
};

/// K in the basis chi_i = sum over j of basis(j, i) psi_j, <chi_i, chi_j> = delta_ij.
struct KoopmanMatrix {
  Eigen::MatrixXd basis;       ///< functions x rank; 0 in rows of functions left out
  Eigen::MatrixXd k;           ///< rank x rank, <chi_i, K chi_j> as the estimator has it
  Eigen::MatrixXd a;           ///< the plain <chi_i, K chi_j>
  Eigen::MatrixXd l;           ///< <K chi_i, K chi_j>
  Eigen::VectorXd eigenvalues; ///< of the Gram matrix of functions scaled to norm 1, ascending
  std::size_t rank() const noexcept { return static_cast<std::size_t>(k.rows()); }
};

/// Uses the functions listed (ascending numbers), scales each to norm 1, and leaves out directions
/// whose eigenvalue of the Gram matrix is below `cut` times the largest. Throws ConvergenceError
/// where nothing is left. Local.
KoopmanMatrix koopman_matrix(const GramMatrices& gram, const std::vector<std::size_t>& functions,
                             Estimator estimator, double cut);

/// Why the functions are linearly dependent on the samples for a reason that their author can mend:
/// a function that is 0 everywhere, two that are proportional, one of the last `own` (formulas)
/// that the others can represent, fewer samples than functions; empty where there is none. Local.
std::string dependence(const GramMatrices& gram, const spaces::Dictionary& dictionary,
                       std::size_t own);

/// ||K v - lambda v|| / ||v|| from the matrices alone, of v = sum of v_i chi_i: not below the root
/// of rounding, about 1e-8 times the norm of K. Local.
double gram_residual(const KoopmanMatrix& matrix, std::complex<double> lambda,
                     const Eigen::VectorXcd& v);

/// Of eigenvalues of `k` that coincide to rounding, vectors are any basis of their space. Makes it
/// the one in which the least residual, as of `gram_residual`, comes first, then the least of what
/// is orthogonal to that, and so on: functions that the operator itself has are not mixed with what
/// only the dictionary makes of it. Where values are 0, or the space has too few vectors, nothing
/// changes. Local.
void sort_multiple(const KoopmanMatrix& matrix, linalg::GeneralPairs& pairs);

/// The matrix of rank 0 on all ranks. Collective.
void broadcast(MPI_Comm comm, KoopmanMatrix& matrix);
void broadcast(MPI_Comm comm, Eigen::MatrixXd& matrix);

} // namespace komori::operators
