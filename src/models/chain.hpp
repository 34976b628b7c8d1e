/// Markov chains given by their matrix.
#pragma once

#include <string>
#include <vector>

#include "config/declaration.hpp"

namespace komori::models {

/// `model` of kind chain, as written: rows are states to leave, columns states to reach.
struct ChainInput {
  std::vector<std::vector<double>> matrix;
  std::string file;
  std::string dataset = "/matrix";
  double lag = 1;
  config::Origin origin; ///< of the matrix or file
};
/// All keys but `kind`.
void declare_keys(config::Declarer& declarer, ChainInput& input);

} // namespace komori::models
