/// Networks in files.
#pragma once

#include <string>
#include <vector>

#include <mpi.h>

#include "models/network.hpp"
#include "operators/network_state_dict.hpp"

namespace komori::operators {

/// The layers of an ONNX or HDF5 file, which one the first bytes say; without noise. ONNX knows its
/// activations; for HDF5 see layers_of_state_dict. Shapes and values are checked. Collective: rank
/// 0 reads an ONNX file, at most `most_network_bytes`, and all ranks make the same of its bytes.
/// Throws InputError that names the file, and node, tensor or dataset, whatever the file holds.
std::vector<models::NetworkLayer> read_network(MPI_Comm comm, const std::string& path,
                                               const StateDict& how);

/// The network of an input, from its layers or its file, validated, with its noise. Collective.
/// Throws InputError.
models::Network load_network(MPI_Comm comm, const models::NetworkInput& input);

} // namespace komori::operators
