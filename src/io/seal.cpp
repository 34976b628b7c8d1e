#include "io/seal.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/collective.hpp"

namespace komori::io {
namespace {

constexpr std::string_view magic = "komori checkpoint";
constexpr int format_version = 1;

/// A 64-bit mixer in which every input bit reaches every output bit (Stafford's variant 13).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

/// Sum over 8-byte words, from `first` on, of a mix of word and place: an order-free checksum, so
/// that ranks add up their shares.
std::uint64_t sum_of(const std::vector<unsigned char>& bytes, std::uint64_t first) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
    sum += mix(word ^ mix(first + i + 1));
  }
  return sum;
}

/// Checksum of everything behind the seal; `problem` says why it could not be read. Collective.
std::uint64_t checksum(MPI_Comm comm, const std::string& path, std::uint64_t size,
                       std::string& problem) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const std::uint64_t words = (size - seal_bytes + 7) / 8;
  const auto share = [&](int r) {
    return seal_bytes +
           8 * (words * static_cast<std::uint64_t>(r) / static_cast<std::uint64_t>(ranks));
  };
  std::uint64_t position = share(rank);
  const std::uint64_t end = std::min<std::uint64_t>(share(rank + 1), size);
  std::uint64_t sum = 0;
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  std::vector<unsigned char> buffer;
  while (descriptor >= 0 && position < end) {
    constexpr std::uint64_t piece = 1U << 22U;
    buffer.resize(std::min(piece, end - position));
    std::size_t filled = 0;
    while (filled < buffer.size()) {
      const ssize_t got = ::pread(descriptor, buffer.data() + filled, buffer.size() - filled,
                                  static_cast<off_t>(position + filled));
      if (got <= 0) break;
      filled += static_cast<std::size_t>(got);
    }
    if (filled < buffer.size()) {
      problem = "it cannot be read to its end";
      break;
    }
    sum += sum_of(buffer, position);
    position += buffer.size();
  }
  if (descriptor < 0) problem = std::strerror(errno);
  if (descriptor >= 0) ::close(descriptor);
  problem = base::first_text(comm, problem);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, comm);
  return sum;
}

std::string seal_text(std::uint64_t size, std::uint64_t sum) {
  return fmt::format("{} {}\nsize {}\nsum {:016x}\n", magic, format_version, size, sum);
}

std::string write_head(const std::string& path, const std::string& text) {
  std::array<char, seal_bytes> block{};
  text.copy(block.data(), block.size() - 1);
  const int descriptor = ::open(path.c_str(), O_WRONLY);
  if (descriptor < 0) return std::strerror(errno);
  const bool written = ::pwrite(descriptor, block.data(), block.size(), 0) == seal_bytes;
  const std::string problem = written ? "" : std::strerror(errno);
  ::close(descriptor);
  return problem;
}

/// The seal as it stands in the file, or what is wrong with it.
std::string read_head(const std::string& path, std::string& problem) {
  std::array<char, seal_bytes> block{};
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  if (descriptor < 0) {
    problem = std::strerror(errno);
    return {};
  }
  const ssize_t got = ::pread(descriptor, block.data(), block.size(), 0);
  ::close(descriptor);
  std::string head(block.data(), strnlen(block.data(), block.size()));
  if (got == 0)
    problem = "it is empty";
  else if (got < seal_bytes)
    problem = "it is truncated";
  else if (!head.starts_with(magic))
    problem = "it is not a komori checkpoint";
  return head;
}

std::uint64_t file_size(const std::string& path) {
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  return code ? 0 : static_cast<std::uint64_t>(size);
}

} // namespace

void write_seal(MPI_Comm comm, const std::string& path) {
  const std::uint64_t size =
      std::stoull(base::on_first_rank(comm, [&] { return std::to_string(file_size(path)); }));
  std::string problem;
  const std::uint64_t sum = checksum(comm, path, size, problem);
  if (problem.empty()) {
    problem = base::on_first_rank(comm, [&] { return write_head(path, seal_text(size, sum)); });
  }
  if (!problem.empty()) throw std::runtime_error(fmt::format("'{}': {}", path, problem));
}

std::string check_seal(MPI_Comm comm, const std::string& path) {
  // Rank 0 looks at the head; "size head" or a problem comes back to all.
  std::string found;
  const std::string problem = base::on_first_rank(comm, [&] {
    std::string trouble;
    found = read_head(path, trouble);
    return trouble;
  });
  if (!problem.empty()) return problem;
  found = base::broadcast(comm, found);
  const std::uint64_t size =
      std::stoull(base::on_first_rank(comm, [&] { return std::to_string(file_size(path)); }));
  const std::string version = fmt::format("{} {}\n", magic, format_version);
  if (!found.starts_with(version)) {
    return fmt::format("it was written in another format version ('{}', this is version {})",
                       found.substr(0, std::min(found.find('\n'), std::size_t{60})),
                       format_version);
  }
  if (!found.starts_with(fmt::format("{}size {}\n", version, size))) {
    return "its size is not what it was when it was written; it is truncated or damaged";
  }
  std::string trouble;
  const std::uint64_t sum = checksum(comm, path, size, trouble);
  if (!trouble.empty()) return trouble;
  return found == seal_text(size, sum) ? "" : "its checksum is wrong; it is damaged";
}

} // namespace komori::io
