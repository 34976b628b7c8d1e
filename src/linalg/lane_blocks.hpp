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

/// Vectors become the blocks, one lane each, and the other way round: row i is entry places[i], or
/// entry i without places. `slots`: which lane of all is whose; others are 0. Local.
LaneBlocks side_by_side(const std::vector<Vec>& vectors, const std::vector<std::size_t>& slots,
                        std::span<const PetscInt> places, std::size_t rows);
LaneColumns rounded(const LaneBlocks& blocks);
void copy(const WideLaneVectors& block, std::size_t lane, std::span<const PetscInt> places, Vec to);
void copy(const LaneVectors& block, std::size_t lane, std::span<const PetscInt> places, Vec to);

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
