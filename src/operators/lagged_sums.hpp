/// How functions of the frames of a trajectory are correlated over time, of the data and of samples
/// of their blocks.
#pragma once

#include <cstdint>
#include <vector>

#include <Eigen/Core>

#include "operators/counts.hpp"
#include "operators/frame_functions.hpp"

namespace komori::operators {

/// Which pairs of frames are summed: those 0, 1, ..., `lags` times `stride` frames apart.
struct LagRange {
  std::int64_t stride = 1;
  std::int64_t lags = 1;
  std::int64_t extent() const { return stride * lags; }
};

/// S(n) = sum_t h(t + n) h(t)^T over all pairs within pieces, h = (1, (f - mean) / scale) for
/// observables and h = f for indicators. Pieces that are not longer than the longest lag are left
/// out, so that all lags tell of the same time. A pair belongs to the block of its earlier frame.
class LaggedSums {
public:
  /// Reads the trajectory once, in windows. Where `samples` > 0, `blocks` gives the samples
  /// first_sample to first_sample + samples - 1 beside the data. Collective.
  LaggedSums(const TrajectorySource& source, FrameFunctions& functions, const FrameMoments& moments,
             const LagRange& range, const BlockSamples* blocks = nullptr,
             std::int64_t first_sample = 0, std::int64_t samples = 0);

  /// C(n) of the centred functions, n = 0 .. lags, from means of the earlier and of the later
  /// frames of the pairs; of indicators, so that each C(n) C(0)^-1 is a matrix of probabilities.
  /// Of the data. Local.
  std::vector<Eigen::MatrixXd> data() const { return correlations(0); }
  /// Of a sample; not finite where it lacks a set. Local.
  std::vector<Eigen::MatrixXd> sample(std::int64_t s) const {
    return correlations(static_cast<std::size_t>(s) + 1);
  }

private:
  std::vector<Eigen::MatrixXd> correlations(std::size_t filling) const;
  double* sum(std::size_t filling, std::int64_t lag) {
    return sums_.data() +
           (filling * static_cast<std::size_t>(range_.lags + 1) + static_cast<std::size_t>(lag)) *
               static_cast<std::size_t>(side_ * side_);
  }

  LagRange range_;
  bool indicators_;
  Eigen::Index side_;      ///< of h
  Eigen::VectorXd scales_; ///< of the functions
  std::vector<double> sums_;
};

} // namespace komori::operators
