#include "operators/network_onnx.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "operators/layer_stack.hpp"

namespace komori::operators {
namespace {

using models::Activation;
using Matrix = AffineValue::Matrix;
using Vector = Eigen::VectorXd;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

[[noreturn]] void fail(const OnnxNode& node, const std::string& problem) {
  throw std::runtime_error(fmt::format("{}: {}", node.text(), problem));
}

/// Rows of the weight are neurons.
Matrix weight_of(const OnnxNode& node, const OnnxTensor& tensor, const std::string& name,
                 bool rows_are_neurons) {
  if (tensor.shape.size() != 2 || tensor.values.empty()) {
    fail(node, fmt::format("its weight '{}' has the shape {}, but must be a matrix", name,
                           shape_text(tensor.shape)));
  }
  const Matrix matrix =
      Eigen::Map<const Matrix>(tensor.values.data(), tensor.shape[0], tensor.shape[1]);
  return rows_are_neurons ? matrix : Matrix(matrix.transpose());
}

/// Goes through the nodes of a graph.
class Walk {
public:
  explicit Walk(const OnnxGraph& graph)
      : graph_(graph), stack_(graph.input, input_width(), uses_of(graph)) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      for (const std::string& input : graph.nodes[i].inputs) users_[input].push_back(i);
    }
  }

  std::vector<models::NetworkLayer> run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!done_.contains(i)) step(graph_.nodes[i]);
    }
    if (!stack_.holds(graph_.output)) {
      throw std::runtime_error("the graph's output does not depend on its input");
    }
    if (stack_.layers().empty() || !stack_.is_state(stack_.at(graph_.output))) {
      stack_.settle(graph_.output);
    }
    if (!stack_.is_state(stack_.at(graph_.output))) stack_.settle(graph_.output); // scaled erf
    return std::move(stack_.layers());
  }

private:
  static std::map<std::string, int> uses_of(const OnnxGraph& graph) {
    std::map<std::string, int> uses{{graph.output, 1}};
    for (const OnnxNode& node : graph.nodes) {
      for (const std::string& input : node.inputs) ++uses[input];
    }
    return uses;
  }

  /// Inputs per sample: what the file says, but for the first extent, or the weights that come
  /// first.
  Eigen::Index input_width() const {
    const auto& shape = graph_.input_shape;
    const std::size_t from = shape.size() > 1 ? 1 : 0;
    if (!shape.empty() && std::all_of(shape.begin() + static_cast<std::ptrdiff_t>(from),
                                      shape.end(), [](auto extent) { return extent > 0; })) {
      const double width = std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(from),
                                           shape.end(), 1.0, std::multiplies<>());
      if (width > models::most_neurons) {
        throw std::runtime_error(fmt::format("the input '{}' has the shape {}, but at most {} "
                                             "inputs are allowed",
                                             graph_.input, shape_text(shape),
                                             models::most_neurons));
      }
      return static_cast<Eigen::Index>(width);
    }
    for (const OnnxNode& node : graph_.nodes) {
      if ((node.type != "Gemm" && node.type != "MatMul") || node.inputs.size() < 2) continue;
      const auto weight = graph_.constants.find(node.inputs[1]);
      if (weight == graph_.constants.end() || weight->second.shape.size() != 2) break;
      return weight->second.shape[node.number("transB", 0) != 0 ? 1 : 0];
    }
    throw std::runtime_error(fmt::format("the input '{}' has the shape {}, which does not say how "
                                         "many inputs there are",
                                         graph_.input, shape_text(shape)));
  }

  void step(const OnnxNode& node) {
    static const std::map<std::string, void (Walk::*)(const OnnxNode&)> steps{
        {"Gemm", &Walk::gemm},
        {"MatMul", &Walk::matmul},
        {"Add", &Walk::add},
        {"Sub", &Walk::add},
        {"Mul", &Walk::multiply},
        {"Div", &Walk::multiply},
        {"BatchNormalization", &Walk::normalise},
        {"Identity", &Walk::pass},
        {"Dropout", &Walk::pass},
        {"Flatten", &Walk::pass},
        {"Reshape", &Walk::pass},
        {"Relu", &Walk::activation},
        {"LeakyRelu", &Walk::activation},
        {"Tanh", &Walk::activation},
        {"Sigmoid", &Walk::activation},
        {"Softplus", &Walk::activation},
        {"Gelu", &Walk::activation},
        {"Erf", &Walk::error_function}};
    const auto found = steps.find(node.type);
    if (found == steps.end()) {
      std::vector<std::string> known;
      for (const auto& [type, function] : steps) known.push_back(type);
      fail(node, fmt::format("'{}' is not understood; allowed are {}, each after the other",
                             node.type, fmt::join(known, ", ")));
    }
    if (node.inputs.empty()) fail(node, "has no input");
    (this->*found->second)(node);
  }

  // --- operands -------------------------------------------------------------------------------

  const OnnxTensor* constant(const OnnxNode& node, std::size_t i) const {
    if (i >= node.inputs.size() || node.inputs[i].empty()) return nullptr;
    const auto found = graph_.constants.find(node.inputs[i]);
    return found == graph_.constants.end() ? nullptr : &found->second;
  }

  const OnnxTensor& needed_constant(const OnnxNode& node, std::size_t i) const {
    const OnnxTensor* tensor = constant(node, i);
    if (!tensor) fail(node, fmt::format("its input {} must be a constant tensor", i + 1));
    return *tensor;
  }

  /// The name of a computed input.
  const std::string& computed(const OnnxNode& node, std::size_t i) const {
    if (i >= node.inputs.size() || !stack_.holds(node.inputs[i])) {
      fail(node, fmt::format("its input {} must be computed from the graph's input", i + 1));
    }
    return node.inputs[i];
  }

  std::string described(const std::string& tensor) const {
    return fmt::format("'{}', which comes from {}, has {}", tensor, stack_.at(tensor).source,
                       stack_.at(tensor).size());
  }

  /// A constant as one number per neuron of `tensor`.
  Vector per_neuron(const OnnxNode& node, std::size_t i, const std::string& tensor) const {
    const OnnxTensor& values = needed_constant(node, i);
    const Eigen::Index size = stack_.at(tensor).size();
    if (values.values.size() == 1) return Vector::Constant(size, values.values.front());
    if (static_cast<Eigen::Index>(values.values.size()) != size || values.shape.back() != size) {
      fail(node, fmt::format("'{}' has the shape {}, but {} neurons", node.inputs[i],
                             shape_text(values.shape), described(tensor)));
    }
    return Eigen::Map<const Vector>(values.values.data(), size);
  }

  AffineValue take_plain(const std::string& tensor) {
    if (stack_.at(tensor).erf) stack_.settle(tensor);
    return stack_.take(tensor);
  }

  void put(const OnnxNode& node, AffineValue value) {
    stack_.put(node.outputs.front(), std::move(value));
  }

  // --- affine maps ----------------------------------------------------------------------------

  /// weight x for one use of `tensor`.
  AffineValue product(const OnnxNode& node, const std::string& tensor, const Matrix& weight,
                      const std::string& name) {
    if (weight.cols() != stack_.at(tensor).size()) {
      fail(node, fmt::format("its weight '{}' takes {} inputs, but {}", name, weight.cols(),
                             described(tensor)));
    }
    if (stack_.at(tensor).erf || stack_.at(tensor).weighted) stack_.settle(tensor);
    AffineValue value = stack_.take(tensor);
    Vector offset = weight * value.offset;
    value.matrix = stack_.is_state(value) ? weight : Matrix(weight * stack_.dense(value));
    value.offset = std::move(offset);
    value.first = 0;
    value.weighted = true;
    value.source = node.text();
    return value;
  }

  void gemm(const OnnxNode& node) {
    if (node.number("transA", 0) != 0) fail(node, "transA is not understood");
    const std::string& tensor = computed(node, 0);
    const Matrix weight =
        weight_of(node, needed_constant(node, 1), node.inputs[1], node.number("transB", 0) != 0);
    AffineValue value = product(node, tensor, node.number("alpha", 1) * weight, node.inputs[1]);
    if (node.inputs.size() > 2 && !node.inputs[2].empty()) {
      add_constant(node, 2, value, node.number("beta", 1));
    }
    put(node, std::move(value));
  }

  void add_constant(const OnnxNode& node, std::size_t i, AffineValue& value, double factor) const {
    const OnnxTensor& bias = needed_constant(node, i);
    const auto size = static_cast<Eigen::Index>(bias.values.size());
    if (size != 1 && (size != value.size() || bias.shape.back() != size)) {
      fail(node, fmt::format("'{}' has the shape {}, but there are {} neurons", node.inputs[i],
                             shape_text(bias.shape), value.size()));
    }
    for (Eigen::Index k = 0; k < value.size(); ++k) {
      value.offset[k] += factor * bias.values[static_cast<std::size_t>(size == 1 ? 0 : k)];
    }
  }

  void matmul(const OnnxNode& node) {
    if (constant(node, 0)) fail(node, "the weight must be the second input");
    const std::string& tensor = computed(node, 0);
    put(node,
        product(node, tensor, weight_of(node, needed_constant(node, 1), node.inputs[1], false),
                node.inputs[1]));
  }

  /// rows of a value times a number each.
  static void scale_rows(AffineValue& value, const Vector& factors, const LayerStack& stack) {
    value.matrix = Matrix(factors.asDiagonal() * stack.dense(value));
    value.first = 0;
    value.offset.array() *= factors.array();
  }

  void add(const OnnxNode& node) {
    const double sign = node.type == "Sub" ? -1 : 1;
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
      if (!constant(node, 1 - i)) continue;
      const std::string& tensor = computed(node, i); // the other one is constant
      const Vector numbers = per_neuron(node, 1 - i, tensor);
      const double own = i == 1 ? sign : 1;
      const double other = i == 0 ? sign : 1;
      const bool alike = numbers.isConstant(numbers[0], 0);
      if (stack_.at(tensor).erf && alike) {
        AffineValue value = stack_.take(tensor);
        value.scale *= own;
        value.shift = own * value.shift + other * numbers[0];
        return put(node, std::move(value));
      }
      AffineValue value = take_plain(tensor);
      if (own != 1) scale_rows(value, Vector::Constant(value.size(), own), stack_);
      value.offset += other * numbers;
      return put(node, std::move(value));
    }
    const std::string& a = computed(node, 0);
    const std::string& b = computed(node, 1);
    if (stack_.at(a).size() != stack_.at(b).size()) {
      fail(node, fmt::format("{} neurons, but {}", described(a), described(b)));
    }
    for (const std::string* tensor : {&a, &b}) {
      if (stack_.at(*tensor).erf) stack_.settle(*tensor);
    }
    AffineValue value = stack_.take(a);
    const AffineValue second = stack_.take(b);
    value.matrix = Matrix(stack_.dense(value) + sign * stack_.dense(second));
    value.first = 0;
    value.offset += sign * second.offset;
    value.weighted = value.weighted || second.weighted;
    value.source = node.text();
    put(node, std::move(value));
  }

  void multiply(const OnnxNode& node) {
    const bool division = node.type == "Div";
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
      if (!constant(node, 1 - i) || (division && i == 1)) continue;
      const std::string& tensor = computed(node, i);
      Vector numbers = per_neuron(node, 1 - i, tensor);
      if (division) numbers = numbers.cwiseInverse().eval();
      if (!numbers.allFinite()) fail(node, "divides by 0");
      if (stack_.at(tensor).erf && numbers.isConstant(numbers[0], 0)) {
        AffineValue value = stack_.take(tensor);
        value.scale *= numbers[0];
        value.shift *= numbers[0];
        return put(node, std::move(value));
      }
      AffineValue value = take_plain(tensor);
      scale_rows(value, numbers, stack_);
      return put(node, std::move(value));
    }
    if (division) fail(node, "only quotients by a constant are understood");
    const std::string& a = computed(node, 0);
    const std::string& b = computed(node, 1);
    const bool second = stack_.at(b).erf;
    if (stack_.at(a).erf != second) {
      const std::optional<double> factor =
          gelu_factor(stack_.at(second ? a : b), stack_.at(second ? b : a));
      if (factor) return gelu(node, second ? a : b, second ? b : a, *factor);
    }
    fail(node, "a product of two computed tensors is understood only as part of the GELU, "
               "x (1 + erf(x / sqrt(2))) / 2");
  }

  /// c where p = c z and e is a multiple of 1 + erf(z / sqrt(2)), c = 1 or 1/2, to the digits of
  /// single precision.
  std::optional<double> gelu_factor(const AffineValue& p, const AffineValue& e) const {
    constexpr double digits = 1e-5;
    if (p.size() != e.size() || std::abs(e.scale - e.shift) > digits * std::abs(e.scale)) return {};
    const Matrix left = stack_.dense(p);
    const Matrix right = std::numbers::sqrt2 * stack_.dense(e);
    const Vector offset = std::numbers::sqrt2 * e.offset;
    for (const double c : {1.0, 0.5}) {
      if ((left - c * right).norm() <= digits * left.norm() &&
          (p.offset - c * offset).norm() <= digits * (p.offset.norm() + left.norm())) {
        return c;
      }
    }
    return {};
  }

  /// 2 c scale gelu(z), z = p / c.
  void gelu(const OnnxNode& node, const std::string& p, const std::string& e, double c) {
    AffineValue value = stack_.take(p);
    const AffineValue erf = stack_.take(e);
    scale_rows(value, Vector::Constant(value.size(), 1 / c), stack_);
    value.source = node.text();
    AffineValue result = stack_.activate(value, Activation::gelu, 0);
    const double factor = 2 * c * erf.scale;
    if (factor != 1) scale_rows(result, Vector::Constant(result.size(), factor), stack_);
    put(node, std::move(result));
  }

  void normalise(const OnnxNode& node) {
    if (node.number("training_mode", 0) != 0) fail(node, "it is in training mode");
    const std::string& tensor = computed(node, 0);
    if (node.inputs.size() != 5) fail(node, "needs five inputs");
    const Vector variance = per_neuron(node, 4, tensor);
    const double epsilon = node.number("epsilon", 1e-5);
    if (!((variance.array() + epsilon) > 0).all()) {
      fail(node, fmt::format("'{}' holds a variance that is not positive", node.inputs[4]));
    }
    const Vector factors =
        per_neuron(node, 1, tensor).array() / (variance.array() + epsilon).sqrt();
    const Vector shift =
        per_neuron(node, 2, tensor) - factors.cwiseProduct(per_neuron(node, 3, tensor));
    AffineValue value = take_plain(tensor);
    scale_rows(value, factors, stack_);
    value.offset += shift;
    put(node, std::move(value));
  }

  /// What leaves the numbers of a sample as they are.
  void pass(const OnnxNode& node) {
    const std::string& tensor = computed(node, 0);
    const Eigen::Index size = stack_.at(tensor).size();
    if (node.type == "Flatten" && node.number("axis", 1) != 1) {
      fail(node, "only axis 1 is understood: one row per sample");
    }
    if (node.type == "Dropout" && constant(node, 2) &&
        constant(node, 2)->values != std::vector{0.0})
      fail(node, "it is in training mode");
    if (node.type == "Reshape") {
      const OnnxTensor& shape = needed_constant(node, 1);
      bool trivial = !shape.values.empty();
      for (std::size_t k = 0; k < shape.values.size(); ++k) {
        const double extent = shape.values[k];
        const bool last = k + 1 == shape.values.size();
        trivial = trivial && (extent == -1 || (last ? extent == static_cast<double>(size)
                                                    : extent == 1 || extent == 0));
      }
      if (!trivial) {
        fail(node,
             fmt::format("its shape [{}] does not leave the {} numbers of a sample in one row",
                         fmt::join(shape.values, ", "), size));
      }
    }
    put(node, stack_.take(tensor));
  }

  // --- activations ----------------------------------------------------------------------------

  void error_function(const OnnxNode& node) {
    AffineValue value = take_plain(computed(node, 0));
    value.erf = true;
    value.scale = 1;
    value.shift = 0;
    value.source = node.text();
    put(node, std::move(value));
  }

  void activation(const OnnxNode& node) {
    static const std::map<std::string, Activation> functions{
        {"Relu", Activation::relu},         {"LeakyRelu", Activation::leaky_relu},
        {"Tanh", Activation::tanh},         {"Sigmoid", Activation::sigmoid},
        {"Softplus", Activation::softplus}, {"Gelu", Activation::gelu}};
    const auto form = node.words.find("approximate");
    if (node.type == "Gelu" && form != node.words.end() && form->second != "none") {
      fail(node,
           fmt::format("the approximation '{}' is not understood, only 'none'", form->second));
    }
    const double slope = node.number("alpha", 0.01);
    if (node.type == "LeakyRelu" && (slope < 0 || slope > 1)) {
      fail(node, fmt::format("its alpha is {}, but must lie in [0, 1]", slope));
    }
    AffineValue value = take_plain(computed(node, 0));
    value.source = node.text();
    const Activation function = functions.at(node.type);
    if (const std::optional<std::size_t> sum = residual_sum(node, value)) {
      const OnnxNode& add = graph_.nodes[*sum];
      for (const std::string& input : add.inputs) {
        if (stack_.holds(input)) stack_.take(input);
      }
      done_.insert(*sum);
      return put(add, stack_.activate_residual(value, function, slope));
    }
    put(node, stack_.activate(value, function, slope));
  }

  /// The node that adds all current neurons to what `node` makes of `value`, where nobody needs
  /// either afterwards.
  std::optional<std::size_t> residual_sum(const OnnxNode& node, const AffineValue& value) const {
    const std::string& output = node.outputs.front();
    if (stack_.uses(output) != 1 || output == graph_.output) return {};
    const std::size_t user = users_.at(output).front();
    const OnnxNode& add = graph_.nodes[user];
    if (add.type != "Add" || add.inputs.size() != 2) return {};
    const std::string& other = add.inputs[add.inputs[0] == output ? 1 : 0];
    if (!stack_.needs_only(other) || stack_.uses(other) != 1) return {};
    if (!stack_.is_state(stack_.at(other)) || stack_.at(other).size() != value.size()) return {};
    return user;
  }

  const OnnxGraph& graph_;
  LayerStack stack_;
  std::map<std::string, std::vector<std::size_t>> users_;
  std::set<std::size_t> done_; ///< nodes that are part of another's layer
};

} // namespace

std::vector<models::NetworkLayer> layers_of(const OnnxGraph& graph) {
  return Walk(graph).run();
}

} // namespace komori::operators
