/// The memory of what is seen of a trajectory, from the frames alone.
#pragma once

#include <memory>
#include <optional>

#include "analyses/counted_chain.hpp"
#include "analyses/memory_input.hpp"
#include "analyses/memory_result.hpp"
#include "base/session.hpp"
#include "operators/lagged_sums.hpp"
#include "operators/resolved.hpp"

namespace komori::analyses {

/// Memory matrices by the identity C(n+1) = sum Omega_l C(n-l), or the kernel in continuous time by
/// a Volterra equation of the second kind, with bands from samples of blocks.
class SeriesMemory {
public:
  /// Throws InputError where formulas, lags or blocks do not fit the trajectory. All must outlive
  /// it. Collective.
  SeriesMemory(base::Session& session, const operators::TrajectorySource& source,
               const operators::ProjectionInput& projection, const operators::Names& names,
               const MemoryInput& input, const std::optional<BootstrapInput>& bootstrap);

  /// Throws InputError where the data are not what the functions need. Reads all frames once.
  /// Collective.
  void require_sound();
  /// Bytes on each rank at the peak. Local.
  double bytes() const;
  /// Reads the frames once more for each group of samples. Collective.
  MemoryResult compute();
  /// The same, written to /memory and printed. Collective.
  bool memory(io::ResultFile& file);

private:
  bool continuous() const noexcept { return input_.times.has_value(); }
  MemoryResult estimate(const std::vector<Eigen::MatrixXd>& correlations) const;
  void add_bands(MemoryResult& result);

  base::Session& session_;
  const operators::TrajectorySource& source_;
  const operators::ProjectionInput& projection_;
  const MemoryInput& input_;
  BootstrapInput bootstrap_;
  operators::FrameFunctions functions_;
  operators::LagRange range_;
  std::size_t last_ = 0; ///< of the memory matrices, or of the times of the kernel
  std::optional<operators::BlockSamples> blocks_;
  std::optional<operators::FrameMoments> moments_;
};

} // namespace komori::analyses
