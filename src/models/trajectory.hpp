/// Trajectories in files: what was seen of a system, frame by frame.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"

namespace komori::models {

/// `model` of kind trajectory, as written.
struct TrajectoryInput {
  std::vector<std::string> variables;
  std::vector<std::pair<std::string, double>> parameters;
  std::vector<std::string> files;
  std::string dataset = "/trajectory";
  std::vector<double> columns;   ///< of the array, one per variable; empty: all in order
  std::int64_t time_column = -1; ///< below 0: none
  std::vector<double> breaks;    ///< first frames of new pieces, counted over all files
  double dt = 1;                 ///< time from one frame to the next
  double lag = 0;                ///< time between the two frames of a pair; 0: dt
  config::Origin origin;         ///< of `files`
  config::Origin lag_origin;
};
/// All keys but `kind`.
void declare_keys(config::Declarer& declarer, TrajectoryInput& input);

/// `time` in frames. Throws InputError, naming `what` and the nearest times that would do, unless
/// it is a positive multiple of `dt` up to rounding. Local.
std::int64_t frames_of(double time, double dt, const std::string& what);

} // namespace komori::models
