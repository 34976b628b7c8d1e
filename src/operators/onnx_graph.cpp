#include "operators/onnx_graph.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <onnx/onnx_pb.h>

namespace komori::operators {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using std::runtime_error;

/// Parts of a message (nodes, tensors, attributes) that are read: objects take up to a hundred
/// times the bytes of the file that asks for them.
constexpr int most_parts = 200'000;

static_assert(std::endian::native == std::endian::little, "raw tensors are little-endian");

/// Whether komori looks into a field at all; what it does not know could hold anything of any size.
bool nested(int depth, int field) {
  using Model = onnx::ModelProto;
  using Attribute = onnx::AttributeProto;
  if (depth == 0)
    return field == Model::kTrainingInfoFieldNumber || field == Model::kFunctionsFieldNumber;
  return depth == 3 &&
         (field == Attribute::kGFieldNumber || field == Attribute::kGraphsFieldNumber);
}

/// Counts the parts of a message down to the attributes of nodes, without making any of them.
/// Returns whether the bytes are well formed so far.
bool count_parts(CodedInputStream& stream, int depth, int& parts) {
  // Model.graph, Graph.node and Node.attribute are looked into.
  constexpr std::array<int, 4> inner{static_cast<int>(onnx::ModelProto::kGraphFieldNumber),
                                     static_cast<int>(onnx::GraphProto::kNodeFieldNumber),
                                     static_cast<int>(onnx::NodeProto::kAttributeFieldNumber), 0};
  while (const auto tag = stream.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&stream, tag)) return false;
      continue;
    }
    std::uint32_t length = 0;
    if (!stream.ReadVarint32(&length) || length > most_network_bytes) return false;
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    if (++parts > most_parts) {
      throw runtime_error(fmt::format("it has more than {} nodes, tensors and attributes, which is "
                                      "more than a feed-forward network needs",
                                      most_parts));
    }
    if (nested(depth, field)) {
      throw runtime_error("it has functions, training information or graphs within nodes; only "
                          "plain graphs are read");
    }
    if (field != inner.at(static_cast<std::size_t>(depth))) {
      if (!stream.Skip(static_cast<int>(length))) return false;
      continue;
    }
    const auto outer = stream.PushLimit(static_cast<int>(length));
    if (!count_parts(stream, depth + 1, parts) || stream.BytesUntilLimit() > 0) return false;
    stream.PopLimit(outer);
  }
  return true;
}

onnx::ModelProto parse(const std::string& bytes) {
  const runtime_error damaged(
      "this is not an ONNX file (nor HDF5), or it is damaged or incomplete");
  CodedInputStream stream(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                          static_cast<int>(bytes.size()));
  int parts = 0;
  if (bytes.empty() || !count_parts(stream, 0, parts)) throw damaged;
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !model.has_graph()) {
    throw damaged;
  }
  return model;
}

/// The entries of a tensor from one of the fields that may hold them, or its raw bytes.
template <class Number, class Field>
std::vector<double> entries(const onnx::TensorProto& tensor, const Field& field) {
  if (!tensor.has_raw_data()) return {field.begin(), field.end()};
  const std::string& raw = tensor.raw_data();
  std::vector<Number> numbers(raw.size() / sizeof(Number));
  if (raw.size() % sizeof(Number) != 0) return {};
  std::memcpy(numbers.data(), raw.data(), raw.size());
  return {numbers.begin(), numbers.end()};
}

/// A binary number of 16 bits with so many of them for the exponent: IEEE's half has 5, bfloat16 8.
double of_16_bits(unsigned bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int largest = (1 << exponent_bits) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & largest;
  const auto fraction = static_cast<int>(bits & ((1U << fraction_bits) - 1));
  const int bias = largest / 2;
  double size = 0;
  if (exponent == largest) {
    size = fraction == 0 ? std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    size = std::ldexp(fraction, 1 - bias - fraction_bits);
  } else {
    size = std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  }
  return (bits & 0x8000U) != 0 ? -size : size;
}

/// Such numbers stand as bits in `int32_data`, or as raw bytes.
std::vector<double> entries_of_16_bits(const onnx::TensorProto& tensor, int exponent_bits) {
  std::vector<double> values = entries<std::uint16_t>(tensor, tensor.int32_data());
  for (double& value : values) {
    const auto bits = static_cast<std::int64_t>(value);
    value = of_16_bits(static_cast<unsigned>(bits & 0xffff), exponent_bits);
  }
  return values;
}

OnnxTensor constant(const onnx::TensorProto& tensor, const std::string& name) {
  const std::string what = fmt::format("tensor '{}'", name);
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0) {
    throw runtime_error(what + " keeps its values in another file; save the network as one file");
  }
  if (tensor.has_segment()) throw runtime_error(what + " is one of several segments");
  OnnxTensor result;
  double count = 1;
  for (const std::int64_t extent : tensor.dims()) {
    if (extent < 0) throw runtime_error(fmt::format("{} has the extent {}", what, extent));
    count *= static_cast<double>(extent);
    result.shape.push_back(extent);
  }
  const std::string shape = fmt::format("[{}]", fmt::join(result.shape, ", "));
  if (count > static_cast<double>(most_network_bytes)) {
    throw runtime_error(fmt::format("{} has the shape {}, but at most {} numbers are allowed", what,
                                    shape, most_network_bytes));
  }
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    result.values = entries<float>(tensor, tensor.float_data());
    break;
  case onnx::TensorProto::DOUBLE:
    result.values = entries<double>(tensor, tensor.double_data());
    break;
  case onnx::TensorProto::FLOAT16:
    result.values = entries_of_16_bits(tensor, 5);
    break;
  case onnx::TensorProto::BFLOAT16:
    result.values = entries_of_16_bits(tensor, 8);
    break;
  case onnx::TensorProto::INT64:
    result.values = entries<std::int64_t>(tensor, tensor.int64_data());
    break;
  default:
    throw runtime_error(fmt::format(
        "{} has the element type {}, but only float, double, float16, bfloat16 and int64 are read",
        what,
        onnx::TensorProto::DataType_IsValid(tensor.data_type())
            ? onnx::TensorProto::DataType_Name(
                  static_cast<onnx::TensorProto::DataType>(tensor.data_type()))
            : std::to_string(tensor.data_type())));
  }
  if (static_cast<double>(result.values.size()) != count) {
    throw runtime_error(fmt::format("{} has the shape {}, but holds {} numbers", what, shape,
                                    result.values.size()));
  }
  const auto bad = std::find_if(result.values.begin(), result.values.end(),
                                [](double value) { return !std::isfinite(value); });
  if (bad != result.values.end()) {
    throw runtime_error(fmt::format("{} holds {} at entry {} (counted from 0); every value must be "
                                    "finite",
                                    what, *bad, bad - result.values.begin()));
  }
  return result;
}

OnnxNode read_node(const onnx::NodeProto& proto, OnnxGraph& graph) {
  OnnxNode node{.name = proto.name(),
                .type = proto.op_type(),
                .inputs = {proto.input().begin(), proto.input().end()},
                .outputs = {proto.output().begin(), proto.output().end()}};
  if (node.outputs.empty()) throw runtime_error(node.text() + " has no output");
  if (!proto.domain().empty() && proto.domain() != "ai.onnx") {
    throw runtime_error(fmt::format("{} is of the domain '{}'; only ONNX's own operators are read",
                                    node.text(), proto.domain()));
  }
  for (const onnx::AttributeProto& attribute : proto.attribute()) {
    switch (attribute.type()) {
    case onnx::AttributeProto::FLOAT:
      node.numbers[attribute.name()] = attribute.f();
      break;
    case onnx::AttributeProto::INT:
      node.numbers[attribute.name()] = static_cast<double>(attribute.i());
      break;
    case onnx::AttributeProto::STRING:
      node.words[attribute.name()] = attribute.s();
      break;
    case onnx::AttributeProto::INTS:
      if (attribute.name() == "perm") {
        node.permutation.assign(attribute.ints().begin(), attribute.ints().end());
      }
      break;
    case onnx::AttributeProto::TENSOR:
      if (node.type == "Constant") {
        graph.constants[node.outputs.front()] = constant(attribute.t(), node.outputs.front());
      }
      break;
    default:
      break;
    }
    const auto number = node.numbers.find(attribute.name());
    if (number != node.numbers.end() && !std::isfinite(number->second)) {
      throw runtime_error(fmt::format("{}: its attribute '{}' is {}", node.text(), attribute.name(),
                                      number->second));
    }
  }
  return node;
}

} // namespace

OnnxGraph read_onnx(const std::string& bytes) {
  const onnx::ModelProto model = parse(bytes);
  const onnx::GraphProto& proto = model.graph();
  OnnxGraph graph;
  for (const onnx::TensorProto& tensor : proto.initializer()) {
    if (!graph.constants.emplace(tensor.name(), constant(tensor, tensor.name())).second) {
      throw runtime_error(fmt::format("tensor '{}' is there twice", tensor.name()));
    }
  }
  if (proto.sparse_initializer_size() > 0) throw runtime_error("sparse tensors are not read");
  std::vector<std::string> inputs;
  for (const onnx::ValueInfoProto& value : proto.input()) {
    if (graph.constants.contains(value.name())) continue; // old files list weights here, too
    inputs.push_back(value.name());
    if (inputs.size() > 1) continue;
    graph.input = value.name();
    for (const auto& extent : value.type().tensor_type().shape().dim()) {
      graph.input_shape.push_back(extent.has_dim_value() ? extent.dim_value() : -1);
    }
  }
  if (inputs.size() != 1) {
    throw runtime_error(fmt::format("the graph has {} inputs (a network has one): {}",
                                    inputs.size(), fmt::join(inputs, ", ")));
  }
  if (proto.output_size() != 1) {
    throw runtime_error(
        fmt::format("the graph has {} outputs, but a network has one", proto.output_size()));
  }
  graph.output = proto.output(0).name();
  for (const onnx::NodeProto& node : proto.node()) {
    graph.nodes.push_back(read_node(node, graph));
  }
  return graph;
}

} // namespace komori::operators
