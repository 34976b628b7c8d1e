#include "models/trajectory.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "spaces/grid.hpp"

namespace komori::models {
namespace {

bool is_whole(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15;
}

} // namespace

void declare_keys(config::Declarer& declarer, TrajectoryInput& input) {
  using config::Need;
  using config::Range;
  declarer.names("variables", input.variables,
                 {.help = "Names of the state variables, in the order of the array's columns.",
                  .need = Need::required});
  declarer.constants("parameters", "<parameter>", input.parameters,
                     {.help = "Constants for all formulas and numbers; each may use those above."});
  declarer.texts("files", input.files,
                 {.help = "trajectory: a file or several, sought in the current folder and then "
                          "beside the input: .npy or HDF5 arrays [frames, variables], or [pieces, "
                          "frames, variables]. No pair of frames spans two files or pieces.",
                  .need = Need::required});
  declarer.text("dataset", input.dataset, {.help = "trajectory: of HDF5 files, the dataset."});
  declarer.reals("columns", input.columns,
                 {.help =
                      "trajectory: which column of the arrays, counted from 0, each variable is; "
                      "all columns in order where it is left out."},
                 Range::at_least(0));
  declarer.integer("time_column", input.time_column,
                   {.help = "trajectory: the column, counted from 0, that holds the time; where it "
                            "advances by anything but 'dt' (to half of it) a new piece begins. -1: "
                            "there is none."},
                   Range::at_least(-1));
  declarer.reals("breaks", input.breaks,
                 {.help = "trajectory: frames with which a new piece begins after a gap, counted "
                          "from 0 over all files in order."},
                 Range::at_least(1));
  declarer.real("dt", input.dt, {.help = "Time from one frame to the next.", .unit = "time"},
                Range::positive());
  declarer.real("lag", input.lag,
                {.help =
                     "trajectory: time between the two frames of a pair, a multiple of 'dt'; 0: "
                     "'dt' itself.",
                 .unit = "time"},
                Range::at_least(0));
  if (!declarer.reading()) return;
  input.origin = declarer.origin("files");
  input.lag_origin = declarer.origin("lag");
  if (input.variables.size() > spaces::max_dimension) {
    declarer.reject("variables", fmt::format("has {} names, but a grid has at most 6 dimensions",
                                             input.variables.size()));
  }
  for (const double column : input.columns) {
    if (!is_whole(column)) declarer.reject("columns", "must hold whole numbers, e.g. [1, 2]");
  }
  if (!input.columns.empty() && input.columns.size() != input.variables.size()) {
    declarer.reject("columns", fmt::format("has {} entries, but must have one for each of the {} "
                                           "variables",
                                           input.columns.size(), input.variables.size()));
  }
  for (std::size_t i = 0; i < input.breaks.size(); ++i) {
    if (!is_whole(input.breaks[i]) || (i > 0 && input.breaks[i] <= input.breaks[i - 1])) {
      declarer.reject("breaks", "must hold increasing whole numbers, e.g. [1000, 2000]");
    }
  }
}

std::int64_t frames_of(double time, double dt, const std::string& what) {
  const double frames = time / dt;
  const double whole = std::round(frames);
  if (whole >= 1 && whole < 1e15 && std::abs(frames - whole) <= 1e-6 * whole) {
    return static_cast<std::int64_t>(whole);
  }
  const double below = std::max(1.0, std::floor(frames));
  throw base::InputError(fmt::format("{} is {:g}, but must be a multiple of the {:g} between two "
                                     "frames ('model.dt'), e.g. {:g} or {:g}",
                                     what, time, dt, below * dt, (below + 1) * dt));
}

} // namespace komori::models
