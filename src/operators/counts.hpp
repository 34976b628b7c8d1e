/// Transitions of a trajectory between the cells of a grid, counted, also for samples of its
/// blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/petsc.hpp"
#include "config/declaration.hpp"
#include "operators/trajectory.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// `counts` as written.
struct CountsInput {
  std::string estimator = "plain";
  std::string outside = "error";
};
void declare(config::Declarer& declarer, CountsInput& input);

/// Blocks of successive frames, drawn with replacement as often as there are blocks: what another
/// trajectory of the same length might have given, correlations within a block kept (Kuensch, Ann.
/// Statist. 17, 1989). A block never spans two pieces; a pair belongs to its earlier frame's.
class BlockSamples {
public:
  /// Blocks of `length` frames or somewhat more. Throws InputError where there are too many or
  /// fewer than two. Local, the same on all ranks.
  BlockSamples(const TrajectorySource& source, std::int64_t length, std::uint64_t seed);

  std::int64_t blocks() const noexcept { return first_.back(); }
  std::int64_t block(std::int64_t piece, std::int64_t frame) const;
  /// The first frame of the piece after the block that holds `frame`; of its last block, none.
  std::int64_t end(std::int64_t piece, std::int64_t frame) const;
  /// How often each block was drawn for sample `s`, 0 <= s.
  std::vector<std::int32_t> drawn(std::int64_t s) const;

private:
  std::int64_t length_;
  std::uint64_t seed_;
  std::vector<std::int64_t> first_; ///< block of every piece, and the total
};

/// Counts of one lag, of the data and of some samples. All functions are collective.
class TransitionCounts {
public:
  /// Reads the trajectory once. Where `samples` > 0, `blocks` gives samples first_sample to
  /// first_sample + samples - 1 beside the data. Throws InputError where a frame is outside the
  /// grid, unless such pairs are to be skipped.
  TransitionCounts(const TrajectorySource& source, const spaces::Grid& grid, std::int64_t lag,
                   const CountsInput& input, const BlockSamples* blocks = nullptr,
                   std::int64_t first_sample = 0, std::int64_t samples = 0);

  /// From (row) to (column), in the grid's numbering; the same object is refilled by each call.
  Mat data() { return filled(0); }
  Mat sample(std::int64_t s) { return filled(static_cast<std::size_t>(s) + 1); }
  /// Pairs counted, and left out because a frame lies outside the grid.
  std::int64_t pairs() const noexcept { return pairs_; }
  std::int64_t skipped() const noexcept { return skipped_; }
  /// Different transitions on the rank that met most.
  std::int64_t entries() const noexcept { return entries_; }

private:
  Mat filled(std::size_t k);

  base::UniqueMat matrix_;
  std::size_t fillings_ = 1;
  std::vector<PetscScalar> values_; ///< of each transition this rank met, one per filling
  std::vector<PetscScalar> filling_;
  std::int64_t pairs_ = 0;
  std::int64_t skipped_ = 0;
  std::int64_t entries_ = 0;
};

} // namespace komori::operators
