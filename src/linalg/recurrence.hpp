/// Three-term recurrences with a matrix, and sums over them, in as few passes as can be.
///
/// A recurrence step by PETSc's operations on vectors reads and writes each of them several times,
/// and takes as long as its product does. A matrix that knows its neighbours can take steps and
/// sums in one pass over memory, and two steps while the rows are in the cache.
#pragma once

#include <array>
#include <span>

#include "base/petsc.hpp"

namespace komori::linalg {

/// x_(k+1) = product A x_k + current x_k + previous x_(k-1).
struct ThreeTerms {
  double product = 0;
  double current = 0;
  double previous = 0;
};

inline constexpr int most_steps = 2;

/// sum += weights[0] x_(k+1) + weights[1] x_(k+2).
struct RunningSum {
  Vec sum = nullptr;
  std::array<double, most_steps> weights{};
};

/// One or two steps. Before: x_(k-1) and x_k. After one step `previous` holds x_(k+1); after two
/// `current` holds x_(k+2), too.
struct RecurrenceSteps {
  ThreeTerms terms;
  Vec previous = nullptr;
  Vec current = nullptr;
  int steps = 1;
  std::span<const RunningSum> sums{};
};

/// What a matrix may offer: the steps, up to round-off those of products and vector operations.
using RecurrenceFunction = PetscErrorCode (*)(Mat, const RecurrenceSteps&);

/// Composes the function with the matrix. Logically collective.
void offer_recurrence(Mat matrix, RecurrenceFunction function);

/// Takes steps by what the matrix offers, or else by products and vector operations.
class Recurrence {
public:
  /// Vectors are laid out as `like`. Collective.
  Recurrence(Mat matrix, Vec like);
  /// Steps that pay to be taken at once. Local.
  int at_once() const noexcept { return offered_ != nullptr ? most_steps : 1; }
  /// Collective.
  void take(const RecurrenceSteps& steps) const;

private:
  void step(const RecurrenceSteps& steps, Vec previous, Vec current, std::size_t number) const;

  Mat matrix_;
  RecurrenceFunction offered_ = nullptr;
  base::UniqueVec product_;
};

} // namespace komori::linalg
