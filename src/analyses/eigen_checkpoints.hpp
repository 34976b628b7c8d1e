/// Eigensolves that save what they have reached.
#pragma once

#include <functional>
#include <string>

#include "io/checkpoints.hpp"
#include "linalg/eigen.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// Solves with a pause for every checkpoint that falls due; what was reached is saved, and is where
/// the solve goes on, in this run or in the next. At most the cycle under way is lost. `finished`,
/// if given, are pairs of an earlier solve to be saved along, and restored; they are on the same
/// grid, or without vectors. Without `checkpoints` it just solves. Collective.
linalg::EigenPairs
with_checkpoints(io::Checkpoints* checkpoints, const spaces::Grid& grid,
                 linalg::EigenRequest request, const std::string& phase,
                 linalg::EigenPairs* finished,
                 const std::function<linalg::EigenPairs(const linalg::EigenRequest&)>& solve);

} // namespace komori::analyses
