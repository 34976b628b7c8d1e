/// Feed-forward networks in HDF5, as h5py writes them from PyTorch's state_dict.
#pragma once

#include <string>
#include <vector>

#include "io/read_file.hpp"
#include "models/network.hpp"

namespace komori::operators {

/// What has to be said of a file of weights.
struct StateDict {
  std::vector<std::string> activations{};
  std::vector<std::string> order{}; ///< of all layers; empty: that of their numbers
  std::string group = "/";          ///< where the weights lie
};

/// The layers of datasets `<layer>.weight` [neurons, inputs] and, unless it is 0, `<layer>.bias`
/// [neurons]. Layers follow each other by the numbers in their names: 0, 2, 10; fc1, fc2; names
/// that differ in more need an order. `activations` are words, one per layer, or one alone for all
/// layers but the last, which then has none; where there are none, each layer has a text
/// `<layer>.activation`, one word or one per neuron with spaces between them, as reduced networks
/// do, which have `<layer>.slope`,
/// `<layer>.residual` (numbers) and `<layer>.noise` ([neurons, 3]: kind, reach, sigma), too.
/// Collective. Throws InputError for any other dataset, for shapes that do not
/// fit, naming the pair, and for values that are not finite. All lie in `group`; what else the file
/// holds counts only where this is the root, "/".
std::vector<models::NetworkLayer> layers_of_state_dict(const io::ReadFile& file,
                                                       const StateDict& how);

} // namespace komori::operators
