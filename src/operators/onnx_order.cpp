#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "operators/onnx_graph.hpp"

namespace komori::operators {
namespace {

using std::runtime_error;

/// Which node computes a tensor.
std::map<std::string, std::size_t> producers(const OnnxGraph& graph) {
  std::map<std::string, std::size_t> result;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& output : graph.nodes[i].outputs) {
      if (output.empty()) continue; // an optional output that is left out
      const bool fresh = result.emplace(output, i).second && output != graph.input;
      if (!fresh || (graph.constants.contains(output) && graph.nodes[i].type != "Constant")) {
        throw runtime_error(
            fmt::format("{} computes '{}', which is there already", graph.nodes[i].text(), output));
      }
    }
  }
  return result;
}

/// A matrix with rows and columns exchanged.
OnnxTensor transposed(const OnnxTensor& tensor, const OnnxNode& node) {
  const std::vector<std::int64_t> swap{1, 0};
  if (tensor.shape.size() != 2 || (!node.permutation.empty() && node.permutation != swap)) {
    throw runtime_error(node.text() + " does not transpose a matrix; nothing else is understood");
  }
  OnnxTensor result{{tensor.shape[1], tensor.shape[0]}, std::vector<double>(tensor.values.size())};
  const auto rows = static_cast<std::size_t>(tensor.shape[0]);
  const auto columns = static_cast<std::size_t>(tensor.shape[1]);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      result.values[j * rows + i] = tensor.values[i * columns + j];
    }
  }
  return result;
}

/// Whether the node is nothing but another constant, which then is noted.
bool noted_constant(OnnxGraph& graph, const OnnxNode& node) {
  const std::string& output = node.outputs.front();
  if (node.type == "Constant") {
    if (graph.constants.contains(output)) return true;
    for (const char* attribute : {"value_float", "value_int"}) {
      if (!node.numbers.contains(attribute)) continue;
      graph.constants[output] = {{}, {node.numbers.at(attribute)}};
      return true;
    }
    throw runtime_error(node.text() + " holds neither a tensor nor a number");
  }
  const bool copy = node.type == "Identity";
  if ((!copy && node.type != "Transpose") || node.inputs.size() != 1) return false;
  const auto source = graph.constants.find(node.inputs.front());
  if (source == graph.constants.end()) return false;
  OnnxTensor result = copy ? source->second : transposed(source->second, node);
  graph.constants[output] = std::move(result);
  return true;
}

} // namespace

double OnnxNode::number(const std::string& attribute, double otherwise) const {
  const auto found = numbers.find(attribute);
  return found == numbers.end() ? otherwise : found->second;
}

std::string OnnxNode::text() const {
  if (!name.empty()) return fmt::format("node '{}' ({})", name, type);
  return fmt::format("the node of '{}' ({})", outputs.empty() ? "" : outputs.front(), type);
}

void sort_nodes(OnnxGraph& graph) {
  const std::map<std::string, std::size_t> source = producers(graph);
  enum class Mark { unseen, open, done };
  std::vector<Mark> marks(graph.nodes.size(), Mark::unseen);
  std::vector<OnnxNode> sorted;
  // Depth first from the output, with a stack of its own: chains may be long.
  std::vector<std::pair<std::size_t, std::size_t>> stack; // a node, and its next input
  const auto enter = [&](const std::string& tensor, const std::string& user) {
    if (tensor.empty() || tensor == graph.input) return;
    const auto found = source.find(tensor);
    if (found == source.end()) {
      if (graph.constants.contains(tensor)) return;
      throw runtime_error(fmt::format("{} needs '{}', which nothing computes", user, tensor));
    }
    if (marks[found->second] == Mark::open) {
      throw runtime_error(
          fmt::format("the graph has a cycle through {}", graph.nodes[found->second].text()));
    }
    if (marks[found->second] == Mark::done) return;
    marks[found->second] = Mark::open;
    stack.emplace_back(found->second, 0);
  };
  enter(graph.output, "the graph's output");
  while (!stack.empty()) {
    const std::size_t i = stack.back().first;
    const OnnxNode& node = graph.nodes[i];
    if (stack.back().second < node.inputs.size()) {
      const std::string& input = node.inputs[stack.back().second++];
      enter(input, node.text());
      continue;
    }
    marks[i] = Mark::done;
    stack.pop_back();
    if (!noted_constant(graph, node)) sorted.push_back(node);
  }
  graph.nodes = std::move(sorted);
}

} // namespace komori::operators
