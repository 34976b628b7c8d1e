/// Smallest eigenpairs of a symmetric operator on blocks of vectors.
///
/// Locally optimal block preconditioned conjugate gradients (Knyazev, SIAM J. Sci. Comput. 23,
/// 2001) with the basis of Hetmaniuk and Lehoucq (J. Comput. Phys. 218, 2006): iterates X,
/// directions P and preconditioned residuals W are kept orthonormal, so that the small problem is a
/// standard one; directions come from coefficients alone, and no product with A is stored.
#pragma once

#include <cstdint>
#include <vector>

#include <Eigen/Core>
#include <mpi.h>

#include "linalg/block_operator.hpp"

namespace komori::linalg {

/// One solve; all functions are collective unless marked.
class BlockLobpcg {
public:
  /// `rows` of this rank, `block` vectors iterated at once. The operator must outlive it.
  BlockLobpcg(MPI_Comm comm, BlockOperator& op, std::size_t rows, int block);

  /// The block to fill with start vectors before `begin`. Local.
  BlockView start() { return columns(0, block_); }
  /// Orthonormalises the start vectors and computes their Ritz pairs. Start vectors that depend on
  /// one another are replaced by random ones, the same for any number of ranks.
  void begin(std::int64_t first_row);
  /// Residual norms of all Ritz pairs.
  const std::vector<double>& residuals();
  /// One step for the pairs not marked `done`.
  void step(const std::vector<bool>& done);

  /// Ritz values in ascending order, and their vectors. Local.
  const std::vector<double>& values() const noexcept { return values_; }
  BlockView vectors() { return columns(0, block_); }

private:
  BlockView columns(int first, int count);
  /// C = columns [a, a + m) transposed times `other`, summed over ranks.
  Eigen::MatrixXd product(int a, int m, BlockView other) const;
  /// columns[to ...] -= columns[0 ...] * c.
  void subtract(int to, const Eigen::MatrixXd& c);
  /// columns[0 ...] = columns[0 ...] * c.
  void replace(const Eigen::MatrixXd& c);
  void refresh();
  /// Returns the Gram matrix of what is left.
  Eigen::MatrixXd orthogonalise(int used, int count);
  Eigen::MatrixXd agreed(Eigen::MatrixXd matrix) const;

  MPI_Comm comm_;
  BlockOperator& op_;
  std::size_t rows_;
  int block_;
  int directions_ = 0; ///< columns of P
  int missing_ = 0;    ///< columns of X that depended on others
  int steps_ = 0;
  std::vector<double> basis_; ///< rows x [X | P | W]
  std::vector<double> image_; ///< A times X or W
  Eigen::MatrixXd projected_; ///< [X P]^T A [X P]
  std::vector<double> values_;
  std::vector<double> residuals_;
  bool residuals_known_ = false;
};

} // namespace komori::linalg
