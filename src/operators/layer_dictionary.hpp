/// Operators between layers of any width on dictionaries of functions, from sampled paths.
///
/// The functions of layer n span a space with the inner product <f, g> = E[f(X_n) g(X_n)] over the
/// network's own paths, inputs uniform in their ranges or those of data. Gram matrices of all
/// layers come from one pass over the paths; each space is made orthonormal, so that M(n,n+1) is a
/// small matrix there. (Extended dynamic mode decomposition between different spaces: Williams,
/// Kevrekidis and Rowley, J. Nonlinear Sci. 25, 2015.)
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "base/session.hpp"
#include "config/declaration.hpp"
#include "io/checkpoints.hpp"
#include "models/network.hpp"
#include "models/network_paths.hpp"
#include "operators/layer_chain.hpp"

namespace komori::operators {

/// `dictionary` as written.
struct LayerDictionaryInput {
  std::int64_t degree = 1;
  std::int64_t outputs = 1;
  std::int64_t features = 0;
  std::int64_t samples = 100'000;
  std::int64_t seed = 1;
  double cut = 1e-10;
};
void declare(config::Declarer& declarer, LayerDictionaryInput& input);

/// The functions of one layer: 1, powers of what the rest of the network makes of x without noise
/// (all outputs first, then their squares, ...), Legendre polynomials of single neurons, and tanh
/// of random combinations of neurons. Local.
class LayerDictionary {
public:
  LayerDictionary(const models::Network& network, std::size_t n,
                  const std::vector<models::Interval>& range, const LayerDictionaryInput& input);

  std::size_t size() const noexcept { return size_; }
  std::size_t width() const { return network_.width(n_); }
  /// `points` is [count][width], `values` [count][size].
  void evaluate(std::size_t count, std::span<const double> points, std::span<double> values) const {
    evaluate(count, points, {}, values);
  }
  /// The same where F_n(points) is known, [count][width of layer n+1]; empty: it is not.
  void evaluate(std::size_t count, std::span<const double> points, std::span<const double> images,
                std::span<double> values) const;
  /// The neuron that function i depends on alone; -1 for the constant, -2 where on all.
  std::int64_t neuron(std::size_t i) const;
  /// Whether function i is the constant, or of degree 1 in one neuron.
  bool linear(std::size_t i) const;

private:
  const models::Network& network_;
  std::size_t n_;
  std::vector<models::Interval> range_;
  std::size_t degree_;
  std::size_t powers_;
  std::vector<double> output_centre_;
  std::vector<double> output_scale_;
  std::vector<double> feature_weights_; ///< [features][width]
  std::vector<double> feature_biases_;
  std::size_t size_ = 1;
};

/// A function of whole paths that is wanted on a layer: its best approximation is kept.
struct PathFunction {
  int layer = 0;
  std::function<double(std::span<const double>)> value; ///< of X_layer
  std::string name{};                                   ///< for messages
};

/// The chain of operators on orthonormal functions. `weights` of the chain are 1.
struct SampledChain {
  LayerChain chain{};
  std::vector<LayerDictionary> dictionaries{};
  /// Per layer: orthonormal functions as combinations of the dictionary's, [size][rank].
  std::vector<Eigen::MatrixXd> combine{};
  /// The dictionary's functions by the orthonormal ones, [rank][size].
  std::vector<Eigen::MatrixXd> expand{};
  /// Coefficients of the path functions on their layers, and E[f^2] that the layer misses.
  std::vector<base::UniqueVec> functions{};
  std::vector<double> missed{};
  std::int64_t samples = 0;
};

/// Chains from the first counts[0], counts[1], ... paths of the input's seed, ascending, in one
/// pass of all ranks that saves its state in `checkpoints`; inputs are uniform in their ranges, or
/// `given`. Throws InputError where a value on the way is not finite. Collective.
std::vector<SampledChain> sample_chains(base::Session& session, const models::Network& network,
                                        const LayerDictionaryInput& input,
                                        const std::vector<std::int64_t>& counts,
                                        const std::vector<PathFunction>& functions,
                                        const models::PathInputs& given = {},
                                        io::Checkpoints* checkpoints = nullptr);

/// The vector of coefficients of a combination of dictionary functions [size]. Collective.
base::UniqueVec coefficients(const SampledChain& sampled, int n, const Eigen::VectorXd& values);

/// A function of layer n as a combination of its dictionary [size], on every rank. Collective.
Eigen::VectorXd dictionary_weights(const SampledChain& sampled, int n, Vec function);

/// The values of a function of layer n at `count` points [count][width], on every rank. Collective.
std::vector<double> values_at(const SampledChain& sampled, int n, Vec function,
                              std::span<const double> points);

} // namespace komori::operators
