/// Start and end of a parallel program, and what happens when something fails on the way.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <mpi.h>
#include <petscsys.h>

#include "base/log.hpp"

namespace komori::base {

/// A PETSc or SLEPc call failed; `what()` carries the library's first message.
class PetscError : public std::runtime_error {
public:
  PetscError(PetscErrorCode code, const std::string& what)
      : std::runtime_error(what), code_(code) {}
  PetscErrorCode code() const noexcept { return code_; }

private:
  PetscErrorCode code_;
};

/// The first message PETSc gave since the last call, with the generic text of `code`; forgets it.
std::string take_petsc_message(PetscErrorCode code);

/// Owns MPI, PETSc and SLEPc from construction to destruction. One per program.
class Session {
public:
  struct Options {
    std::string program;
    std::vector<std::string> petsc_options; ///< "-spectrum_eps_ncv", "64", ...
  };

  /// Collective. Linear algebra runs on one thread per rank unless the environment says otherwise.
  explicit Session(const Options& options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  MPI_Comm comm() const noexcept { return PETSC_COMM_WORLD; }
  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  Log& log() noexcept { return log_; }

  /// Runs `body` and turns what it throws into an exit code. An error that all ranks meet is
  /// printed once; when only some ranks fail, they name themselves and the whole job is aborted
  /// within seconds, so that nobody waits for them. Collective.
  int run(const std::function<int()>& body);

private:
  struct Library {
    explicit Library(const Options& options);
    ~Library();
  };
  [[noreturn]] void abort(const std::string& message, int code) const;
  bool everybody_fails();
  int report(const std::string& message, int code);

  Library library_;
  int rank_ = 0;
  int size_ = 1;
  MPI_Comm failures_ = MPI_COMM_NULL; ///< on which failing ranks look for one another
  Log log_;
};

/// Single-dash options that no solver asked for so far and that begin with `prefix` (no dash).
std::vector<std::string> unused_options(const std::string& prefix);

} // namespace komori::base
