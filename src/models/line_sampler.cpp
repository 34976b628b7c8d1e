#include "models/line_sampler.hpp"

#include <algorithm>

namespace komori::models {
namespace {

/// Longer lines are cut, so that values between operations stay in the cache.
constexpr std::size_t longest_chunk = 1024;

} // namespace

LineSampler::LineSampler(const Sde& sde, Sde::Quantity quantity, int k, std::size_t longest)
    : squared_(quantity == Sde::Quantity::diffusion && sde.from_noise_),
      chunk_(std::clamp<std::size_t>(longest, 1, longest_chunk)), tensor_([&] {
        const auto a = static_cast<std::size_t>(k);
        const config::Formula& formula = quantity == Sde::Quantity::potential ? *sde.potential_
                                         : quantity == Sde::Quantity::drift   ? sde.drift_[a]
                                                                              : sde.diffusion_[a];
        std::vector<std::size_t> counts(sde.variables_.size(), 1);
        counts.back() = chunk_;
        return config::TensorFormulas({formula.text()}, sde.variables_, sde.parameters_,
                                      std::move(counts));
      }()),
      place_(sde.variables_.size() - 1) {
  for (std::size_t v = 0; v < place_.size(); ++v) tensor_.places(v)[0] = place_[v];
}

void LineSampler::sample(std::span<const double> point, std::span<const double> places,
                         double* values) {
  for (std::size_t v = 0; v < place_.size(); ++v) {
    if (place_[v] == point[v]) continue;
    place_[v] = point[v];
    tensor_.places(v)[0] = point[v];
  }
  for (std::size_t start = 0; start < places.size(); start += chunk_) {
    const std::size_t count = std::min(chunk_, places.size() - start);
    const std::span<const double> wanted = places.subspan(start, count);
    if (!std::equal(wanted.begin(), wanted.end(), tensor_.last_places().begin())) {
      const std::span<double> to = tensor_.places(place_.size());
      std::copy(wanted.begin(), wanted.end(), to.begin());
      std::fill(to.begin() + static_cast<std::ptrdiff_t>(count), to.end(), wanted.back());
    }
    tensor_.evaluate();
    const double* const from = tensor_.values(0).data();
    double* const to = values + start;
    if (squared_) {
      for (std::size_t i = 0; i < count; ++i) to[i] = 0.5 * from[i] * from[i];
    } else {
      std::copy_n(from, count, to);
    }
  }
}

} // namespace komori::models
