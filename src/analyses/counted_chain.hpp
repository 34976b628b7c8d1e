/// What the sections of a study from trajectories share: data, grid, and samples of the data.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "analyses/transfer_problem.hpp"
#include "base/log.hpp"
#include "config/declaration.hpp"
#include "io/attributes.hpp"
#include "linalg/eigen.hpp"
#include "operators/counts.hpp"
#include "operators/estimate.hpp"
#include "operators/trajectory.hpp"

namespace komori::analyses {

/// `bootstrap` as written.
struct BootstrapInput {
  std::int64_t samples = 100;
  double block = 0;
  double confidence = 0.95;
  std::int64_t seed = 1;
};
void declare(config::Declarer& declarer, BootstrapInput& input);

/// The length of a block in frames: as asked for, or a hundredth of the data. Throws InputError.
/// Local.
std::int64_t block_frames(const operators::TrajectorySource& source, const BootstrapInput& input);

/// A lower and an upper bound.
struct Band {
  double lower = 0;
  double upper = 0;
};
/// The middle `confidence` of the values that are numbers (interpolated quantiles); NaN where fewer
/// than two are. Local.
Band band(std::vector<double> values, double confidence);

/// Prints the size of a trajectory.
void introduce_data(base::Log& log, const operators::TrajectorySource& source);

/// The chain on the cells of a grid that the data give at their own lag, and what they say of it.
struct CountedChain {
  /// Counts, estimates, and prints which part of the data the chain stands for. Throws InputError.
  /// Collective.
  CountedChain(base::Log& log, const operators::TrajectorySource& source, const spaces::Grid& grid,
               const operators::CountsInput& how);
  operators::EstimatedChain chain;
  io::Attributes facts;
};

/// The data behind a chain. Functions are collective.
class CountedData {
public:
  /// Throws InputError where blocks do not fit the data.
  CountedData(const operators::TrajectorySource& source, const spaces::Grid& grid,
              const operators::CountsInput& counts, const BootstrapInput& bootstrap);

  const operators::TrajectorySource& source() const noexcept { return source_; }
  const BootstrapInput& bootstrap() const noexcept { return bootstrap_; }
  double block_time() const noexcept { return static_cast<double>(block_) * source_.dt(); }
  std::int64_t blocks() const noexcept { return blocks_.blocks(); }

  /// Counts of the data alone at a lag in frames.
  operators::TransitionCounts count(std::int64_t lag) const;
  operators::EstimatedChain estimate(Mat counts) const;
  /// Calls `visit(sample, counts)` for every sample of the bootstrap, the counts being those of its
  /// blocks at each of the `lags`. Samples are counted as many at a time as `entries` different
  /// transitions, that a rank meets at most, leave room for.
  void
  for_each_sample(const std::vector<std::int64_t>& lags, std::int64_t entries,
                  const std::function<void(std::int64_t, const std::vector<Mat>&)>& visit) const;

private:
  const operators::TrajectorySource& source_;
  const spaces::Grid& grid_;
  operators::CountsInput counts_;
  BootstrapInput bootstrap_;
  std::int64_t block_ = 1;
  operators::BlockSamples blocks_;
};

/// The `pairs` eigenvalues of largest modulus of a matrix of probabilities, its transpose, or a
/// sample of either; `start` may hold approximate vectors. By products, and where these crowd by
/// shift-and-invert next to 1. Fewer where not all converge. Collective.
linalg::EigenPairs leading_pairs(Mat matrix, PetscInt pairs, const std::string& prefix,
                                 const std::vector<Vec>& start);

} // namespace komori::analyses
