/// Transition matrices in checkpoints: rows while they are made, and the whole where it was dear.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "analyses/transfer_problem.hpp"
#include "io/checkpoints.hpp"
#include "operators/ulam.hpp"

namespace komori::analyses {

/// The assembly's part in the checkpoints of a run: what comes before any phase, and is found
/// whatever phase a checkpoint is of. Every rank saves its own rows. Not movable.
class SavedAssembly {
public:
  /// Takes over the rows that an earlier run has done of the matrix of this name. Collective.
  SavedAssembly(base::Session& session, io::Checkpoints& checkpoints,
                std::string name = "assembly");
  SavedAssembly(const SavedAssembly&) = delete;
  SavedAssembly& operator=(const SavedAssembly&) = delete;
  /// For an assembly that ends before this object. Local.
  operators::UlamContinuation continuation();
  /// The matrix is ready: every later save holds it, too, unless it is made again as fast as it is
  /// read. The problem must outlive all saves. Collective.
  void finish(const TransferProblem& problem);
  /// The same of any matrix, of so many rows and entries: `all` are those of this rank, and must be
  /// there for all saves.
  void finish(std::int64_t rows, std::int64_t entries,
              std::function<operators::UlamRowsDone()> all);

private:
  /// Of this run and those before it. Collective.
  double seconds() const;

  base::Session& session_;
  io::Checkpoints& checkpoints_;
  std::string name_;
  operators::UlamRowsDone from_;
  std::int64_t known_ = 0; ///< rows of all ranks that were taken over
  double before_ = 0;      ///< seconds that earlier runs took
  double begun_;           ///< by MPI_Wtime
};

} // namespace komori::analyses
