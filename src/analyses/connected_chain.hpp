/// Part of a chain as a chain of its own.
#pragma once

#include <memory>

#include "analyses/transfer_problem.hpp"
#include "base/session.hpp"

namespace komori::analyses {

/// A chain on some cells of another that it does not leave, as a problem of that many states.
class ConnectedChain {
public:
  /// Of probabilities; `inside`: 1 on these cells. Collective.
  ConnectedChain(base::Session& session, Mat matrix, Vec inside, double lag);
  /// Of what `problem` holds. Collective.
  ConnectedChain(TransferProblem& problem, Vec inside);
  TransferProblem& problem() noexcept { return *problem_; }
  /// A function of the states on the cells of the grid, `elsewhere` on others. Collective.
  base::UniqueVec expanded(Vec function, double elsewhere) const;

private:
  base::UniqueVec like_; ///< of the grid
  base::UniqueScatter scatter_;
  std::unique_ptr<TransferProblem> problem_;
};

} // namespace komori::analyses
