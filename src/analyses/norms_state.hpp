/// Singular values of one operator after the other, kept over a stop, with the search under way.
#pragma once

#include <vector>

#include "analyses/network_problem.hpp"
#include "io/checkpoints.hpp"
#include "linalg/solver_state.hpp"

namespace komori::analyses {

/// Singular values and their residuals, 0 beyond those that an operator has.
struct OperatorValues {
  std::vector<double> values{};
  std::vector<double> residuals{};
};

/// Asked for the same operators in the same order, a run that goes on has those that were found,
/// and goes on with the search that was under way. Not movable.
class FoundNorms {
public:
  /// `count` values per operator. Takes over the state of the phase "norms", if there is one.
  /// Collective.
  FoundNorms(const LayerProblem& problem, const LayerProblem& coarse, PetscInt count,
             double tolerance);
  FoundNorms(const FoundNorms&) = delete;
  FoundNorms& operator=(const FoundNorms&) = delete;

  /// Of M(first,last) of the coarser problem, or of the other. A stop saves. Throws
  /// ConvergenceError. Collective.
  OperatorValues next(bool coarse, int first, int last);
  /// How many operators came from a checkpoint, and whether a search did. Local.
  std::size_t kept() const noexcept { return restored_ / (2 * size_); }
  bool resumes() const noexcept { return resumed_; }

private:
  /// The operator whose search is under way.
  struct Sought {
    bool coarse = false;
    int first = 0;
    int last = 0;
    bool operator==(const Sought&) const = default;
  };

  const LayerProblem& problem_of(const Sought& sought) const {
    return sought.coarse ? coarse_ : problem_;
  }
  /// The layer over which vector i of `count` is that a search hands out.
  int layer_of(const Sought& sought, std::size_t i, std::size_t count) const;
  void load(io::CheckpointReader& reader);
  void save(io::CheckpointWriter& writer) const;
  void save(io::CheckpointWriter& writer, const Sought& sought,
            const linalg::SolverState& state) const;

  const LayerProblem& problem_;
  const LayerProblem& coarse_;
  std::size_t size_; ///< values per operator
  double tolerance_;
  std::size_t taken_ = 0;
  std::size_t restored_ = 0;
  std::vector<double> numbers_{}; ///< of every operator its values, then its residuals
  bool resumed_ = false;
  Sought saved_{}; ///< whose state this is:
  std::vector<double> state_numbers_{};
  std::vector<base::UniqueVec> state_vectors_{};
};

} // namespace komori::analyses
