/// A symmetric operator restricted to the complement of a space, on blocks of vectors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <Eigen/LU>
#include <mpi.h>

#include "linalg/block_operator.hpp"

namespace komori::linalg {

/// Orthonormal columns of which a row holds few: all of them for a handful (`count` per row), or
/// one, `part` saying which, for many.
struct BlockBasis {
  bool sparse = false;              ///< one entry per row
  std::int64_t count = 0;           ///< columns
  std::vector<double> values{};     ///< rows x count, or one per row
  std::vector<std::int64_t> part{}; ///< of every row, where sparse
};

/// Q A Q + push (1 - Q), Q the complement of the basis. Approximate inverses T of A give
/// T - T V (V^T T V)^-1 V^T T for a handful of columns, which is what T would be on the complement,
/// and Q T Q for many; with (1 - Q) / push beside them start vectors need not be in the complement.
/// All functions are collective.
class ProjectedBlock final : public BlockOperator {
public:
  ProjectedBlock(MPI_Comm comm, std::shared_ptr<BlockOperator> whole, BlockBasis basis,
                 std::size_t rows, double push);
  void apply(BlockView x, BlockView y) override;
  void precondition(BlockView r, BlockView z) override;
  std::string describe() const override;

private:
  /// V^T x, count x columns, row by row.
  std::vector<double> products(BlockView x) const;
  /// x -= V c.
  void subtract(const std::vector<double>& c, BlockView x) const;

  MPI_Comm comm_;
  std::shared_ptr<BlockOperator> whole_;
  BlockBasis basis_;
  double push_;
  std::vector<double> copy_;
  std::vector<double> solved_; ///< T V, rows x count
  Eigen::PartialPivLU<Eigen::MatrixXd> schur_;
};

} // namespace komori::linalg
