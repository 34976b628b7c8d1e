/// Which states of a Markov chain can be reached from which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/petsc.hpp"

namespace komori::operators {

/// Whether a chain is irreducible: every state leads to every other.
struct Connectivity {
  std::int64_t unreachable = 0; ///< states that state 0 does not lead to
  std::int64_t dead_ends = 0;   ///< states that do not lead to state 0
  bool irreducible() const noexcept { return unreachable == 0 && dead_ends == 0; }
};

/// Searches the graph of the off-diagonal entries > 0 of a matrix of probabilities or rates, rows =
/// from, and of `transposed`, forwards from the first state. Each rank searches its own rows to the
/// end before ranks exchange what they found. Collective.
Connectivity connectivity(Mat matrix, Mat transposed);

/// 1 on the strongly connected set of states (every one leads to every other) that holds most of
/// `weight` >= 0, 0 elsewhere. `transposed` is that of `matrix`. Throws InputError where the states
/// fall into too many sets for one to matter. Collective.
base::UniqueVec largest_connected_set(Mat matrix, Mat transposed, Vec weight);

/// The closed sets of a chain: each is left by none of its states, and any of them leads to every
/// other. 1 on the states of a set, 0 elsewhere; nothing where more than so many searches would be
/// needed. The same sets whatever the number of ranks, in any order. Collective.
std::optional<std::vector<base::UniqueVec>> closed_sets(Mat matrix, Mat transposed,
                                                        int most_searches);

} // namespace komori::operators
