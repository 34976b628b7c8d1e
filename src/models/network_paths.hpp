/// Paths through a network by counter-based random numbers: path i is the same whoever samples it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "models/network.hpp"

namespace komori::models {

/// Fills the inputs [count][inputs] of paths [first, first + count). Local; may throw InputError.
using PathInputs =
    std::function<void(std::uint64_t first, std::size_t count, std::span<double> points)>;

/// Samples paths in batches. Local; `network` must outlive it.
class PathSampler {
public:
  /// Different `family` numbers of one seed give independent paths. Inputs are uniform in their
  /// ranges, or those of `given`.
  PathSampler(const Network& network, std::uint64_t seed, std::uint64_t family = 0,
              PathInputs given = {})
      : network_(network), seed_(seed), family_(family), given_(std::move(given)) {}

  /// Inputs of paths [first, first + count): `points` is [count][inputs].
  void inputs(std::uint64_t first, std::size_t count, std::span<double> points) const;
  /// Adds the noise of step n to F_n(X_n) of the same paths, `points` [count][width(n+1)].
  void add_noise(std::size_t n, std::uint64_t first, std::size_t count,
                 std::span<double> points) const;
  /// X_{n+1} of the same paths from their X_n, noise included: `from` is [count][width(n)], `to`
  /// [count][width(n+1)].
  void step(std::size_t n, std::uint64_t first, std::size_t count, std::span<const double> from,
            std::span<double> to) const;

private:
  const Network& network_;
  std::uint64_t seed_;
  std::uint64_t family_;
  PathInputs given_;
};

/// Paths of one batch: so many that points of the widest layer stay in a cache. Local.
std::size_t batch_of(const Network& network);

} // namespace komori::models
