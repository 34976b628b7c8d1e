/// Elementary functions of many numbers at once. Local.
///
/// Where the C library has vector versions (glibc on x86-64), they are used with the widest
/// vectors of the machine; they differ from the scalar functions by at most 4 units in the last
/// place and treat nan, infinities and overflow alike. Elsewhere the scalar functions are called.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace komori::base {

/// Numbers are worked on in groups of this many; no array's length is anything but a multiple.
inline constexpr std::size_t group_size = 8;

/// `count` rounded up to whole groups.
constexpr std::size_t padded(std::size_t count) noexcept {
  return (count + group_size - 1) / group_size * group_size;
}

/// An array of padded length, zero at first, that vector instructions load at once.
class LaneArray {
public:
  LaneArray() = default;
  explicit LaneArray(std::size_t count, double value = 0) : groups_(padded(count) / group_size) {
    for (Group& group : groups_) group.values.fill(value);
  }
  std::size_t size() const noexcept { return groups_.size() * group_size; }
  double* data() noexcept { return groups_.empty() ? nullptr : groups_.front().values.data(); }
  const double* data() const noexcept {
    return groups_.empty() ? nullptr : groups_.front().values.data();
  }

private:
  struct alignas(group_size * sizeof(double)) Group {
    std::array<double, group_size> values;
  };
  std::vector<Group> groups_;
};

enum class Elementary {
  acos,
  acosh,
  asin,
  asinh,
  atan,
  atan2,
  atanh,
  cbrt,
  ceil,
  cos,
  cosh,
  erf,
  erfc,
  exp,
  expm1,
  floor,
  hypot,
  log,
  log10,
  log2,
  pow,
  rint,
  sin,
  sinh,
  sqrt,
  tan,
  tanh,
  trunc
};

/// to[i] = f(a[i]), or f(a[i], b[i]), for i < count, a multiple of `group_size`. Arrays are aligned
/// as `LaneArray` does and `to` is none of the others. A value depends on its arguments alone, not
/// on its place, nor on the other values.
void apply(Elementary f, const double* a, const double* b, double* to, std::size_t count);
inline void apply(Elementary f, const double* a, double* to, std::size_t count) {
  apply(f, a, nullptr, to, count);
}

} // namespace komori::base
