#include "operators/lagged_sums.hpp"

#include <algorithm>

namespace komori::operators {
namespace {

using Eigen::Index;
using Eigen::Map;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// MPI counts are ints.
void sum_over_ranks(std::vector<double>& values, MPI_Comm comm) {
  constexpr std::size_t most = std::size_t{1} << 26;
  for (std::size_t at = 0; at < values.size(); at += most) {
    const auto count = static_cast<int>(std::min(most, values.size() - at));
    MPI_Allreduce(MPI_IN_PLACE, values.data() + at, count, MPI_DOUBLE, MPI_SUM, comm);
  }
}

} // namespace

LaggedSums::LaggedSums(const TrajectorySource& source, FrameFunctions& functions,
                       const FrameMoments& moments, const LagRange& range,
                       const BlockSamples* blocks, std::int64_t first_sample, std::int64_t samples)
    : range_(range), indicators_(functions.indicators()),
      side_(static_cast<Index>(functions.count()) + (indicators_ ? 0 : 1)),
      scales_(moments.covariance.diagonal().cwiseSqrt()) {
  const auto fillings = static_cast<std::size_t>(samples) + 1;
  const auto squares = static_cast<std::size_t>(side_ * side_);
  sums_.assign(fillings * static_cast<std::size_t>(range.lags + 1) * squares, 0.0);
  std::vector<std::vector<std::int32_t>> drawn; // by sample and block
  for (std::int64_t s = 0; s < samples; ++s) drawn.push_back(blocks->drawn(first_sample + s));
  MatrixXd h;
  MatrixXd part(side_, side_);
  source.for_each_window(range.extent(), [&](const Window& window) {
    const std::int64_t frames = window.count + window.extent;
    h.resize(frames, side_);
    if (indicators_) {
      functions.evaluate(window, h);
    } else {
      h.col(0).setOnes();
      functions.evaluate(window, h.rightCols(side_ - 1));
      for (Index a = 1; a < side_; ++a) {
        h.col(a) = (h.col(a).array() - moments.mean[a - 1]) / scales_[a - 1];
      }
    }
    // The last frames of a piece begin pairs of the shorter lags only.
    const Piece& piece = source.pieces()[static_cast<std::size_t>(window.piece)];
    const bool last = window.first + frames == piece.frames;
    const std::int64_t starts = last ? frames : window.count;
    for (std::int64_t begin = 0; begin < starts;) {
      std::int64_t end = starts;
      std::size_t block = 0;
      if (samples > 0) {
        const std::int64_t frame = window.first + begin;
        block = static_cast<std::size_t>(blocks->block(window.piece, frame));
        end = std::min(starts, blocks->end(window.piece, frame) - window.first);
      }
      for (std::int64_t n = 0; n <= range.lags; ++n) {
        const std::int64_t apart = n * range.stride;
        const std::int64_t pairs = std::min(end, frames - apart) - begin;
        if (pairs <= 0) break;
        part.noalias() =
            h.middleRows(begin + apart, pairs).transpose() * h.middleRows(begin, pairs);
        Map<MatrixXd>(sum(0, n), side_, side_) += part;
        for (std::size_t s = 0; s < drawn.size(); ++s) {
          const std::int32_t times = drawn[s][block];
          if (times != 0) Map<MatrixXd>(sum(s + 1, n), side_, side_) += times * part;
        }
      }
      begin = end;
    }
  });
  sum_over_ranks(sums_, source.comm());
}

std::vector<MatrixXd> LaggedSums::correlations(std::size_t filling) const {
  const auto lags = static_cast<std::size_t>(range_.lags);
  const auto squares = static_cast<std::size_t>(side_ * side_);
  const auto summed = [&](std::size_t n) {
    return Map<const MatrixXd>(sums_.data() + (filling * (lags + 1) + n) * squares, side_, side_);
  };
  std::vector<MatrixXd> result;
  if (indicators_) {
    const VectorXd share = summed(0).diagonal() / summed(0).sum();
    for (std::size_t n = 0; n <= lags; ++n) {
      // Shares of where pairs end by where they begin; empty sets give NaN.
      const VectorXd begins = summed(n).colwise().sum().transpose();
      result.emplace_back(summed(n) * (share.array() / begins.array()).matrix().asDiagonal());
    }
    return result;
  }
  const Index k = side_ - 1;
  for (std::size_t n = 0; n <= lags; ++n) {
    const double pairs = summed(n)(0, 0);
    const VectorXd later = summed(n).bottomLeftCorner(k, 1) / pairs;
    const VectorXd earlier = summed(n).topRightCorner(1, k).transpose() / pairs;
    const MatrixXd apart = summed(n).bottomRightCorner(k, k) / pairs - later * earlier.transpose();
    result.emplace_back(scales_.asDiagonal() * apart * scales_.asDiagonal());
  }
  return result;
}

} // namespace komori::operators
