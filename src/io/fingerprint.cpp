#include "io/fingerprint.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

namespace komori::io {
namespace {

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
  return bits ^ (bits >> 31);
}

/// Of values that follow one another in the array, the first at place `index`.
std::uint64_t run_fingerprint(std::span<const double> run, std::uint64_t index) {
  std::uint64_t sum = 0;
  for (const double value : run) {
    sum += mixed(std::bit_cast<std::uint64_t>(value) ^ mixed(++index));
  }
  return sum;
}

/// A file open for reading.
class Descriptor {
public:
  explicit Descriptor(const std::string& path) : id_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (id_ < 0) throw std::runtime_error(std::strerror(errno));
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(id_); }

  void read(char* to, std::size_t size, std::uint64_t offset) const {
    while (size > 0) {
      const ssize_t got = ::pread(id_, to, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw std::runtime_error(std::strerror(errno));
      if (got == 0) throw std::runtime_error("the file ends early");
      to += got;
      size -= static_cast<std::size_t>(got);
      offset += static_cast<std::uint64_t>(got);
    }
  }

private:
  int id_;
};

} // namespace

std::uint64_t fingerprint(std::span<const double> block, const std::vector<hsize_t>& shape,
                          const std::vector<hsize_t>& start, const std::vector<hsize_t>& count) {
  if (block.empty()) return 0;
  if (shape.empty()) return run_fingerprint(block, 0);
  const std::size_t last = shape.size() - 1;
  std::vector<hsize_t> cell(shape.size(), 0);
  std::uint64_t sum = 0;
  for (std::size_t done = 0; done < block.size(); done += count[last]) {
    std::uint64_t index = 0;
    for (std::size_t k = 0; k <= last; ++k) index = index * shape[k] + start[k] + cell[k];
    sum += run_fingerprint(block.subspan(done, count[last]), index);
    for (std::size_t k = last; k-- > 0;) {
      if (++cell[k] < count[k]) break;
      cell[k] = 0;
    }
  }
  return sum;
}

std::uint64_t stored_fingerprint(const std::string& path, std::uint64_t offset, hsize_t first,
                                 hsize_t last) {
  if (first >= last) return 0;
  constexpr hsize_t at_once = hsize_t{1} << 20;
  const Descriptor file(path);
  std::vector<double> values(std::min(at_once, last - first));
  std::uint64_t sum = 0;
  while (first < last) {
    const hsize_t count = std::min(at_once, last - first);
    file.read(reinterpret_cast<char*>(values.data()), count * sizeof(double),
              offset + first * sizeof(double));
    sum += run_fingerprint({values.data(), count}, first);
    first += count;
  }
  return sum;
}

} // namespace komori::io
