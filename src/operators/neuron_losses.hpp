/// What functions of the inputs lose where those of a layer may not depend on one of its neurons.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "operators/layer_dictionary.hpp"

namespace komori::operators {

/// The projection of layer n on some functions of its dictionary, made orthonormal; those that
/// depend on the ones before to `cut` of their norm are left out. Collective.
std::unique_ptr<LayerProjection> project_on(const SampledChain& sampled, int n,
                                            const std::vector<Eigen::Index>& functions, double cut);

/// For every neuron of layer n: of each of `functions` of that layer, the part that functions of
/// single neurons resolve but not without this one, carried to the inputs by M(0,n); the norm of
/// all of them together. Neurons are dealt out to the ranks, the numbers are the same on all.
/// `look(share)` is called as often on every rank, with the share that is done. Collective.
std::vector<double> neuron_losses(const SampledChain& sampled, int n,
                                  const std::vector<Vec>& functions, double cut,
                                  const std::function<void(double share)>& look);

} // namespace komori::operators
