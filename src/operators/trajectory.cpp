#include "operators/trajectory.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "config/file_path.hpp"

namespace komori::operators {
namespace {

/// Every rank keeps the list of pieces.
constexpr std::int64_t most_pieces = 1'000'000;

void refuse_many(std::int64_t pieces) {
  if (pieces <= most_pieces) return;
  throw base::InputError(
      fmt::format("the trajectory falls into {} pieces, but may have {} at most; "
                  "take fewer files at a time, or a 'model.dt' that fits the time "
                  "column",
                  pieces, most_pieces));
}

/// Throws the problem of the lowest rank that has one. Collective.
void agree(MPI_Comm comm, const std::string& problem) {
  const std::string first = base::first_text(comm, problem);
  if (!first.empty()) throw base::InputError(first);
}

} // namespace

std::span<const double> TrajectorySource::Reader::rows(const Piece& piece, std::int64_t first,
                                                       std::int64_t count) {
  if (!file_ || open_ != piece.file) {
    file_.emplace(source_.paths_[static_cast<std::size_t>(piece.file)], source_.input_.dataset);
    open_ = piece.file;
  }
  const bool fits = file_->columns() == source_.width_ && piece.part < file_->parts() &&
                    piece.first + first + count <= file_->rows();
  if (!fits) {
    throw base::InputError(fmt::format("'{}': the file has changed while it was read",
                                       source_.paths_[static_cast<std::size_t>(open_)]));
  }
  rows_.resize(static_cast<std::size_t>(count * source_.width_));
  file_->read(piece.part, piece.first + first, count, rows_);
  return rows_;
}

std::span<const double> TrajectorySource::Reader::frames(const Piece& piece, std::int64_t first,
                                                         std::int64_t count) {
  const std::span<const double> all = rows(piece, first, count);
  if (source_.input_.columns.empty()) return all;
  const auto width = static_cast<std::size_t>(source_.width_);
  frames_.clear();
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    for (const std::int64_t k : source_.columns_) {
      frames_.push_back(all[i * width + static_cast<std::size_t>(k)]);
    }
  }
  return frames_;
}

TrajectorySource::TrajectorySource(MPI_Comm comm, const models::TrajectoryInput& input)
    : comm_(comm), input_(input) {
  if (input_.lag > 0) {
    lag_ = models::frames_of(input_.lag, input_.dt,
                             fmt::format("{}: 'model.lag'", input_.lag_origin.text()));
  }
  open_files();
  frames_ = std::accumulate(pieces_.begin(), pieces_.end(), std::int64_t{0},
                            [](std::int64_t sum, const Piece& p) { return sum + p.frames; });
  split_at_breaks();
  if (input_.time_column >= 0) split_at_jumps();
  for (const Piece& piece : pieces_) longest_ = std::max(longest_, piece.frames);
  require_pairs(lag_, fmt::format("{}: 'model.lag'", input_.lag_origin.text()));
}

void TrajectorySource::open_files() {
  // One rank looks at all files; the others open those that they read from.
  std::string found;
  try {
    found = base::on_first_rank(comm_, [&] {
      std::string bytes;
      for (const std::string& name : input_.files) {
        const std::string path = config::sought(name, input_.origin);
        const io::ArrayFile file(path, input_.dataset);
        const std::array<std::int64_t, 4> shape{file.parts(), file.rows(), file.columns(),
                                                static_cast<std::int64_t>(path.size())};
        bytes.append(reinterpret_cast<const char*>(shape.data()), sizeof shape);
        bytes.append(path);
      }
      return bytes;
    });
  } catch (const std::runtime_error& error) {
    throw base::InputError(
        fmt::format("{}: 'model.files': {}", input_.origin.text(), error.what()));
  }
  for (std::size_t at = 0; at < found.size();) {
    std::array<std::int64_t, 4> shape{};
    std::memcpy(shape.data(), found.data() + at, sizeof shape);
    at += sizeof shape;
    paths_.push_back(found.substr(at, static_cast<std::size_t>(shape[3])));
    at += static_cast<std::size_t>(shape[3]);
    const auto file = static_cast<std::int64_t>(paths_.size()) - 1;
    if (file == 0) width_ = shape[2];
    if (shape[2] != width_) {
      throw base::InputError(fmt::format("'{}': the array has {} columns, but that of '{}' has {}; "
                                         "all must have as many",
                                         paths_.back(), shape[2], paths_.front(), width_));
    }
    refuse_many(static_cast<std::int64_t>(pieces_.size()) + shape[0]);
    for (std::int64_t part = 0; part < shape[0]; ++part)
      pieces_.push_back({file, part, 0, shape[1]});
  }
  const auto given = static_cast<std::int64_t>(input_.variables.size());
  if (input_.columns.empty()) {
    if (width_ != given) {
      throw base::InputError(fmt::format(
          "{}: 'model.files': the array in '{}' has {} column{}, but the model has {} variable{}; "
          "name the columns to take by 'model.columns'",
          input_.origin.text(), paths_.front(), width_, width_ == 1 ? "" : "s", given,
          given == 1 ? "" : "s"));
    }
    for (std::int64_t k = 0; k < width_; ++k) columns_.push_back(k);
  }
  for (const double column : input_.columns) columns_.push_back(static_cast<std::int64_t>(column));
  std::vector<std::int64_t> used = columns_;
  if (input_.time_column >= 0) used.push_back(input_.time_column);
  const std::int64_t highest = *std::max_element(used.begin(), used.end());
  if (highest >= width_) {
    throw base::InputError(
        fmt::format("{}: 'model.files': the array in '{}' has {} columns (from "
                    "0), but column {} is asked for by 'model.{}'",
                    input_.origin.text(), paths_.front(), width_, highest,
                    highest == used.back() && input_.time_column >= 0 ? "time_column" : "columns"));
  }
}

void TrajectorySource::split_at_breaks() {
  if (input_.breaks.empty()) return;
  if (input_.breaks.back() >= static_cast<double>(frames_)) {
    throw base::InputError(fmt::format("{}: 'model.breaks' names frame {:.0f}, but there are {} "
                                       "frames, counted from 0",
                                       input_.origin.text(), input_.breaks.back(), frames_));
  }
  std::vector<Piece> split;
  std::size_t next = 0;
  std::int64_t begin = 0; // of the piece, over all files
  for (Piece piece : pieces_) {
    const std::int64_t end = begin + piece.frames;
    while (next < input_.breaks.size() && input_.breaks[next] < static_cast<double>(end)) {
      const std::int64_t frames = static_cast<std::int64_t>(input_.breaks[next++]) - begin;
      if (frames == 0) continue;
      split.push_back({piece.file, piece.part, piece.first, frames});
      piece.first += frames;
      piece.frames -= frames;
      begin += frames;
    }
    split.push_back(piece);
    begin = end;
  }
  refuse_many(static_cast<std::int64_t>(split.size()));
  pieces_ = std::move(split);
}

void TrajectorySource::split_at_jumps() {
  // Every step from a frame to the next is looked at once, by whoever reads the first of the two.
  const auto column = static_cast<std::size_t>(input_.time_column);
  const auto width = static_cast<std::size_t>(width_);
  std::vector<std::int64_t> jumps; // piece, frame that begins the new one
  Reader reader(*this);
  for_each_window(1, [&](const Window& window) {
    const Piece& piece = pieces_[static_cast<std::size_t>(window.piece)];
    const std::span<const double> rows = reader.rows(piece, window.first, window.count + 1);
    for (std::size_t i = 0; i < static_cast<std::size_t>(window.count); ++i) {
      const double step = rows[(i + 1) * width + column] - rows[i * width + column];
      if (std::abs(step - input_.dt) <= 0.5 * input_.dt) continue;
      jumps.push_back(window.piece);
      jumps.push_back(window.first + static_cast<std::int64_t>(i) + 1);
      refuse_many(static_cast<std::int64_t>(jumps.size() / 2));
    }
  });
  int size = 1;
  MPI_Comm_size(comm_, &size);
  std::int64_t total = static_cast<std::int64_t>(jumps.size()) / 2;
  MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_INT64_T, MPI_SUM, comm_);
  refuse_many(total + static_cast<std::int64_t>(pieces_.size()));
  std::vector<int> counts(static_cast<std::size_t>(size));
  const auto mine = static_cast<int>(jumps.size());
  MPI_Allgather(&mine, 1, MPI_INT, counts.data(), 1, MPI_INT, comm_);
  std::vector<int> starts(counts.size(), 0);
  std::partial_sum(counts.begin(), counts.end() - 1, starts.begin() + 1);
  std::vector<std::int64_t> all(static_cast<std::size_t>(2 * total));
  MPI_Allgatherv(jumps.data(), mine, MPI_INT64_T, all.data(), counts.data(), starts.data(),
                 MPI_INT64_T, comm_); // in the order of frames: ranks read ascending parts
  std::vector<Piece> split;
  std::size_t next = 0;
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    Piece piece = pieces_[p];
    std::int64_t done = 0;
    for (; next < all.size() && all[next] == static_cast<std::int64_t>(p); next += 2) {
      const std::int64_t frames = all[next + 1] - done;
      split.push_back({piece.file, piece.part, piece.first + done, frames});
      done += frames;
    }
    split.push_back({piece.file, piece.part, piece.first + done, piece.frames - done});
  }
  pieces_ = std::move(split);
}

std::int64_t TrajectorySource::pairs(std::int64_t extent) const {
  std::int64_t pairs = 0;
  for (const Piece& piece : pieces_) {
    pairs += std::max<std::int64_t>(0, piece.frames - extent);
  }
  return pairs;
}

void TrajectorySource::require_pairs(std::int64_t extent, const std::string& what) const {
  if (pairs(extent) > 0) return;
  std::int64_t longest = 0;
  for (const Piece& piece : pieces_) longest = std::max(longest, piece.frames);
  if (longest == 1 && input_.time_column >= 0 && frames() > 1) {
    throw base::InputError(
        fmt::format("{}: 'model.time_column' ({}) advances by anything but 'model.dt' ({:g}) after "
                    "every frame, "
                    "so that there is no pair; set 'model.dt' to the time between two frames",
                    what, input_.time_column, input_.dt));
  }
  throw base::InputError(
      fmt::format("{}: {:g} is {} frames of 'model.dt', but the longest of the {} "
                  "piece{} of the trajectory has {} frame{}: there is no pair; "
                  "choose a shorter lag",
                  what, static_cast<double>(extent) * input_.dt, extent, pieces_.size(),
                  pieces_.size() == 1 ? "" : "s", longest, longest == 1 ? "" : "s"));
}

std::string TrajectorySource::place(std::int64_t piece, std::int64_t frame) const {
  const Piece& p = pieces_[static_cast<std::size_t>(piece)];
  const bool parts = std::any_of(pieces_.begin(), pieces_.end(),
                                 [](const Piece& other) { return other.part > 0; });
  return fmt::format("'{}'{}, row {} (from 0)", paths_[static_cast<std::size_t>(p.file)],
                     parts ? fmt::format(", part {}", p.part) : "", p.first + frame);
}

void TrajectorySource::for_each_window(std::int64_t extent,
                                       const std::function<void(const Window&)>& visit,
                                       std::int64_t block) const {
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm_, &rank);
  MPI_Comm_size(comm_, &size);
  const std::int64_t total = pairs(extent);
  // Without an overflow of total * rank.
  const auto part = [&](std::int64_t r) { return total / size * r + total % size * r / size; };
  const std::int64_t begin = part(rank);
  const std::int64_t end = part(rank + 1);
  // What windows share with their neighbours is at most as much as they hold of their own.
  block = std::max({block, extent, std::int64_t{1}});
  std::string problem;
  try {
    Reader reader(*this);
    std::int64_t index = 0; // of the piece's first pair
    for (std::size_t p = 0; p < pieces_.size() && index < end; ++p) {
      const std::int64_t here = std::max<std::int64_t>(0, pieces_[p].frames - extent);
      const std::int64_t last = std::min(here, end - index);
      for (std::int64_t at = std::max<std::int64_t>(0, begin - index); at < last;) {
        const std::int64_t count = std::min(block, last - at);
        visit({.piece = static_cast<std::int64_t>(p),
               .first = at,
               .count = count,
               .index = index + at,
               .extent = extent,
               .frames = reader.frames(pieces_[p], at, count + extent)});
        at += count;
      }
      index += here;
    }
  } catch (const base::InputError& error) {
    problem = error.what();
  }
  agree(comm_, problem);
}

} // namespace komori::operators
