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
using LaneColumns = std::vector<LaneVectors>;

/// C^T w for columns C, one entry for each column.
using ColumnSums = std::vector<base::LaneSums>;

/// C^T w. Collective.
ColumnSums project(MPI_Comm comm, const LaneColumns& columns, const LaneVectors& w);
ColumnSums project(MPI_Comm comm, const LaneColumns& columns, const WideLaneVectors& w);
/// w -= C along. Local.
void subtract(const LaneColumns& columns, const ColumnSums& along, WideLaneVectors& w);

/// The same rows of y, z and w.
struct ImageRows {
  std::span<const base::WideLanes> y;
  const base::WideLanes* z;
  base::Lanes* w;
  std::size_t first;
};
/// w = y - sigma z, rounded, of some rows. What they have along the columns C is added to the sums:
/// C^T w, and behind it, where there is room for it, C^T z. Local.
void shift_and_project(const LaneFactors& sigma, const ImageRows& rows, const LaneColumns& columns,
                       ColumnSums& sums);
/// Of all ranks. Collective.
void sum_over_ranks(MPI_Comm comm, ColumnSums& sums);

/// Products of each of some vectors v_j with a vector w and with the last of themselves.
struct BasisProducts {
  std::vector<LaneProducts> with_w;
  std::vector<LaneProducts> with_last;
  LaneProducts square; ///< of w with itself
};

/// w -= C along for columns C in these blocks; then products of w with the first `count` vectors of
/// `basis`. Collective.
BasisProducts subtract_and_multiply(MPI_Comm comm, const std::vector<const LaneVectors*>& columns,
                                    const ColumnSums& along, const std::vector<LaneVectors>& basis,
                                    std::size_t count, LaneVectors& w);
/// w = scale (w - sum_j factors_j basis_j). Local.
void orthogonalise(const std::vector<LaneFactors>& factors, const std::vector<LaneVectors>& basis,
                   const base::Lanes& scale, LaneVectors& w);
/// w = -sum_j factors_j basis_j. Local.
void combine(const std::vector<LaneFactors>& factors, const std::vector<LaneVectors>& basis,
             LaneVectors& w);

} // namespace komori::linalg
