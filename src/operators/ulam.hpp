/// Ulam's matrix of a map on a grid: P_ij = P(image in cell j | point uniform in cell i).
///
/// Rows are cells to leave, columns cells to reach. P itself is the Koopman operator on functions
/// that are constant on cells, P transposed the transfer operator on cell masses. (Ulam, A
/// Collection of Mathematical Problems, 1960; Li, J. Approx. Theory 17, 1976.)
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/petsc.hpp"
#include "config/declaration.hpp"
#include "models/step.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// `ulam` as written.
struct UlamInput {
  std::string entries = "sampled";
  std::int64_t samples = 10;
  std::string rule = "midpoint";
  std::int64_t seed = 1;
  std::string outside = "error";
};
void declare(config::Declarer& declarer, UlamInput& input);

/// A matrix of transition probabilities, or of rates.
struct TransferMatrix {
  base::UniqueMat matrix; ///< from x to, in the grid's numbering
  base::UniqueVec leak;   ///< probability of leaving the grid, per cell
  std::int64_t nonzeros = 0;
  double largest_leak = 0;
  double largest_cut = 0; ///< tail of a row beyond a cover, spread over the row's other entries
  double norm = 1;        ///< largest absolute row sum
};

/// Rows of a matrix that are done, in the natural numbering of cells, in any parts over the ranks.
struct UlamRowsDone {
  std::vector<double> rows{};    ///< of each: cell, number of entries, leak
  std::vector<double> entries{}; ///< row after row, of each: column, value
  double largest_cut = 0;        ///< see `TransferMatrix`
};

/// How the assembly of a matrix takes part in checkpoints.
struct UlamContinuation {
  /// Called by all ranks every `seconds` with a function that describes what is done (local), and
  /// how many rows of this rank were computed, not known. It may save, and ends the run by throwing
  /// Stopped. Without it signals end the run. Collective.
  std::function<void(const std::function<UlamRowsDone()>& done, std::int64_t computed)> step{};
  double seconds = 0.5;
  std::optional<UlamRowsDone> from{}; ///< what an earlier run, on any number of ranks, had done
};

/// Throws InputError where the section does not fit the model. Collective.
void validate(const models::Step& map, const spaces::Grid& grid, const UlamInput& input);

/// The matrix. Every entry is the same whatever the number of ranks. Throws InputError, naming the
/// first place in natural order, where an image is not finite, or lies outside the grid and
/// `outside` is "error" and the wall not absorbing. `progress` is called now and then with the
/// share of this rank's cells that is done. Throws Stopped where a signal asks for it. Collective.
TransferMatrix assemble_ulam(const models::Step& map, const spaces::Grid& grid,
                             const UlamInput& input,
                             const std::function<void(double)>& progress = {},
                             const UlamContinuation& continuation = {});

/// All rows of this rank. Local.
UlamRowsDone rows_of(const TransferMatrix& transfer, const spaces::Grid& grid);

/// Entries per row, averaged over rows spread evenly over the grid: the size of the matrix before
/// it is made. Checks the images of those rows as `assemble_ulam` does. Collective.
double entries_per_row(const models::Step& map, const spaces::Grid& grid, const UlamInput& input);

} // namespace komori::operators
