/// Orthogonal projections on functions of cells: P onto what is resolved, Q = I - P.
#pragma once

#include <span>
#include <vector>

#include "base/petsc.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// P u = V D^-1 V^T (w u) in the inner product <u, v> = sum_i w_i u_i v_i, with D = V^T diag(w) V a
/// diagonal: V holds orthonormal functions (Mori), or the indicators of the parts of a partition,
/// one entry per cell (Zwanzig, sets), for which P averages over parts and its rank may be large.
/// (Mori, Prog. Theor. Phys. 33, 1965; Zwanzig, Phys. Rev. 124, 1961.) Collective but where marked.
class Projection {
public:
  /// Onto functions that are orthonormal in the inner product of `weights` (> 0, one per cell).
  static Projection onto(const spaces::Grid& grid, const std::vector<base::UniqueVec>& functions,
                         Vec weights);
  /// Conditional expectation given the part: `part` is the number, 0 .. parts - 1, of each of this
  /// rank's cells. No part may be empty.
  static Projection onto_parts(const spaces::Grid& grid, std::span<const PetscInt> part,
                               PetscInt parts, Vec weights);

  /// Dimension of the range. Local.
  PetscInt rank() const noexcept { return rank_; }
  /// V, cells x rank, sparse for a partition. Local.
  Mat functions() const noexcept { return functions_.get(); }
  /// Local.
  Vec weights() const noexcept { return weights_.get(); }
  /// The diagonal of D. Local.
  Vec squares() const noexcept { return squares_.get(); }
  /// V is sparse. Local.
  bool partition() const noexcept { return partition_; }

  /// result = P u, or its transpose P^T m for masses m; they may not be the same vector.
  void apply(Vec u, Vec result) const;
  void apply_transposed(Vec masses, Vec result) const;
  /// u becomes Q u; masses m become Q^T m.
  void complement(Vec u) const;
  void complement_transposed(Vec masses) const;
  /// The functions as vectors, and their duals W = diag(w) V D^-1: P = V W^T.
  std::vector<base::UniqueVec> columns() const;
  std::vector<base::UniqueVec> duals() const;
  /// <u, v>.
  double product(Vec u, Vec v) const;

private:
  Projection(base::UniqueMat functions, Vec weights, bool partition);
  base::UniqueMat functions_;
  base::UniqueVec weights_;
  base::UniqueVec squares_;
  base::UniqueVec work_;
  base::UniqueVec full_;
  base::UniqueVec coefficients_;
  PetscInt rank_ = 0;
  bool partition_ = false;
};

} // namespace komori::operators
