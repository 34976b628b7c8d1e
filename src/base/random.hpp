/// Counter-based random numbers: a number depends on its key and index alone, never on who asks.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace komori::base {

/// A family of random numbers named by a seed and a stream (Philox 2x64-10; Salmon et al., SC11).
class Random {
public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  /// Number `index` of the family, uniform in (0, 1).
  double uniform(std::uint64_t index) const;
  /// Numbers [first, first + count) of another family of the same name, uniform in (0, 1): two from
  /// each evaluation, for many at once. A stream serves either this or the functions around it.
  void uniforms(std::uint64_t first, std::span<double> values) const;
  /// Number `index`, standard normal (Box-Muller).
  double normal(std::uint64_t index) const;

private:
  std::array<std::uint64_t, 2> bits(std::uint64_t index) const;
  std::uint64_t seed_;
  std::uint64_t stream_;
};

} // namespace komori::base
