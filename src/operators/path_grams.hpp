/// Gram matrices of the dictionaries of all layers, from one pass over paths of a network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "base/session.hpp"
#include "io/checkpoints.hpp"
#include "operators/layer_dictionary.hpp"

namespace komori::operators {

/// Means over paths of products of functions.
struct PathGrams {
  std::int64_t paths = 0;
  std::vector<Eigen::MatrixXd> same{}; ///< per layer, [size][size]; only the lower half is filled
  std::vector<Eigen::MatrixXd> next{}; ///< per step, [size of n][size of n+1]
  Eigen::MatrixXd functions{};         ///< [largest size][path functions]
  Eigen::MatrixXd squares{};           ///< [1][path functions]
};

/// What is sampled. The dictionaries are those of the network's layers; all must outlive the pass.
struct PathPass {
  const models::Network& network;
  const std::vector<LayerDictionary>& dictionaries;
  const std::vector<PathFunction>& functions;
  const models::PathInputs& inputs; ///< empty: uniform
  std::uint64_t seed = 1;
};

/// Means over the first counts[0], counts[1], ... paths, ascending, the same on every rank. In
/// parts that any number of ranks share; between them the state goes to `checkpoints` (null: none)
/// and a stop is heeded, and a run that goes on ends with the same numbers. Throws InputError where
/// a value is not finite. Collective.
std::vector<PathGrams> path_grams(base::Session& session, const PathPass& pass,
                                  const std::vector<std::int64_t>& counts,
                                  io::Checkpoints* checkpoints);

} // namespace komori::operators
