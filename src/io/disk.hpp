/// Files on a disk that may be full, read-only or shared. All functions are local.
#pragma once

#include <cstdint>
#include <string>

namespace komori::io {

/// Where the file `path` is written before it takes that name.
std::string temporary_name(const std::string& path);

/// What keeps an output from being written to `path`, for the user; empty if nothing.
std::string output_obstacle(const std::string& path, bool overwrite);

/// What keeps files from being written into `folder`, for the user; empty if nothing.
std::string folder_obstacle(const std::string& folder);

/// What is known about room on the disk.
struct Room {
  bool reserved = false; ///< set aside: writing there cannot fail for want of room
  std::string problem{}; ///< why there is none ("No space left on device"), empty if nobody knows
};

/// Sets aside bytes `first` to `last` of an existing file where the file system can do that.
Room reserve(const std::string& path, std::uint64_t first, std::uint64_t last);

/// Writes that many zeros to a file beside `path`, flushes and removes it. For file systems that
/// cannot reserve.
Room try_room(const std::string& path, std::uint64_t bytes);

/// Whether a new file `path` of that many bytes would fit, before anything of it is written.
Room room_for(const std::string& path, std::uint64_t bytes);

/// Flushes the finished temporary file of `path` to the disk and gives it its name, in one step.
/// Unless `overwrite`, a file that has come into being there stays, and the temporary one, too; one
/// that cannot be flushed is removed. Returns what went wrong, for the user; empty if nothing.
std::string publish(const std::string& path, bool overwrite);

/// Removes the temporary file of `path`, if any, and what Open MPI left beside it.
void discard(const std::string& path);

} // namespace komori::io
