/// Coarse sets of the chain that data give, with bands from samples of the data.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "analyses/coarse_sets.hpp"
#include "analyses/connected_chain.hpp"
#include "analyses/counted_chain.hpp"
#include "base/log.hpp"

namespace komori::analyses {

/// What samples of the data say of sets that were found in all of it.
struct CoarseBands {
  std::vector<Band> transition; ///< of every entry of the coarse matrix
  std::vector<Band> weights;    ///< of the probability of each set
  /// Standard deviation of the membership of each cell in each set, of the samples whose chain
  /// holds the cell; NaN where fewer than two do.
  std::vector<base::UniqueVec> deviations;
  std::int64_t samples = 0; ///< that have as many sets
};

/// The section `coarse_sets` of a trajectory.
class DataSets {
public:
  /// Nothing given is owned. `level` is that of the log, which is silent while samples are solved.
  DataSets(TransferProblem& problem, Vec inside, const CountedData& data,
           const CoarseSetsInput& input, base::Log::Level level);
  /// Fields have values on the cells of the grid: memberships are 0 and the assignment -1 where the
  /// chain is not. Found when first asked for. Collective.
  const CoarseSets& sets();
  /// The same for samples of the data: sets are found anew, as many, and each is compared with that
  /// of the largest overlap. Collective.
  CoarseBands bands();
  /// The whole section: solve, write /coarse_sets, print. Returns false where something did not
  /// converge. Collective.
  bool section(io::ResultFile& file);

private:
  CoarseSets found(Mat matrix, Vec inside, const CoarseSetsInput& input) const;

  TransferProblem& problem_;
  Vec inside_;
  const CountedData& data_;
  const CoarseSetsInput& input_;
  base::Log::Level level_;
  std::optional<CoarseSets> sets_;
};

} // namespace komori::analyses
