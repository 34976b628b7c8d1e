/// Feed-forward networks with noise: X_{n+1} = F_n(X_n) + xi_n, n = 0 .. L-1.
///
/// Layer n of the state is X_n: X_0 are the inputs, X_L the outputs. `layers[n]` is the step that
/// takes X_n to X_{n+1}: F_n(x) = act(W x + b), plus x itself where the layer is residual. A skip
/// over several layers is written as neurons of identity activation that carry what is added later.
/// All functions are local.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/formula.hpp"
#include "models/layer_noise.hpp"

namespace komori::models {

enum class Activation { identity, tanh, relu, leaky_relu, sigmoid, softplus, gelu, erf };

/// The words of input files, in the order of the enumeration: "identity", "tanh", ...
const config::Words& activation_words();
/// The activation of a word; throws InputError that lists the words.
Activation activation_of(const std::string& word);
/// `slope` is that of leaky_relu for z < 0. gelu is z Phi(z) with the normal distribution's Phi.
double activate(Activation activation, double slope, double z) noexcept;

/// A closed interval of one neuron's values.
struct Interval {
  double from = 0;
  double to = 0;
};

struct InputVariable {
  std::string name;
  Interval range;
};

/// One step of a network.
struct NetworkLayer {
  std::string name{};           ///< for messages: "model.layers[1]", "2.weight of net.h5"
  std::size_t neurons = 0;      ///< of X_{n+1}: rows of the weight
  std::size_t inputs = 0;       ///< of X_n: columns of the weight
  std::vector<double> weight{}; ///< [neurons][inputs], row by row
  std::vector<double> bias{};   ///< [neurons]
  std::vector<Activation> activation{Activation::identity}; ///< one for all neurons, or one each
  /// A function of z in place of all activations; null: there is none.
  std::shared_ptr<const config::Formula> formula{};
  double slope = 0.01;                  ///< of leaky_relu for negative arguments
  bool residual = false;                ///< whether x is added after the activation
  std::vector<NeuronNoise> noise{{}};   ///< one for all neurons, or one each
  std::vector<std::string> variables{}; ///< names of the neurons; empty: x<n>_<i>

  Activation activation_at(std::size_t i) const {
    return activation[activation.size() == 1 ? 0 : i];
  }
  const NeuronNoise& noise_at(std::size_t i) const { return noise[noise.size() == 1 ? 0 : i]; }
  bool noisy() const;
};

struct Network {
  std::vector<InputVariable> input{};
  std::vector<NetworkLayer> layers{};

  std::size_t depth() const noexcept { return layers.size(); }
  /// The width of X_n, 0 <= n <= depth().
  std::size_t width(std::size_t n) const { return n == 0 ? input.size() : layers[n - 1].neurons; }
  /// The names of the variables of X_n.
  std::vector<std::string> variables(std::size_t n) const;
};

/// Throws InputError where shapes do not fit (naming the pair of layers), a number is not finite, a
/// range is empty, or there are more than `most_neurons` neurons in a layer. Every network is to
/// pass here once, wherever it comes from.
void validate(const Network& network);
inline constexpr std::size_t most_neurons = 1'000'000;

/// F_n at one point, without noise: `x` of layer.inputs numbers, `y` of layer.neurons.
void propagate(const NetworkLayer& layer, std::span<const double> x, std::span<double> y);
/// F_n at `count` points: `points` is [count][inputs], `images` [count][neurons].
void propagate(const NetworkLayer& layer, std::size_t count, std::span<const double> points,
               std::span<double> images);

/// Where neuron i of F_n(x) lies for x in a box, without noise: interval bounds.
Interval image_range(const NetworkLayer& layer, std::size_t i, std::span<const Interval> box);
/// Where X_{n+1} lies for X_n in a box: interval bounds of F_n, and the reach of the noise.
std::vector<Interval> layer_range(const NetworkLayer& layer, std::span<const Interval> box);
/// Of X_0 .. X_L.
std::vector<std::vector<Interval>> ranges(const Network& network);
/// The smallest box that `layer` (as many neurons as inputs) maps into itself, found by iterating
/// `layer_range` from `box` until it stays. Throws InputError where it grows without end.
std::vector<Interval> invariant_range(const NetworkLayer& layer, std::vector<Interval> box);

/// A layer of `model.layers` as written.
struct NetworkLayerInput {
  std::vector<std::vector<double>> weight{};
  std::vector<double> bias{};
  std::vector<std::string> activation{"identity"};
  config::FormulaText formula{};
  double slope = 0.01;
  bool residual = false;
  std::optional<LayerNoiseInput> noise{};
  std::vector<std::string> variables{};
  std::int64_t repeat = 1;
  config::Origin origin{};
};
void declare(config::Declarer& declarer, NetworkLayerInput& input);

/// `model` of kind network as written.
struct NetworkInput {
  std::vector<std::pair<std::string, std::vector<double>>> input{};
  std::vector<double> input_range{};
  std::vector<NetworkLayerInput> layers{};
  std::string file{};                     ///< in place of layers
  std::string group = "/";                ///< of an HDF5 file: where the weights lie
  std::vector<std::string> activations{}; ///< of an HDF5 file
  std::vector<std::string> order{};       ///< likewise: its layers from the first to the last
  double slope = 0.01;                    ///< likewise
  std::vector<LayerNoiseInput> noises{};  ///< of a file, one per layer; empty: `noise` for all
  std::optional<LayerNoiseInput> noise{}; ///< of layers that have none of their own
  config::Origin origin{};
};
/// All keys but `kind`.
void declare_keys(config::Declarer& declarer, NetworkInput& input);

/// The network of the layers written in the input, validated. Throws InputError.
Network make_network(const NetworkInput& input);

/// The steps that follow from the inline layers (`repeat` carried out), without inputs.
std::vector<NetworkLayer> inline_layers(const NetworkInput& input);
/// The network of `layers` from any source, with the inputs of `input`; validated. A source without
/// noise of its own gives its layers `make_layer_noise` of `input.noise` first. Throws InputError.
Network complete(const NetworkInput& input, std::vector<NetworkLayer> layers);

} // namespace komori::models
