/// Values on Cartesian blocks that change hands: from one cut of a box among ranks to another.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <mpi.h>

#include "spaces/grid.hpp"

namespace komori::spaces {

/// Fetches the values of a block that this rank wants from the ranks that hold them, and the
/// transposed of it. Blocks held do not overlap; blocks wanted may. Values of a block are in
/// natural order, last axis fastest.
class BlockExchange {
public:
  BlockExchange() = default;
  /// Of the first `dimension` axes; a block without cells holds, or wants, nothing. Collective.
  BlockExchange(MPI_Comm comm, int dimension, const Block& held, const Block& wanted);

  /// Every rank holds just what it wants: callers may leave the values where they are. Collective.
  bool trivial() const noexcept { return trivial_; }
  /// How many values this rank holds, and wants. Local.
  std::size_t held() const noexcept { return held_; }
  std::size_t wanted() const noexcept { return wanted_; }
  /// Room for messages, which several exchanges may share.
  struct Messages {
    std::vector<double> outgoing{};
    std::vector<double> incoming{};
  };
  /// Makes messages as large as both ways take them: otherwise they become so when they are sent.
  /// Local.
  void make_room(Messages& messages) const;
  /// Where this rank may keep the values it holds among those it wants, if it wants them all and
  /// without a gap: then they are not copied. Local.
  std::optional<std::size_t> place_of_held() const noexcept { return place_of_held_; }
  /// Copies what is wanted; parts that nobody holds stay as they are. Collective.
  void fetch(std::span<const double> held, std::span<double> wanted, Messages& messages) const;
  /// The transposed: sums what all ranks have on blocks they want where it is held. Values of
  /// others in `wanted` stay as they are. Collective.
  void sum_back(std::span<const double> wanted, std::span<double> held, Messages& messages) const;

private:
  bool in_place(std::span<const double> held, std::span<const double> wanted) const noexcept {
    return place_of_held_ && held.data() == wanted.data() + *place_of_held_;
  }
  /// What another rank, or this one, shares with a block of this rank.
  struct Part {
    int rank = 0;
    Block block{}; ///< counted from the start of the block of this rank
    std::size_t size = 0;
    std::size_t begin = 0; ///< of its message; unused for this rank's own
    bool whole = false;    ///< its values follow each other without a gap, as in a message
  };
  std::vector<Part> parts(const Block& own, const std::vector<Block>& others) const;
  /// Values of parts that go to other ranks, or come from them.
  std::size_t sent(const std::vector<Part>& parts) const;
  /// Calls `take(values, place in the target, length)` for lines of what others have for it, and
  /// this rank unless that is `in_place`. Parts that are whole there are received in `direct`, if
  /// that is not null.
  template <class Take>
  void pass(std::span<const double> values, const Block& block, const std::vector<Part>& to,
            const Block& target, const std::vector<Part>& from, double* direct, bool in_place,
            Messages& messages, Take&& take) const;

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int dimension_ = 0;
  bool trivial_ = true;
  Block held_block_;
  Block wanted_block_;
  std::optional<std::size_t> place_of_held_;
  std::size_t held_ = 0;
  std::size_t wanted_ = 0;
  std::vector<Part> held_parts_;   ///< of the block held: what goes out in `fetch`
  std::vector<Part> wanted_parts_; ///< of the block wanted: what comes in
};

} // namespace komori::spaces
