/// Networks with parts taken out, and how far they then are from the whole one.
#pragma once

#include <vector>

#include <Eigen/Core>

#include "analyses/network_problem.hpp"
#include "config/formula.hpp"
#include "models/network.hpp"

namespace komori::analyses {

/// Whether layer n, 0 < n < depth, is added to by a residual step or carried past one: then neither
/// it nor its neurons can go.
bool residual_around(const models::Network& network, std::size_t n);
/// Weights and biases of a network.
double weights_of(const models::Network& network);

/// Paths of the network that parts are fitted on: the same on every rank, some thousands of its
/// inputs (the rows of data that are not held out, where it is fed with data). Distances are
/// collective: each rank has some of the paths, and the numbers do not depend on how many ranks
/// there are. All else is local but for the constructor, which throws InputError where a file
/// cannot be read.
class PrunedPaths {
public:
  PrunedPaths(const LayerProblem& problem, const NetworkStudyInput& input);

  /// What all candidates of one layer share.
  struct Layer {
    std::size_t n = 0;
    std::size_t width = 0;
    /// Of the neurons with noise on all paths and a column of ones, the triangular factor: it has
    /// their inner products, on few rows.
    Eigen::MatrixXd factor{};
    std::vector<double> clean{}; ///< X_n without noise on this rank's paths, [own][width]
  };
  /// Layer n of `network`, which may be pruned already.
  Layer layer(const models::Network& network, std::size_t n) const;
  /// Neuron i of a layer as an affine function of the others of its layer: the best one on paths,
  /// [1][others + 1].
  static Eigen::MatrixXd neuron_fit(const Layer& layer, std::size_t i);
  /// The network with the neuron replaced by its fit, taken up by the weights of the layer after.
  static models::Network without_neuron(const models::Network& network, std::size_t n,
                                        std::size_t i, const Eigen::MatrixXd& fit);
  /// What `distance` of that network cannot exceed, for any inputs in their ranges and any noise
  /// that is the same in both: how far the fit can be from the neuron by the ranges of its layer,
  /// carried to the outputs by the moduli of the weights and the largest slopes of the activations.
  /// Infinite where an observable or a formula in place of an activation says nothing of slopes.
  double bound_without_neuron(const models::Network& network, std::size_t n, std::size_t i,
                              const Eigen::MatrixXd& fit) const;
  /// What no probability of the outputs given the inputs can change by in that network, wherever
  /// these lie in their ranges: what the fit can be off, carried to a later layer where noise
  /// covers it, and the total variation between the noise there and the noise shifted by it, at
  /// the layer where that is least; layers after it cannot tell laws farther apart. Times
  /// sup u - inf u it bounds the change of E[u | X_0] of any observable. 1: there is no bound.
  static double law_bound_without_neuron(const models::Network& network, std::size_t n,
                                         std::size_t i, const Eigen::MatrixXd& fit);
  /// With the whole layer n replaced by an affine function of the layer before.
  models::Network without_layer(const models::Network& network, std::size_t n) const;
  /// Root mean square over the inputs of the change, without noise, of what the reduction keeps,
  /// over the root mean square of that itself. Collective.
  double distance(const models::Network& smaller) const;
  /// The same of `smaller`, which is the network of `layer` without neuron i. Collective.
  double distance_without(const Layer& layer, std::size_t i, const models::Network& smaller) const;

private:
  /// X_n of all paths with noise, [count][width].
  std::vector<double> states(const models::Network& network, std::size_t n) const;
  std::vector<double> own_inputs() const;
  /// X_to of this rank's paths from their X_from, without noise.
  std::vector<double> advanced(const models::Network& network, std::size_t from, std::size_t to,
                               std::vector<double> x) const;
  std::vector<double> kept(const models::Network& network) const;
  /// What the reduction keeps of this rank's paths, from X_n without noise.
  std::vector<double> kept_from(const models::Network& network, std::size_t n,
                                std::vector<double> x) const;
  double distance_of(const std::vector<double>& other) const;
  /// Of values of this rank's paths, as many for each, the sum over all paths. Collective.
  double summed(const std::vector<double>& values) const;

  std::optional<config::Formula> formula_; ///< of the observable; none: all outputs are kept
  MPI_Comm comm_;
  std::size_t count_ = 0; ///< paths; this rank has [first_, last_)
  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::vector<double> inputs_; ///< of all paths
  std::vector<double> whole_;  ///< what is kept of this rank's paths
  double scale_ = 0;
};

} // namespace komori::analyses
