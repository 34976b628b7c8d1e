/// Loops over vectors that lie side by side, in stretches of rows that stay in the cache.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

#include <petscsys.h>

#include "base/lanes.hpp"

namespace komori::linalg {

/// This rank's rows of as many vectors as there are lanes. What bases keep is rounded to single
/// precision; what operators work with is not, because differences of neighbours count in them.
using LaneVectors = std::vector<base::Lanes>;
using WideLaneVectors = std::vector<base::WideLanes>;

/// Factors of a combination: of a vector itself, and of that in the neighbouring lane. With real
/// and imaginary part of a vector in lanes 2 j and 2 j + 1, complex factors are a case of it.
struct LaneFactors {
  base::Lanes straight{};
  base::Lanes crossed{};
  /// Those of lane `lane` alone, or of it and the next as real and imaginary part. Local.
  void set(std::size_t lane, bool complex, std::complex<double> factor);
};

/// Sums of products with entries of the same lane, and with those of its neighbour.
struct LaneProducts {
  base::LaneSums straight{};
  base::LaneSums crossed{};
  /// v^H w of lane `lane` alone, or of it and the next as real and imaginary part. Local.
  std::complex<double> of(std::size_t lane, bool complex) const;
};

/// Columns that all vectors are held against alike, eight in each block.
class LaneColumns {
public:
  /// Local.
  explicit LaneColumns(std::size_t rows) : rows_(rows) {}
  std::size_t size() const noexcept { return size_; }
  void clear() noexcept { size_ = 0; }
  /// Row i is entry places[i] of the column; without places, entry i. Local.
  void append(std::span<const double> column, std::span<const PetscInt> places);
  void copy(std::size_t column, std::span<const PetscInt> places, std::span<double> to) const;
  const std::vector<LaneVectors>& blocks() const noexcept { return blocks_; }
  std::size_t used_blocks() const noexcept { return (size_ + base::lanes - 1) / base::lanes; }

private:
  std::size_t rows_;
  std::size_t size_ = 0;
  std::vector<LaneVectors> blocks_;
};

/// C^T w for columns C, one entry for each column. Local.
using ColumnSums = std::vector<base::LaneSums>;

/// C^T w. Collective.
ColumnSums project(MPI_Comm comm, const LaneColumns& columns, const WideLaneVectors& w);
/// w -= sigma z, and C^T w of what is left. Collective.
ColumnSums shift_and_project(MPI_Comm comm, const LaneFactors& sigma, const WideLaneVectors& z,
                             const LaneColumns& columns, WideLaneVectors& w);
/// Products of each of some vectors v_j with a vector w and with the last of themselves.
struct BasisProducts {
  std::vector<LaneProducts> with_w;
  std::vector<LaneProducts> with_last;
  LaneProducts square; ///< of w with itself
};

/// w -= C along; then products of w with the first `count` vectors of `basis`. Collective.
BasisProducts project_and_multiply(MPI_Comm comm, const LaneColumns& columns,
                                   const ColumnSums& along, const std::vector<LaneVectors>& basis,
                                   std::size_t count, WideLaneVectors& w);
/// to = scale (w - sum_j factors_j basis_j), rounded; w = null: 0. Local.
void combine(const std::vector<LaneFactors>& factors, const std::vector<LaneVectors>& basis,
             const base::Lanes& scale, const WideLaneVectors* w, LaneVectors& to);

} // namespace komori::linalg
