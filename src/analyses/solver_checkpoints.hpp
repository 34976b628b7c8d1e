/// How the state of a solver goes into a checkpoint and comes back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

#include "analyses/problem.hpp"
#include "io/checkpoints.hpp"
#include "linalg/solver_state.hpp"

namespace komori::analyses {

/// A state that owns its vectors.
struct OwnedState {
  std::vector<double> numbers{};
  std::vector<base::UniqueVec> vectors{};
  linalg::SolverState view() const;
};

/// Writes fields "<name>.vector<i>" and numbers "<name>.numbers". Collective.
void save_state(io::CheckpointWriter& writer, const spaces::Grid& grid, const std::string& name,
                const linalg::SolverState& state);
/// Reads them back into vectors over the grid. Collective.
OwnedState load_state(io::CheckpointReader& reader, const spaces::Grid& grid,
                      const std::string& name);

/// Writes rows of `width` numbers of any ranks as one table: field "<name>" and numbers
/// "<name>.size". Collective.
void save_table(io::CheckpointWriter& writer, MPI_Comm comm, const std::string& name,
                std::span<const double> own, std::size_t width);
/// Reads it back in its order, so many rows here, or in equal parts. Collective.
std::vector<double> load_table(io::CheckpointReader& reader, MPI_Comm comm, const std::string& name,
                               std::size_t width, std::optional<std::int64_t> rows = {});

/// Writes numbers of any ranks as one list: field "<name>" and numbers "<name>.size". Collective.
void save_list(io::CheckpointWriter& writer, MPI_Comm comm, const std::string& name,
               const std::vector<std::int64_t>& own);
/// Reads it back in its order, in equal parts. Collective.
std::vector<std::int64_t> load_list(io::CheckpointReader& reader, MPI_Comm comm,
                                    const std::string& name);

/// A solver's part in the checkpoints of a run, as a phase of its own. Not movable.
class SavedSolver {
public:
  /// Takes over the state of the phase, if there is one. `checkpoints` may be null: nothing is
  /// saved then, and signals end the run. Collective.
  SavedSolver(io::Checkpoints* checkpoints, const spaces::Grid& grid, std::string phase);
  SavedSolver(const SavedSolver&) = delete;
  SavedSolver& operator=(const SavedSolver&) = delete;
  /// For a solver that ends before this object. Local.
  linalg::Continuation continuation() const;

private:
  io::Checkpoints* checkpoints_;
  const spaces::Grid& grid_;
  std::string phase_;
  OwnedState state_;
  linalg::SolverState view_; ///< of `state_`
  bool resumes_ = false;
};

} // namespace komori::analyses
