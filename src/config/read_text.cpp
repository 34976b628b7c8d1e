#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/nearest.hpp"
#include "config/node.hpp"
#include "config/wording.hpp"

namespace komori::config {

namespace {

namespace fs = std::filesystem;

/// " Did you mean 'inputs/double_well.yaml'?" from what lies in the folder of an absent file.
std::string near_file(const fs::path& path) {
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<std::string> names;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator() && names.size() < 10'000;
       entry.increment(error))
    if (entry->is_regular_file(error)) names.push_back(entry->path().filename().string());
  std::sort(names.begin(), names.end());
  const auto near = nearest(path.filename().string(), names);
  return near ? " Did you mean " + in_quotes((path.parent_path() / *near).string(), 200) + "?" : "";
}

/// The first byte that is not part of UTF-8 text, or npos. Control characters are not text either.
std::size_t first_bad_byte(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char c = byte(i);
    const bool blank = c == '\t' || c == '\n' || c == '\r';
    if ((c < 0x20 && !blank) || c == 0x7f) return i;
    const std::size_t length = c < 0x80                ? 1
                               : c >= 0xC2 && c < 0xE0 ? 2
                               : (c & 0xF0) == 0xE0    ? 3
                               : c >= 0xF0 && c < 0xF5 ? 4
                                                       : 0;
    if (length == 0 || i + length > text.size()) return i;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    // Overlong forms, surrogates and code points above U+10FFFF.
    if ((c == 0xE0 && byte(i + 1) < 0xA0) || (c == 0xED && byte(i + 1) >= 0xA0) ||
        (c == 0xF0 && byte(i + 1) < 0x90) || (c == 0xF4 && byte(i + 1) >= 0x90))
      return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string read_local(const std::string& path) {
  const std::string name = in_quotes(path, 400);
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw base::InputError("cannot read " + name + ": it is a folder");
  errno = 0;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) {
    const int reason = errno;
    throw base::InputError("cannot read " + name + ": " + std::strerror(reason) +
                           (reason == ENOENT ? "." + near_file(path) : ""));
  }
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, count);
    if (text.size() > Limits::file_bytes)
      throw base::InputError(fmt::format("cannot read {}: larger than {} MiB; is it an input file?",
                                         name, Limits::file_bytes >> 20));
  }
  if (std::ferror(file.get()))
    throw base::InputError("cannot read " + name + ": " + std::strerror(errno));
  const std::size_t bad = first_bad_byte(text);
  if (bad != std::string::npos)
    throw base::InputError(fmt::format(
        "{}:{}: byte 0x{:02x} is not UTF-8 text; is it an input file?", path,
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n'),
        static_cast<unsigned>(static_cast<unsigned char>(text[bad]))));
  return text;
}

} // namespace

std::string read_text(MPI_Comm comm, const std::string& path) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  std::string text;
  std::int64_t head[2] = {0, 0}; // failed, length
  if (rank == 0) {
    // Whatever happens here must reach the other ranks, which wait in the broadcast.
    try {
      text = read_local(path);
    } catch (const std::exception& error) {
      text = error.what();
      head[0] = 1;
    }
    head[1] = static_cast<std::int64_t>(text.size());
  }
  MPI_Bcast(head, 2, MPI_INT64_T, 0, comm);
  text.resize(static_cast<std::size_t>(head[1]));
  MPI_Bcast(text.data(), static_cast<int>(text.size()), MPI_CHAR, 0, comm);
  if (head[0]) throw base::InputError(text);
  return text;
}

} // namespace komori::config
