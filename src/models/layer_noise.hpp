/// The noise of one neuron: a displacement z added to its value, with the density rho.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "config/declaration.hpp"

namespace komori::models {

enum class NoiseKind { none, uniform, gaussian, truncated_gaussian };

/// The distribution of z. Immutable, local; no function allocates.
class NeuronNoise {
public:
  /// No noise: z = 0.
  NeuronNoise() = default;
  /// Uniform in [-half_width, half_width], half_width > 0.
  static NeuronNoise uniform(double half_width);
  /// Normal with standard deviation sigma > 0. Ranges are cut at `reach` of them.
  static NeuronNoise gaussian(double sigma, double reach);
  /// Normal with sigma, under the condition |z| <= half_width.
  static NeuronNoise truncated_gaussian(double sigma, double half_width);

  NoiseKind kind() const noexcept { return kind_; }
  bool none() const noexcept { return kind_ == NoiseKind::none; }
  /// What z reaches to both sides: half width, or where ranges are cut.
  double reach() const noexcept { return reach_; }
  double sigma() const noexcept { return sigma_; }
  /// P(|z| > reach()): what a range misses. 0 but for a Gaussian.
  double lost() const noexcept;
  /// rho(z); 0 outside the support. Meaningless without noise.
  double density(double z) const noexcept;
  /// P(a < z <= b) for a <= b, to full relative accuracy in both tails.
  double probability(double a, double b) const noexcept;
  /// The integral of rho(z)^2 over all z; infinite without noise.
  double squared_density() const noexcept;
  /// E[z^2].
  double variance() const noexcept;
  /// Number `index` of a family as a displacement.
  double sample(const base::Random& random, std::uint64_t index) const;

private:
  NoiseKind kind_ = NoiseKind::none;
  double sigma_ = 0;
  double reach_ = 0;
  double mass_ = 1; ///< of the normal distribution within the support
};

/// `noise` of a layer as written: one number for all its neurons, or one per neuron.
struct LayerNoiseInput {
  std::string kind{};
  std::vector<double> half_width{};
  std::vector<double> sigma{};
  double reach = 8;
  config::Origin origin{};
};
void declare(config::Declarer& declarer, LayerNoiseInput& input);

/// The noise of `neurons` neurons: one entry for all that are alike, or one each. `name` is the key
/// of the section for messages. Throws InputError where the number of values does not fit. Local.
std::vector<NeuronNoise> make_layer_noise(const LayerNoiseInput& input, const std::string& name,
                                          std::size_t neurons);

} // namespace komori::models
