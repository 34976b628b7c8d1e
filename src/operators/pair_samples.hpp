/// Pairs of frames of a trajectory as samples for a dictionary (EDMD from data).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "operators/action.hpp"
#include "operators/counts.hpp"
#include "operators/trajectory.hpp"
#include "spaces/samples.hpp"

namespace komori::operators {

/// How often the pairs of each block of a trajectory count; a pair is of its earlier frame's block.
using BlockWeights = std::vector<std::int32_t>;

/// Blocks spread evenly that make up `share` of all, 0 <= share < 1: 1 for these, 0 for others.
BlockWeights spread_blocks(std::int64_t blocks, double share);
/// 1 where `weights` is 0, and 0 elsewhere.
BlockWeights other_blocks(const BlockWeights& weights);
/// Every other block of those that count: the first, third, ..., or the second, fourth, ....
BlockWeights half_of(const BlockWeights& weights, bool second);

/// The pairs (x_t, x_(t + lag)) of the blocks that count, never across a gap or two files: a point
/// has the coordinates of the earlier frame, then those of the later one. Frames are read when
/// asked for and never kept, so that data may be larger than memory.
class PairSamples final : public spaces::Samples {
public:
  /// Frames must lie within the `extents` of functions that mean nothing beyond them, if `inside`.
  /// The source must outlive this. Local.
  PairSamples(const TrajectorySource& source, std::int64_t lag, const BlockSamples& blocks,
              const BlockWeights& weights, std::vector<spaces::Extent> extents, bool inside);

  std::int64_t count() const override { return count_; }
  int dimension() const override { return 2 * static_cast<int>(source_.dimension()); }
  /// Throws InputError for a value that is not finite or outside, naming file and row. Not for
  /// several threads at a time: they would share the open file.
  void take(std::int64_t first, std::span<double> x, std::span<double> weights) const override;
  std::unique_ptr<spaces::Samples> others() const override { return nullptr; }
  std::string text() const override;

private:
  /// Successive pairs that count alike.
  struct Run {
    std::int64_t piece = 0;
    std::int64_t first = 0; ///< frame
    std::int64_t pairs = 0;
    std::int64_t index = 0; ///< of the first pair among all
    double weight = 1;
  };
  void put(const Run& run, std::int64_t frame, std::span<const double> frames, std::size_t at,
           std::size_t count, std::size_t coordinate, std::span<double> x) const;

  const TrajectorySource& source_;
  std::int64_t lag_;
  std::vector<spaces::Extent> extents_;
  bool inside_;
  std::vector<Run> runs_;
  std::int64_t count_ = 0;
  mutable TrajectorySource::Reader reader_;
};

/// (K psi)(x_t) as data show it: psi(x_(t + lag)), of points with the coordinates of both frames.
class PairAction final : public Action {
public:
  void apply(const spaces::Dictionary& dictionary, const spaces::Points& points,
             std::span<double> values) const override;
};

} // namespace komori::operators
