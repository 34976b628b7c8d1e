#include "models/network_paths.hpp"

namespace komori::models {
namespace {

/// Streams of one family: inputs, then the noise of every step.
base::Random stream(std::uint64_t seed, std::uint64_t family, std::uint64_t step) {
  constexpr int bits = 32;
  return base::Random(seed, (family << bits) + step);
}

} // namespace

void PathSampler::inputs(std::uint64_t first, std::size_t count, std::span<double> points) const {
  if (given_) {
    given_(first, count, points);
    return;
  }
  const base::Random random = stream(seed_, family_, 0);
  const std::size_t width = network_.input.size();
  for (std::size_t p = 0; p < count; ++p) {
    for (std::size_t j = 0; j < width; ++j) {
      const Interval range = network_.input[j].range;
      const double u = random.uniform((first + p) * width + j);
      points[p * width + j] = range.from + (range.to - range.from) * u;
    }
  }
}

void PathSampler::step(std::size_t n, std::uint64_t first, std::size_t count,
                       std::span<const double> from, std::span<double> to) const {
  const NetworkLayer& layer = network_.layers[n];
  propagate(layer, count, from, to);
  if (!layer.noisy()) return;
  const base::Random random = stream(seed_, family_, n + 1);
  for (std::size_t p = 0; p < count; ++p) {
    for (std::size_t i = 0; i < layer.neurons; ++i) {
      to[p * layer.neurons + i] +=
          layer.noise_at(i).sample(random, (first + p) * layer.neurons + i);
    }
  }
}

} // namespace komori::models
