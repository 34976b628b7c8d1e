/// The part of an ONNX file that komori reads: nodes over constant tensors, checked one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace komori::operators {

/// A constant. Real numbers, all finite, in row-major order; whole numbers are converted.
struct OnnxTensor {
  std::vector<std::int64_t> shape{};
  std::vector<double> values{};
};

struct OnnxNode {
  std::string name{}; ///< may be empty
  std::string type{}; ///< "Gemm"
  std::vector<std::string> inputs{};
  std::vector<std::string> outputs{};
  std::map<std::string, double> numbers{};    ///< attributes that are one number
  std::map<std::string, std::string> words{}; ///< attributes that are a text
  std::vector<std::int64_t> permutation{};    ///< the attribute `perm`

  /// An attribute, or its default.
  double number(const std::string& attribute, double otherwise) const;
  /// "node 'fc1' (Gemm)", or by its output where it has no name.
  std::string text() const;
};

/// A graph with one input and one output.
struct OnnxGraph {
  std::string input{};
  std::vector<std::int64_t> input_shape{}; ///< -1 where the file leaves an extent open
  std::string output{};
  std::map<std::string, OnnxTensor> constants{};
  std::vector<OnnxNode> nodes{};
};

/// Largest file, and most weights, nodes and extents in it, that are read.
inline constexpr std::size_t most_network_bytes = std::size_t{1} << 26;

/// Reads the bytes of an ONNX file. Local. Throws std::runtime_error, which does not name the file,
/// where they are damaged or hold what is not allowed: more than `most_network_bytes`, tensors kept
/// in other files, of types other than float, double and 64-bit integers, of other sizes than their
/// shape says, or with values that are not finite; nodes of other domains; several inputs or
/// outputs. Where komori was built without ONNX it always throws, saying how to build with it.
OnnxGraph read_onnx(const std::string& bytes);

/// The nodes that the output needs, each after those it needs itself; constants that are known by
/// nodes `Constant` and `Transpose` are moved to `constants`. Throws std::runtime_error that names
/// the node where the graph has a cycle, or a tensor that nothing or more than one node computes.
void sort_nodes(OnnxGraph& graph);

} // namespace komori::operators
