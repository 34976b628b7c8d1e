/// Blocks of eight vectors side by side: what is done with whole spaces of them.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

#include <Eigen/Core>
#include <petscvec.h>

#include "linalg/lane_loops.hpp"

namespace komori::linalg {

/// Vector j is in lane j % 8 of block j / 8.
using LaneBlocks = std::vector<WideLaneVectors>;

/// Which lane of all is each vector's, and which entry of it is each row; without entries, row i is
/// entry i.
struct LanePlaces {
  const std::vector<std::size_t>& lanes;
  std::span<const PetscInt> entries;
};

/// Vectors become blocks, with 0 in lanes of none, and the other way round. Local.
LaneBlocks side_by_side(const std::vector<Vec>& vectors, const LanePlaces& places,
                        std::size_t rows);
void separate(const LaneBlocks& blocks, const LanePlaces& places, const std::vector<Vec>& vectors);
void separate(const LaneColumns& blocks, const LanePlaces& places, const std::vector<Vec>& vectors);
LaneColumns rounded(const LaneBlocks& blocks);

/// Adds X^T Y of these rows of two blocks, to an 8 x 8 matrix. Local.
void add_products(std::span<const base::WideLanes> x, const base::WideLanes* y,
                  Eigen::Ref<Eigen::MatrixXd> sums);

/// X becomes X B. Local.
void combine(LaneBlocks& blocks, const Eigen::MatrixXd& by);

/// Complex factors of lanes, or of lanes j and j + 1 as real and imaginary part.
struct WideLaneFactors {
  base::WideLanes straight{};
  base::WideLanes crossed{};
  void set(std::size_t lane, std::complex<double> factor);
};

/// Squares of entries, summed by lanes.
struct ResidualSums {
  base::LaneSums residual{};
  base::LaneSums vector{};
};

/// r = factor x - y of some rows, kept in single precision, as x is. Local.
void find_residuals(const WideLaneFactors& factor, const base::WideLanes* x,
                    std::span<const base::WideLanes> y, base::Lanes* kept, base::Lanes* residual,
                    ResidualSums& sums);

/// y = factor x; y += factor x. Local.
void scale(const base::LaneSums& factor, const LaneVectors& x, LaneVectors& y);
void add_scaled(const base::LaneSums& factor, const WideLaneVectors& x, WideLaneVectors& y);

} // namespace komori::linalg
