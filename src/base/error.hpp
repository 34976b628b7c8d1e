/// Errors that end a run, each with the exit code its user sees.
#pragma once

#include <stdexcept>
#include <string>

namespace komori::base {

/// What a driver returns to the shell.
enum class ExitCode : int {
  done = 0,
  internal = 1,      ///< a defect of komori or of a library below it
  input = 2,         ///< the input or restart file is wrong; nothing was written
  not_converged = 3, ///< a solver did not converge; what did is written and marked
  memory = 4,        ///< the predicted memory exceeds what the node has
  stopped = 75       ///< stopped on a signal or on the wall-time budget
};

/// Base of every error a user can act on. Thrown on all ranks alike unless its text names a rank.
class Error : public std::runtime_error {
public:
  Error(ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}
  ExitCode code() const noexcept { return code_; }

private:
  ExitCode code_;
};

/// The input is wrong: says where, what was found, what is allowed, and how to mend it.
class InputError : public Error {
public:
  explicit InputError(const std::string& what) : Error(ExitCode::input, what) {}
};

/// A solver stopped short of its tolerance: says which, how far it came, and what to change.
class ConvergenceError : public Error {
public:
  explicit ConvergenceError(const std::string& what) : Error(ExitCode::not_converged, what) {}
};

/// The problem does not fit the node.
class MemoryError : public Error {
public:
  explicit MemoryError(const std::string& what) : Error(ExitCode::memory, what) {}
};

/// A signal or the wall-time budget asked the run to end.
class Stopped : public Error {
public:
  explicit Stopped(const std::string& what) : Error(ExitCode::stopped, what) {}
};

} // namespace komori::base
