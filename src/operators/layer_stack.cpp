#include "operators/layer_stack.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace komori::operators {

using models::Activation;

LayerStack::LayerStack(const std::string& input, Eigen::Index width,
                       std::map<std::string, int> uses)
    : uses_(std::move(uses)), width_(width) {
  put(input, {.offset = Eigen::VectorXd::Zero(width), .source = "the graph's input"});
}

int LayerStack::uses(const std::string& tensor) const {
  const auto found = uses_.find(tensor);
  return found == uses_.end() ? 0 : found->second;
}

AffineValue LayerStack::take(const std::string& tensor) {
  const auto found = values_.find(tensor);
  if (--uses_[tensor] > 0) return found->second;
  AffineValue value = std::move(found->second);
  values_.erase(found);
  return value;
}

void LayerStack::put(const std::string& tensor, AffineValue value) {
  if (uses(tensor) > 0) values_[tensor] = std::move(value);
}

void LayerStack::require_room(Eigen::Index rows, double extra, const std::string& source) const {
  if (static_cast<double>(rows) * static_cast<double>(width_) + extra <= most_weights) return;
  throw std::runtime_error(fmt::format("{}: a layer of {} neurons after one of {} would make more "
                                       "than {:.0f} weights in all, the most that are read",
                                       source, rows, width_, most_weights));
}

AffineValue::Matrix LayerStack::dense(const AffineValue& value) const {
  if (value.matrix) return *value.matrix;
  require_room(value.size(), 0, value.source);
  AffineValue::Matrix matrix = AffineValue::Matrix::Zero(value.size(), width_);
  for (Eigen::Index i = 0; i < value.size(); ++i) matrix(i, value.first + i) = 1;
  return matrix;
}

bool LayerStack::is_state(const AffineValue& value) const {
  return !value.erf && !value.matrix && value.first == 0 && value.size() == width_ &&
         value.offset.isZero(0);
}

bool LayerStack::needs_only(const std::string& tensor) const {
  return values_.size() == 1 && values_.contains(tensor);
}

AffineValue LayerStack::activate(const AffineValue& value, Activation activation, double slope) {
  Eigen::Index neurons = value.size();
  for (const auto& [name, other] : values_) neurons += other.size();
  require_room(neurons, weights_, value.source);
  weights_ += static_cast<double>(neurons) * static_cast<double>(width_);
  models::NetworkLayer layer{.name = value.source,
                             .neurons = static_cast<std::size_t>(neurons),
                             .inputs = static_cast<std::size_t>(width_),
                             .activation = {activation},
                             .slope = slope};
  const auto append = [&](const AffineValue& part) {
    const AffineValue::Matrix matrix = dense(part);
    layer.weight.insert(layer.weight.end(), matrix.data(), matrix.data() + matrix.size());
    layer.bias.insert(layer.bias.end(), part.offset.begin(), part.offset.end());
  };
  append(value);
  const auto as_neurons = [](AffineValue& part, Eigen::Index first) {
    part.matrix.reset();
    part.first = first;
    part.offset.setZero();
    part.weighted = false;
  };
  Eigen::Index next = value.size();
  for (auto& [name, other] : values_) {
    append(other);
    as_neurons(other, std::exchange(next, next + other.size()));
  }
  if (!values_.empty() && activation != Activation::identity) {
    layer.activation.assign(static_cast<std::size_t>(neurons), Activation::identity);
    std::fill_n(layer.activation.begin(), value.size(), activation);
  }
  width_ = neurons;
  layers_.push_back(std::move(layer));
  AffineValue result{.offset = Eigen::VectorXd::Zero(value.size()), .source = value.source};
  return result;
}

AffineValue LayerStack::activate_residual(const AffineValue& value, Activation activation,
                                          double slope) {
  AffineValue result = activate(value, activation, slope);
  layers_.back().residual = true;
  return result;
}

void LayerStack::settle(const std::string& tensor) {
  const AffineValue value = std::exchange(values_.at(tensor), {});
  values_.erase(tensor);
  AffineValue neurons = activate(value, value.erf ? Activation::erf : Activation::identity, 0);
  if (value.erf && (value.scale != 1 || value.shift != 0)) {
    neurons.matrix = value.scale * dense(neurons);
    neurons.offset.setConstant(value.shift);
  }
  values_[tensor] = std::move(neurons);
}

} // namespace komori::operators
