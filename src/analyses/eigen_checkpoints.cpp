#include "analyses/eigen_checkpoints.hpp"

#include "analyses/solver_checkpoints.hpp"

namespace komori::analyses {
namespace {

using linalg::EigenPairs;

/// A finished set of pairs as a state to save, and back.
linalg::SolverState state_of(const EigenPairs& pairs) {
  linalg::SolverState state{.numbers = {static_cast<double>(pairs.asked)}};
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    state.numbers.insert(state.numbers.end(),
                         {pairs.values[i].real(), pairs.values[i].imag(), pairs.residuals[i]});
  }
  for (const base::UniqueVec& vector : pairs.vectors) state.vectors.push_back(vector.get());
  return state;
}
EigenPairs pairs_of(OwnedState state) {
  EigenPairs pairs;
  const linalg::SolverState numbers{.numbers = state.numbers};
  linalg::StateReader reader(numbers);
  pairs.asked = static_cast<PetscInt>(reader.count());
  for (std::size_t i = 0; 3 * i + 1 < state.numbers.size(); ++i) {
    const double re = reader.number();
    pairs.values.emplace_back(re, reader.number());
    pairs.residuals.push_back(reader.number());
  }
  pairs.vectors = std::move(state.vectors);
  return pairs;
}

} // namespace

EigenPairs with_checkpoints(io::Checkpoints* checkpoints, const spaces::Grid& grid,
                            linalg::EigenRequest request, const std::string& phase,
                            EigenPairs* finished,
                            const std::function<EigenPairs(const linalg::EigenRequest&)>& solve) {
  if (!checkpoints) return solve(request);
  OwnedState state;
  checkpoints->restore(phase, [&](io::CheckpointReader& saved) {
    state = load_state(saved, grid, "block");
    if (finished) *finished = pairs_of(load_state(saved, grid, "finished"));
  });
  if (!state.vectors.empty()) {
    request.start = state.view().vectors;
    request.started = [&state] { state.vectors.clear(); };
  }
  request.pause = [&](bool settled) { return checkpoints->due(settled); };
  request.save = [&](const std::vector<Vec>& reached) {
    checkpoints->step(phase, [&](io::CheckpointWriter& writer) {
      save_state(writer, grid, "block", {.vectors = reached});
      if (finished) save_state(writer, grid, "finished", state_of(*finished));
    });
  };
  return solve(request);
}

} // namespace komori::analyses
