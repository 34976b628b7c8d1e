/// The frames of a trajectory, checked, and read in blocks that no rank ever holds all of.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

#include "io/array_file.hpp"
#include "models/trajectory.hpp"

namespace komori::operators {

/// Frames without a gap.
struct Piece {
  std::int64_t file = 0;
  std::int64_t part = 0;  ///< of the file's array
  std::int64_t first = 0; ///< row of its first frame
  std::int64_t frames = 0;
};

/// `count` successive frames of one piece and the `extent` that follow them.
struct Window {
  std::int64_t piece = 0;
  std::int64_t first = 0; ///< in the piece
  std::int64_t count = 0;
  /// Of frame `first` among all frames that have `extent` ones after them in their piece, piece
  /// after piece: of a pair, where `extent` is the lag.
  std::int64_t index = 0;
  std::int64_t extent = 0;
  std::span<const double> frames; ///< (count + extent) x variables, frame by frame

  /// Frames x_t, and x_(t + lag) for a lag <= extent: count x variables.
  std::span<const double> at(std::int64_t lag, std::size_t variables) const {
    return frames.subspan(static_cast<std::size_t>(lag) * variables,
                          static_cast<std::size_t>(count) * variables);
  }
};

/// A trajectory of any length in one or many files. Frames are numbered within pieces, which end
/// where a file, a part of it, or the time without a jump ends.
class TrajectorySource {
public:
  /// Opens every file and finds the pieces. Throws InputError. Collective.
  TrajectorySource(MPI_Comm comm, const models::TrajectoryInput& input);

  MPI_Comm comm() const noexcept { return comm_; }
  const std::vector<std::string>& variables() const noexcept { return input_.variables; }
  std::size_t dimension() const noexcept { return input_.variables.size(); }
  double dt() const noexcept { return input_.dt; }
  /// The input's own lag, in frames and in time.
  std::int64_t lag_frames() const noexcept { return lag_; }
  double lag() const noexcept { return static_cast<double>(lag_) * input_.dt; }

  const std::vector<Piece>& pieces() const noexcept { return pieces_; }
  std::int64_t frames() const noexcept { return frames_; }
  std::int64_t longest() const noexcept { return longest_; }
  /// Frames that have `extent` ones after them in their piece: pairs at that lag.
  std::int64_t pairs(std::int64_t extent) const;
  /// Throws InputError, calling the lag `what`, where no piece is longer than it. Local.
  void require_pairs(std::int64_t extent, const std::string& what) const;
  /// "'a.npy', row 17" of a frame, for messages.
  std::string place(std::int64_t piece, std::int64_t frame) const;

  /// Calls `visit` for windows that hold each pair of lag `extent` of the whole trajectory exactly
  /// once; this rank reads a contiguous part of them, in order, about `block` at a time. `visit` is
  /// local and may throw base::InputError: the first of all ranks, in the order of frames, is then
  /// thrown on all; likewise what is wrong with a file. Memory: block + extent frames. Collective.
  void for_each_window(std::int64_t extent, const std::function<void(const Window&)>& visit,
                       std::int64_t block = 1 << 16) const;

  /// Reads frames wherever they lie; the last file stays open for the next call. What it returns
  /// lives until then. Functions are local and throw InputError for what is wrong with a file.
  class Reader {
  public:
    explicit Reader(const TrajectorySource& source) : source_(source) {}
    /// Rows of the array of a piece, all columns.
    std::span<const double> rows(const Piece& piece, std::int64_t first, std::int64_t count);
    /// Frames: the columns of the variables.
    std::span<const double> frames(const Piece& piece, std::int64_t first, std::int64_t count);

  private:
    const TrajectorySource& source_;
    std::optional<io::ArrayFile> file_;
    std::int64_t open_ = -1;
    std::vector<double> rows_;
    std::vector<double> frames_;
  };

private:
  void open_files();
  void split_at_breaks();
  void split_at_jumps();

  MPI_Comm comm_;
  models::TrajectoryInput input_;
  std::vector<std::string> paths_;
  std::vector<std::int64_t> columns_; ///< of the arrays; one per variable
  std::int64_t width_ = 0;            ///< columns of the arrays
  std::int64_t lag_ = 1;
  std::vector<Piece> pieces_;
  std::int64_t frames_ = 0;
  std::int64_t longest_ = 0;
};

} // namespace komori::operators
