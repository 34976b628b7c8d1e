/// Feed-forward networks in ONNX's graphs.
#pragma once

#include <vector>

#include "models/network.hpp"
#include "operators/onnx_graph.hpp"

namespace komori::operators {

/// The layers of a sorted graph: one per product with weights or activation. Biases and batch
/// normalisation are folded into weights; a sum with all neurons of the layer before makes a
/// residual layer, any other skip neurons of identity activation that carry what is added later.
/// Local. Throws std::runtime_error, which does not name the file, for nodes that are not
/// understood (naming node and type, and what is) and for pairs of shapes that do not fit.
std::vector<models::NetworkLayer> layers_of(const OnnxGraph& graph);

} // namespace komori::operators
