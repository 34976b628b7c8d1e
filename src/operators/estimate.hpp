/// A transition matrix from counts, on the states that lead to each other.
#pragma once

#include <cstdint>

#include "operators/counts.hpp"
#include "operators/ulam.hpp"

namespace komori::operators {

/// A Markov chain on the cells of a grid as far as the data tell: rows and columns of cells outside
/// the set are 0.
struct EstimatedChain {
  TransferMatrix transfer;
  base::UniqueVec inside;   ///< 1 on the set, 0 elsewhere
  base::UniqueVec visits;   ///< pairs that begin in each cell
  std::int64_t visited = 0; ///< cells
  std::int64_t states = 0;  ///< cells of the set
  double kept = 1;          ///< share of all pairs that stay within the set
};

/// Restricts counts to the strongly connected set that holds most of them and makes rows sum to 1.
/// Throws InputError, ConvergenceError. Collective.
EstimatedChain estimate_chain(Mat counts, const CountsInput& input);

} // namespace komori::operators
