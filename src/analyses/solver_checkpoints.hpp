/// How the state of a solver goes into a checkpoint and comes back.
#pragma once

#include <string>
#include <vector>

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

} // namespace komori::analyses
