/// The `time_scales` section: implied time scales against lag, with bands.
#pragma once

#include <vector>

#include "analyses/counted_chain.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `time_scales` as written.
struct TimeScalesInput {
  std::vector<double> lags;
  std::int64_t pairs = 3;
};
void declare(config::Declarer& declarer, TimeScalesInput& input);

/// -lag / ln|mu| of the slowest processes by lag, the stationary one left out. NaN where an
/// eigenvalue gives none: it is 0, or real and negative.
struct TimeScales {
  std::vector<double> lags;                ///< in time
  std::vector<std::vector<double>> values; ///< by lag and process
  std::vector<std::vector<Band>> bands;    ///< likewise
  std::vector<double> kept;                ///< share of the pairs within the connected set, by lag
};

/// The lags in frames. Throws InputError where one does not fit the data. Local.
std::vector<std::int64_t> lags_of(const operators::TrajectorySource& source,
                                  const TimeScalesInput& input);

/// `checkpoints` may be null. Throws InputError, Stopped. Collective.
TimeScales compute_time_scales(const CountedData& data, const TimeScalesInput& input,
                               base::Log& log, io::Checkpoints* checkpoints);

/// The whole section: compute, write /time_scales, print. Collective.
void time_scales(const CountedData& data, const TimeScalesInput& input, base::Log& log,
                 io::Checkpoints* checkpoints, io::ResultFile& file);

} // namespace komori::analyses
