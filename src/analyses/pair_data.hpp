/// The pairs of frames of a trajectory as the sections of a dictionary study take them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "analyses/counted_chain.hpp"
#include "models/trajectory.hpp"
#include "operators/pair_samples.hpp"

namespace komori::analyses {

/// Owns the source. Not movable: samples refer to it.
class PairData {
public:
  /// `held_out`: share of the blocks that is kept from the estimate; `inside`: frames must lie
  /// within the `extents`. Throws InputError. Collective.
  PairData(MPI_Comm comm, const models::TrajectoryInput& model, const BootstrapInput& bootstrap,
           double held_out, std::vector<spaces::Extent> extents, bool inside);
  PairData(const PairData&) = delete;
  PairData& operator=(const PairData&) = delete;

  using Samples = std::unique_ptr<operators::PairSamples>;

  const operators::TrajectorySource& source() const noexcept { return source_; }
  const BootstrapInput& bootstrap() const noexcept { return bootstrap_; }
  std::int64_t blocks() const noexcept { return blocks_.blocks(); }
  double block_time() const noexcept { return static_cast<double>(block_) * source_.dt(); }

  // All below are local; lags are in frames.
  /// Pairs of the estimate, and of the blocks kept from it: null where these hold none.
  Samples estimate(std::int64_t lag) const { return samples(lag, estimated_); }
  Samples held_out(std::int64_t lag) const;
  /// Every other block of either; null where one of the halves holds no pair.
  std::vector<Samples> halves(std::int64_t lag, bool held_out) const;
  /// All pairs, held out or not.
  Samples all(std::int64_t lag) const;
  /// Sample `s` of the bootstrap: of the blocks drawn all, or those of the estimate.
  Samples drawn(std::int64_t lag, std::int64_t s, bool held_out_too) const;

private:
  Samples samples(std::int64_t lag, const operators::BlockWeights& weights) const;

  operators::TrajectorySource source_;
  BootstrapInput bootstrap_;
  std::int64_t block_;
  operators::BlockSamples blocks_;
  operators::BlockWeights held_out_;
  operators::BlockWeights estimated_;
  std::vector<spaces::Extent> extents_;
  bool inside_;
};

} // namespace komori::analyses
