/// The matrix of a Markov chain, checked and distributed.
#pragma once

#include <cstdint>
#include <memory>

#include "io/matrix_file.hpp"
#include "models/chain.hpp"
#include "operators/ulam.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// A chain before its matrix is made: where the entries come from, and how many states there are.
class ChainSource {
public:
  /// Opens the file, if there is one. Throws InputError. Collective.
  ChainSource(MPI_Comm comm, const models::ChainInput& input);

  std::int64_t states() const noexcept { return states_; }
  /// The states as an axis of unit cells centred at 0, 1, ..., distributed over the ranks.
  /// Collective.
  spaces::Grid grid() const;
  /// The entries of rows [first, first + count), sorted, zeros left out. Collective.
  std::vector<io::MatrixEntry> rows(std::int64_t first, std::int64_t count) const;
  /// "a.yaml:3: 'model.matrix'" or "'file.mtx'", for messages.
  const std::string& name() const noexcept { return name_; }

private:
  MPI_Comm comm_;
  const models::ChainInput& input_;
  std::unique_ptr<io::MatrixFile> file_;
  std::int64_t states_ = 0;
  std::string name_;
};

/// A chain's matrix and what it means.
struct Chain {
  TransferMatrix transfer;
  bool rates = false; ///< rows sum to 0: a generator in continuous time; otherwise to 1
};

/// Checks and assembles. Negative diagonal entries make it a matrix of rates. Throws InputError
/// that names the first row which is not allowed: a negative probability or off-diagonal rate, a
/// sum that is neither 1 nor 0 to 1e-8 of its largest entry. Collective.
Chain assemble_chain(const ChainSource& source, const spaces::Grid& grid);

} // namespace komori::operators
