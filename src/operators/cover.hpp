/// Set-oriented covers: the boxes near an attractor, and nothing else of the space around it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <mpi.h>

#include "base/log.hpp"
#include "config/declaration.hpp"
#include "models/step.hpp"
#include "operators/ulam.hpp"
#include "spaces/box_tree.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// `cover` as written.
struct CoverInput {
  std::int64_t depth = 0;
  std::int64_t samples = 4;
  std::string rule = "midpoint";
  std::int64_t seed = 1;
  std::string outside = "error";
  double tail = 1e-8;
  std::int64_t most = 10'000'000;
};
void declare(config::Declarer& declarer, CoverInput& input);

/// Boxes kept, in the order of their keys, cut into one part per rank.
struct Cover {
  spaces::BoxTree tree;             ///< at the depth reached
  std::vector<std::int64_t> keys{}; ///< of this rank, ascending; all below those of the next rank
  std::int64_t total = 0;
  std::vector<std::int64_t> counts{}; ///< boxes kept at depth 0, 1, ...
  std::int64_t added = 0;             ///< of the boxes at the end, those added to close the cover
  std::int64_t missed = 0; ///< boxes that twice as many points per axis reach, and are not there
};

/// A cover in the making, between two moments in which images are computed. Lists are cut into one
/// part per rank; each is ascending, all below those of the next rank, but for `found`.
struct CoverState {
  enum class Stage { bisect, close, count, done };
  Stage stage = Stage::bisect;
  std::int64_t depth = 0;
  std::vector<std::int64_t> counts{};  ///< of boxes at the depths that are done
  std::int64_t before = 0;             ///< boxes before the cover was closed
  std::int64_t missed = 0;             ///< see `Cover`
  std::vector<std::int64_t> keys{};    ///< the boxes, or the halves that are candidates
  std::vector<std::int64_t> waiting{}; ///< of these, those whose images are not yet known
  std::vector<std::int64_t> found{};   ///< where the images of the others lie, each once per rank
};

/// How the building of a cover takes part in checkpoints.
struct CoverContinuation {
  /// Called by all ranks before boxes are looked at, and then every `seconds`, if given, with a
  /// function that describes the state now (local). It may save it, and ends the run by throwing
  /// Stopped. Without it signals end the run. Collective.
  std::function<void(const std::function<CoverState()>&)> step{};
  double seconds = 0.5;
  std::optional<CoverState> from{}; ///< what an earlier run handed to `step`, or `finished`
  /// Called once with the last state, if given, from which a later run has the cover at once.
  std::function<void(CoverState)> finished{};
};

/// Throws InputError where the section does not fit the model or the grid. Local.
void validate(const models::Step& map, const std::vector<spaces::Axis>& axes,
              const CoverInput& input);

/// Covers what the map maps into itself: starting with all cells of the axes, boxes are bisected,
/// and kept where they are hit by the image of some box (Dellnitz, Hohmann, Numer. Math. 75, 1997;
/// Dellnitz, Froyland, Junge, in: Ergodic Theory, Analysis, and Efficient Simulation of Dynamical
/// Systems, 2001). Images are those of sample points. At the end boxes that images reach are added
/// until all are there, so that a matrix on the cover loses nothing. Keys and images meet at the
/// rank that owns the range of keys; no rank knows all. Too few points miss boxes that images of
/// whole boxes meet; one more pass with twice as many per axis counts what it finds. The same boxes
/// whatever the number of ranks. With added noise, boxes count as hit that hold all but `tail` of
/// the probability of some box's images. Throws InputError where no box, or more than `most`, is
/// left, or an image is not finite. Collective.
Cover build_cover(MPI_Comm comm, const models::Step& map, const std::vector<spaces::Axis>& axes,
                  const CoverInput& input, base::Log& log,
                  const CoverContinuation& continuation = {});

/// The boxes as an axis of unit cells, and the cover distributed like it. Collective.
spaces::Grid grid_of(MPI_Comm comm, Cover& cover);

/// Ulam's matrix on the boxes, in the numbering of `grid_of`; added noise is integrated over boxes.
/// What noise carries to places within the axes that are not covered, less than `tail` of a row, is
/// spread over the row's entries: the noise is cut there. Every entry is the same whatever the
/// number of ranks. `progress` and `continuation` are as those of `assemble_ulam`. Throws
/// InputError where an image lies off the axes and `outside` is "error", Stopped where a signal
/// asks for it. Collective.
TransferMatrix assemble_cover(const models::Step& map, const Cover& cover, const spaces::Grid& grid,
                              const CoverInput& input,
                              const std::function<void(double)>& progress = {},
                              const UlamContinuation& continuation = {});

/// Entries per row, averaged over boxes spread evenly over the cover, at the depth of `input`, not
/// less than that of the cover. Collective.
double entries_per_row(MPI_Comm comm, const models::Step& map, const Cover& cover,
                       const CoverInput& input);

} // namespace komori::operators
