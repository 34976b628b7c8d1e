/// What drivers that write a result share around their own sections.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/checkpoint_input.hpp"
#include "analyses/driver.hpp"
#include "analyses/estimate.hpp"
#include "config/declaration.hpp"
#include "io/checkpoints.hpp"
#include "io/result_file.hpp"
#include "io/xdmf.hpp"
#include "spaces/axis.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// --output, or the input's name with .h5 in the current folder. Local.
std::string result_name(const Run& run);

/// What a run knows before its model is looked at.
struct Opening {
  /// Makes sure that the result can be written, unless the run only checks. Throws InputError.
  /// Collective.
  Opening(const Run& run, const CheckpointInput& checkpoint);
  std::chrono::system_clock::time_point started;
  double libraries = 0; ///< resident bytes per process before any work
  std::string output;
  io::CheckpointPolicy policy;
};

/// What --check says at its end; the exit code. Local.
int stop_at_check(const Run& run);

/// Rejects a grid where the kind of model has none, and says so where one is missing. Local.
void check_grid(config::Declarer& declarer, const std::string& kind, bool given);
/// Rejects a section that is given, but belongs to models of other kinds. Local.
void check_kind(config::Declarer& declarer, const char* key, bool given, const std::string& kind,
                const std::vector<std::string>& wanted);

/// The axes of a grid in the order of the model's variables. Throws InputError where a variable has
/// no axis or an axis no variable. Local.
std::vector<spaces::Axis>
make_axes(const std::vector<std::string>& variables,
          const std::vector<std::pair<std::string, double>>& parameters,
          const std::vector<std::pair<std::string, spaces::AxisInput>>& grid);

/// "reflecting", or "reflecting | absorbing". Local.
std::string boundary_text(const spaces::Axis& axis);
/// "2 x 4": ranks along each axis. Local.
std::string blocks_text(const spaces::Grid& grid);

/// The first line of a run's output: its title and driver. Local.
std::string heading(const std::string& title, const std::string& driver);
/// Prints what will be solved: the heading, axes (or states, for a chain), sizes.
void introduce(const Run& run, const std::string& heading, const spaces::Grid& grid, bool chain,
               const Estimate& estimate);

/// Title, driver and axes at the root of the file, /grid and /grid_edges. Collective.
void write_grid(const std::string& title, const std::string& driver, const spaces::Grid& grid,
                io::ResultFile& file);

/// Runs a section, or takes it over from the checkpoint; returns why it is incomplete, empty if it
/// is not. `body` returns false, or throws ConvergenceError, where it did not converge. Throws
/// Stopped. Collective.
std::string run_section(io::Checkpoints& checkpoints, base::Log& log, const std::string& name,
                        const std::function<bool()>& body);

/// A part of the result: returns false, or throws ConvergenceError, where it did not converge.
struct ResultSection {
  std::string name;
  std::function<bool(io::ResultFile&)> body;
};

/// Adds the eigenvectors in the file to the fields of a sidecar. Local.
void add_eigenvectors(const io::ResultFile& file, std::vector<io::XdmfField>& fields);

/// A run's result and checkpoints, open; what an earlier run has left is taken over.
struct OpenResult {
  /// `resolved`: the input with every default filled in. Throws InputError where a restart does not
  /// fit. Collective.
  OpenResult(const Run& run, const std::string& output, const std::string& resolved,
             const io::CheckpointPolicy& policy);
  io::ResultFile file;
  io::Checkpoints checkpoints;
  bool resumed = false;
};

/// Runs sections in their order; returns why the first incomplete one is, empty if none is. Throws
/// Stopped. Collective.
std::string run_sections(OpenResult& result, base::Log& log,
                         const std::vector<ResultSection>& sections);

/// What a run has to say of itself at its end.
struct Conclusion {
  std::string driver{};
  const Opening& opening;
  std::string resolved{};   ///< the input with every default filled in
  std::string incomplete{}; ///< why the result is not what was asked for, empty if it is
  std::int64_t nonzeros = -1;
  std::vector<io::XdmfField> fields{};
};

/// Writes /run, gives the file its name, removes checkpoints, writes the sidecar, and returns the
/// exit code. `grid` is null where a study has none. Collective.
int conclude(const Run& run, const Conclusion& conclusion, const spaces::Grid* grid,
             OpenResult& result);

} // namespace komori::analyses
