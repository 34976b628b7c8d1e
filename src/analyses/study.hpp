/// What drivers that write a result share around their own sections.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/driver.hpp"
#include "io/checkpoints.hpp"
#include "io/result_file.hpp"
#include "io/xdmf.hpp"
#include "spaces/axis.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// --output, or the input's name with .h5 in the current folder. Local.
std::string result_name(const Run& run);

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

/// Title, driver and axes at the root of the file, /grid and /grid_edges. Collective.
void write_grid(const std::string& title, const std::string& driver, const spaces::Grid& grid,
                io::ResultFile& file);

/// Runs a section, or takes it over from the checkpoint; returns why it is incomplete, empty if it
/// is not. `body` returns false, or throws ConvergenceError, where it did not converge. Throws
/// Stopped. Collective.
std::string run_section(io::Checkpoints& checkpoints, base::Log& log, const std::string& name,
                        const std::function<bool()>& body);

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

/// What a run has to say of itself at its end.
struct Conclusion {
  std::string driver{};
  std::string output{};
  std::string resolved{};   ///< the input with every default filled in
  std::string incomplete{}; ///< why the result is not what was asked for, empty if it is
  std::chrono::system_clock::time_point started{};
  double library_bytes = 0; ///< resident memory per process before any work
  std::int64_t nonzeros = -1;
  std::vector<io::XdmfField> fields{};
};

/// Writes /run, gives the file its name, removes checkpoints, writes the sidecar, and returns the
/// exit code. Collective.
int conclude(const Run& run, const Conclusion& conclusion, const spaces::Grid& grid,
             OpenResult& result);

} // namespace komori::analyses
