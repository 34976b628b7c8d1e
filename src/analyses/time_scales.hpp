/// The `time_scales` section: implied time scales against lag, with bands.
#pragma once

#include <complex>
#include <cstdint>
#include <functional>
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

/// Time scales of the eigenvalues after the first, NaN where there is none. Local.
std::vector<double> scales_of(const std::vector<std::complex<double>>& values, std::size_t count,
                              double lag);
/// Appends the lower, then the upper ends of the bands of some samples of each process. Local.
void append_bands(std::vector<double>& row, std::vector<std::vector<double>> sampled,
                  double confidence);

/// Asks `at_lag` about every lag in frames that no checkpoint holds: `count` scales, lower and
/// upper ends, and the share kept. `checkpoints` may be null. Throws Stopped. Collective.
TimeScales collect_time_scales(const std::vector<std::int64_t>& lags, double dt, std::size_t count,
                               io::Checkpoints* checkpoints,
                               const std::function<std::vector<double>(std::int64_t)>& at_lag);

/// Of a Markov chain on the cells of a grid. Throws InputError, Stopped. Collective.
TimeScales compute_time_scales(const CountedData& data, const TimeScalesInput& input,
                               base::Log& log, io::Checkpoints* checkpoints);

/// What bands are from.
struct BandSource {
  const BootstrapInput& bootstrap;
  double block_time = 0;
  std::int64_t blocks = 0;
};
/// Writes /time_scales and prints them. Collective.
void write_time_scales(const TimeScales& result, const BandSource& source, base::Log& log,
                       io::ResultFile& file);

/// The whole section of a chain: compute, write, print. Collective.
void time_scales(const CountedData& data, const TimeScalesInput& input, base::Log& log,
                 io::Checkpoints* checkpoints, io::ResultFile& file);

} // namespace komori::analyses
