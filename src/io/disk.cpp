#include "io/disk.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace komori::io {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

/// Flushes a file or folder to the disk itself; 0, or the system's error number.
int sync_to_disk(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  // Some file systems cannot flush folders, and say so.
  if (error == EINVAL || error == ENOTSUP || error == EROFS) error = 0;
  return error;
}

/// Whether a file of this name can come into being; leaves none behind. 0, or the error number.
int creation_error(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) {
    ::close(descriptor);
    ::unlink(path.c_str());
    return 0;
  }
  // Left by a run that was killed: it will be overwritten.
  if (errno == EEXIST) return ::access(path.c_str(), W_OK) == 0 ? 0 : errno;
  return errno;
}

} // namespace

std::string temporary_name(const std::string& path) {
  return path + ".partial";
}

std::string output_obstacle(const std::string& path, bool overwrite) {
  std::error_code code;
  const fs::file_status file = fs::status(path, code);
  const std::string folder = folder_of(path);
  if (path.empty() || path.back() == '/' || fs::is_directory(file)) {
    return fmt::format("output '{}' is a folder; give --output a file name", path);
  }
  if (!fs::is_directory(folder, code)) {
    return fmt::format("output '{}' cannot be written: there is no folder '{}'; create it, or give "
                       "--output another name",
                       path, folder);
  }
  if (fs::exists(file) && !fs::is_regular_file(file)) {
    return fmt::format("output '{}' exists and is no ordinary file; give --output another name",
                       path);
  }
  if (fs::exists(file) && !overwrite) {
    return fmt::format("output '{}' exists and is kept; give --overwrite to replace it, or "
                       "--output another name",
                       path);
  }
  if (const int error = creation_error(temporary_name(path))) {
    return fmt::format("output '{}' cannot be written in folder '{}': {}; give --output another "
                       "name",
                       path, folder, std::strerror(error));
  }
  return {};
}

std::string folder_obstacle(const std::string& folder) {
  std::error_code code;
  if (!fs::is_directory(folder, code)) return "there is no such folder; create it";
  const std::string trial = (fs::path(folder) / ".komori-trial").string();
  if (const int error = creation_error(trial)) {
    return fmt::format("files cannot be written there ({}); choose another", std::strerror(error));
  }
  return {};
}

Room reserve(const std::string& path, std::uint64_t first, std::uint64_t last) {
  if (first >= last) return {.reserved = true};
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return {.problem = std::strerror(errno)};
  int error = 0;
  do {
    const int status =
        ::fallocate(descriptor, 0, static_cast<off_t>(first), static_cast<off_t>(last - first));
    error = status == 0 ? 0 : errno;
  } while (error == EINTR);
  ::close(descriptor);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return {.problem = std::strerror(error)};
  }
  return {.reserved = error == 0};
}

Room try_room(const std::string& path, std::uint64_t bytes) {
  const std::string trial = temporary_name(path) + ".room";
  const int descriptor = ::open(trial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return {.problem = std::strerror(errno)};
  const std::vector<char> zeros(bytes, '\0');
  std::uint64_t done = 0;
  int error = 0;
  while (done < bytes && error == 0) {
    const ssize_t put = ::write(descriptor, zeros.data() + done, bytes - done);
    if (put > 0) done += static_cast<std::uint64_t>(put);
    if (put < 0 && errno != EINTR) error = errno;
  }
  if (error == 0 && ::fsync(descriptor) != 0) error = errno;
  if (::close(descriptor) != 0 && error == 0) error = errno;
  ::unlink(trial.c_str());
  return {.problem = error == 0 ? "" : std::strerror(error)};
}

Room room_for(const std::string& path, std::uint64_t bytes) {
  const std::string temporary = temporary_name(path);
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return {.problem = std::strerror(errno)};
  ::close(descriptor);
  Room room = reserve(temporary, 0, bytes);
  discard(path);
  if (room.reserved || !room.problem.empty()) return room;
  std::error_code code;
  const fs::space_info space = fs::space(folder_of(path), code);
  if (!code && space.available < bytes) room.problem = std::strerror(ENOSPC);
  return room;
}

namespace {

/// Open MPI tries out locks with a file beside the one it opens, which a run that is killed leaves.
void remove_lock_trials(const std::string& path) {
  const std::string beginning = fs::path(temporary_name(path)).filename().string() + ".locktest.";
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_of(path), code)) {
    if (!entry.path().filename().string().starts_with(beginning)) continue;
    std::error_code ignored;
    fs::remove(entry.path(), ignored);
  }
}

} // namespace

std::string publish(const std::string& path, bool overwrite) {
  remove_lock_trials(path);
  const std::string temporary = temporary_name(path);
  if (const int error = sync_to_disk(temporary)) {
    discard(path);
    return fmt::format("'{}' cannot be written: {}", path, std::strerror(error));
  }
  std::error_code code;
  if (!overwrite && fs::exists(path, code)) {
    return fmt::format("'{}' has come into being since the start and is kept; the result is '{}'",
                       path, temporary);
  }
  fs::rename(temporary, path, code);
  if (code) {
    return fmt::format("'{}' cannot be written: {}; the result is '{}'", path, code.message(),
                       temporary);
  }
  (void)sync_to_disk(folder_of(path));
  return {};
}

void discard(const std::string& path) {
  ::unlink(temporary_name(path).c_str());
  remove_lock_trials(path);
}

} // namespace komori::io
