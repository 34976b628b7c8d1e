/// Sweeps over the lines of a grid that is cut among ranks: in which order each passes its lines,
/// and what it takes from and hands to the ranks next to it on the way.
///
/// Ranks that follow each other along the slowest axis across the lines sweep in opposite
/// directions, so that all are at work at once: where two of them meet, both begin or both end, and
/// the one with the higher place waits for a few lines of the other. Together this is a sweep in
/// one order of all lines, in which a lower rank's come first at the face that both share.
/// Couplings across cuts of further axes are left out.
#pragma once

#include <cstddef>
#include <vector>

#include <mpi.h>

#include "base/lanes.hpp"
#include "base/petsc.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// Which of this rank's cells form a line along one axis. Local.
struct Lines {
  Lines(const spaces::Grid& grid, int axis);
  int axis = 0;
  PetscInt length = 0;   ///< cells of a line on this rank
  PetscInt count = 0;    ///< lines on this rank
  PetscInt stride = 1;   ///< between neighbours on a line
  bool whole = false;    ///< no line is cut between ranks
  bool ring = false;     ///< whole lines that close
  bool reversed = false; ///< this rank sweeps from its last line to its first
  PetscInt first(PetscInt line) const { return line / stride * length * stride + line % stride; }
  PetscInt line_of(PetscInt cell) const {
    return cell / (length * stride) * stride + cell % stride;
  }
  PetscInt place_of(PetscInt cell) const { return cell / stride % length; }
  /// The line that is the k-th of a sweep forward, and the other way round.
  PetscInt swept(PetscInt k) const { return reversed ? count - 1 - k : k; }
};

/// What couples this rank's lines to those of its neighbours, which of these come earlier and which
/// later, and the messages of a sweep in each direction.
class SweepBorder {
public:
  /// Of a matrix' rows, or of its transpose's: -E and -F where M = (D - E) D^-1 (D - F).
  /// Collective.
  SweepBorder(Mat rows, const spaces::Grid& grid, const Lines& lines);

  /// To or from one rank, due once the `step`-th line of the sweep is solved, or before it is.
  struct Message {
    int rank = 0;
    int tag = 0;
    PetscInt step = 0;
    std::vector<PetscInt> cells{}; ///< this rank's, that are sent
    std::size_t first = 0;         ///< where what is received stands among all of it
    std::size_t count = 0;
  };
  /// One direction, each kind in the order of steps.
  struct Direction {
    std::vector<Message> sends;
    std::vector<Message> receipts;
    /// Of line i: entries starts[i] to starts[i + 1].
    std::vector<std::size_t> starts;
    std::vector<PetscInt> places; ///< on the line
    std::vector<std::size_t> slots;
    std::vector<float> values;
  };
  const Direction& direction(bool forward) const { return forward ? forward_ : backward_; }
  std::size_t slots() const noexcept { return slots_; }
  MPI_Comm comm() const noexcept { return comm_; }

private:
  class Setup;
  MPI_Comm comm_;
  Direction forward_;
  Direction backward_;
  std::size_t slots_ = 0; ///< cells of others that are received, in both directions
};

/// The values of one vector, or of several side by side, that cross the border during sweeps.
template <class Value> class SweepExchange {
public:
  explicit SweepExchange(const SweepBorder& border);
  SweepExchange(const SweepExchange&) = delete;
  SweepExchange& operator=(const SweepExchange&) = delete;

  /// Before the first line. Local.
  void begin(bool forward);
  /// Adds to a line's right side what it takes from others, whose values it waits for; whether
  /// there are any. Called for each line in the order of the sweep.
  bool add(PetscInt step, PetscInt line, Value* sums);
  /// After a line: sends what is complete. `value(cell)` is that of a cell of this rank.
  template <class Values> void pass_on(PetscInt step, const Values& value) {
    const SweepBorder::Direction& way = border_.direction(forward_);
    for (; sent_ < way.sends.size() && way.sends[sent_].step <= step; ++sent_) {
      std::vector<Value>& buffer = buffers_[sent_];
      buffer.clear();
      for (const PetscInt cell : way.sends[sent_].cells) buffer.push_back(value(cell));
      send(way.sends[sent_], buffer);
    }
  }
  /// After the last line: until everything is sent.
  void end();

private:
  void send(const SweepBorder::Message& message, const std::vector<Value>& buffer);

  const SweepBorder& border_;
  bool forward_ = true;
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  std::vector<Value> others_;
  std::vector<std::vector<Value>> buffers_;
  std::vector<MPI_Request> requests_;
};

extern template class SweepExchange<double>;
extern template class SweepExchange<base::WideLanes>;

} // namespace komori::operators
