#include "models/network_paths.hpp"

#include <algorithm>

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
  random.uniforms(first * width, points.first(count * width));
  for (std::size_t p = 0; p < count; ++p) {
    for (std::size_t j = 0; j < width; ++j) {
      const Interval range = network_.input[j].range;
      double& x = points[p * width + j];
      x = range.from + (range.to - range.from) * x;
    }
  }
}

void PathSampler::step(std::size_t n, std::uint64_t first, std::size_t count,
                       std::span<const double> from, std::span<double> to) const {
  propagate(network_.layers[n], count, from, to);
  add_noise(n, first, count, to);
}

void PathSampler::add_noise(std::size_t n, std::uint64_t first, std::size_t count,
                            std::span<double> points) const {
  const NetworkLayer& layer = network_.layers[n];
  if (!layer.noisy()) return;
  const base::Random random = stream(seed_, family_, n + 1);
  for (std::size_t p = 0; p < count; ++p) {
    for (std::size_t i = 0; i < layer.neurons; ++i) {
      points[p * layer.neurons + i] +=
          layer.noise_at(i).sample(random, (first + p) * layer.neurons + i);
    }
  }
}

std::size_t batch_of(const Network& network) {
  constexpr std::size_t numbers = std::size_t{1} << 15; // a quarter of a MiB
  std::size_t widest = 1;
  for (std::size_t n = 0; n <= network.depth(); ++n) widest = std::max(widest, network.width(n));
  return std::clamp<std::size_t>(numbers / widest, 32, 512);
}

} // namespace komori::models
