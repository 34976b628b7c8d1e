/// Eigenpairs of a state space that falls into parts which never meet.
#pragma once

#include <cstdint>
#include <optional>

#include "analyses/transfer_problem.hpp"
#include "linalg/eigen.hpp"

namespace komori::analyses {

/// Pairs of the eigenvalue 1 of steps (0 of rates), one of each of some parts.
struct PartPairs {
  linalg::EigenPairs functions; ///< 1 on the part, 0 elsewhere
  linalg::EigenPairs densities; ///< masses: the stationary ones within the part
  std::int64_t count = 0;       ///< of all parts
};

/// The pairs of the first `wanted` parts, by their first cell in natural order; nothing where there
/// are fewer, or where something leaks or has no next step. Densities where `left`; of a part that
/// itself holds several closed sets that of mass which begins spread evenly. The same whatever the
/// number of ranks. Throws ConvergenceError, Stopped. Collective.
std::optional<PartPairs> pairs_of_parts(TransferProblem& problem, std::int64_t wanted, bool left,
                                        double tolerance);

} // namespace komori::analyses
