/// How far images of a flow are from what a finer integration makes of them.
#pragma once

#include <string>
#include <vector>

#include "base/session.hpp"
#include "io/result_file.hpp"
#include "models/flow.hpp"
#include "spaces/axis.hpp"

namespace komori::analyses {

/// Images by the flow against those of `Flow::refined`, per variable, over some places: random ones
/// within a box, the same on any number of ranks. Along equal Brownian paths where there are any,
/// so that `mean` is the error in distribution and `rms` that of single paths.
struct IntegrationError {
  std::vector<double> largest; ///< absolute, without noise
  std::vector<double> mean;    ///< signed
  std::vector<double> spread;  ///< standard error of the mean
  std::vector<double> rms;
  std::vector<double> widths; ///< of the cells that images fall into; 0 where there are none
  std::size_t places = 0;
};

/// A box that a flow is looked at in.
struct FlowRange {
  /// All cells of a grid with these axes.
  explicit FlowRange(const std::vector<spaces::Axis>& axes);
  std::vector<double> from;
  std::vector<double> to;
  std::vector<double> widths; ///< of the cells that images fall into
};

/// Throws InputError where the flow changes with time although the section takes steps to be alike;
/// `otherwise` is another way out, for the message. Local.
void require_same_steps(const std::string& section, const models::Flow& flow,
                        const std::vector<double>& from, const std::vector<double>& to,
                        const std::string& otherwise = "");

/// Places of a box as points by coordinate, `count` of them. Local.
std::vector<double> places_within(const std::vector<double>& from, const std::vector<double>& to,
                                  std::size_t count);

/// Throws InputError where a place has no image. Collective.
IntegrationError integration_error(MPI_Comm comm, const models::Flow& flow,
                                   const std::vector<double>& from, const std::vector<double>& to,
                                   const std::vector<double>& widths);

/// Says what was found, and warns where it is not small beside a cell. Local.
void report(base::Log& log, const models::Flow& flow, const IntegrationError& error);

/// Writes /integration. Collective.
void write_integration(const models::Flow& flow, const IntegrationError& error,
                       io::ResultFile& file);

} // namespace komori::analyses
