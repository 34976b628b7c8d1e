/// The state of a method between two of its steps, so that another run can go on from there.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "base/petsc.hpp"

namespace komori::linalg {

/// Numbers that all ranks hold alike, and vectors (not owned); only the method knows their meaning.
struct SolverState {
  std::vector<double> numbers{};
  std::vector<Vec> vectors{};
};

/// How a method takes part in checkpoints.
struct Continuation {
  /// Called by all ranks between two steps, if given, with a function that describes the state now.
  /// It may save the state, and ends the run by throwing Stopped. Collective.
  std::function<void(const std::function<SolverState()>&)> step{};
  /// What an earlier run handed to `step`; null: begin at the beginning. Not owned.
  const SolverState* from = nullptr;
};

/// Takes a state apart in the order in which it was put together. Local.
class StateReader {
public:
  explicit StateReader(const SolverState& state) : state_(state) {}
  double number() {
    if (number_ == state_.numbers.size()) throw std::runtime_error("a saved state lacks a number");
    return state_.numbers[number_++];
  }
  std::int64_t count() { return static_cast<std::int64_t>(number()); }
  std::vector<double> numbers(std::size_t size) {
    std::vector<double> values(size);
    for (double& value : values) value = number();
    return values;
  }
  /// A copy of the next vector.
  base::UniqueVec vector() {
    if (vector_ == state_.vectors.size()) throw std::runtime_error("a saved state lacks a vector");
    base::UniqueVec copy = base::duplicate(state_.vectors[vector_]);
    base::check(VecCopy(state_.vectors[vector_++], copy.get()));
    return copy;
  }

private:
  const SolverState& state_;
  std::size_t number_ = 0;
  std::size_t vector_ = 0;
};

} // namespace komori::linalg
