/// In place of onnx_graph.cpp where CMake found no ONNX.
#include <stdexcept>

#include "operators/onnx_graph.hpp"

namespace komori::operators {

OnnxGraph read_onnx(const std::string& /*bytes*/) {
  throw std::runtime_error(
      "this komori was built without ONNX; install ONNX and Protobuf (Debian: libonnx-dev, "
      "libprotobuf-dev) and build again, or give the network as an HDF5 file");
}

} // namespace komori::operators
