#include "models/network.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>

#include <Eigen/Core>
#include <fmt/format.h>

#include "base/elementary.hpp"
#include "base/error.hpp"

namespace komori::models {
namespace {

using base::InputError;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

Eigen::Map<const RowMatrix> matrix(std::span<const double> values, std::size_t rows,
                                   std::size_t columns) {
  return {values.data(), index(rows), index(columns)};
}

/// Where gelu is least, and its value there.
constexpr double gelu_lowest_at = -0.7517915246935645;
constexpr double gelu_lowest = -0.16997120747990369;

Interval activated(Activation activation, double slope, Interval z) {
  const double a = activate(activation, slope, z.from);
  const double b = activate(activation, slope, z.to);
  if (activation != Activation::gelu) return {a, b};
  const bool holds = z.from <= gelu_lowest_at && gelu_lowest_at <= z.to;
  return {holds ? gelu_lowest : std::min(a, b), std::max(a, b)};
}

std::string count_text(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

void require_finite(std::span<const double> values, const std::string& name) {
  const auto bad = std::find_if(values.begin(), values.end(),
                                [](double value) { return !std::isfinite(value); });
  if (bad == values.end()) return;
  throw InputError(fmt::format("{}: entry {} is {}, but must be a finite number", name,
                               bad - values.begin(), *bad));
}

void require_names(const std::vector<std::string>& names, const std::string& where) {
  const std::set<std::string> distinct(names.begin(), names.end());
  if (distinct.size() == names.size()) return;
  throw InputError(
      fmt::format("{}: two variables have the same name; give each one of its own", where));
}

void validate_layer(const NetworkLayer& layer) {
  const auto fail = [&](const std::string& problem) {
    throw InputError(layer.name + " " + problem);
  };
  if (layer.neurons == 0 || layer.inputs == 0) fail("has an empty weight");
  if (layer.neurons > most_neurons || layer.inputs > most_neurons) {
    fail(fmt::format("has a weight of {} x {}, but at most {} neurons are taken", layer.neurons,
                     layer.inputs, most_neurons));
  }
  if (layer.weight.size() != layer.neurons * layer.inputs) {
    fail(fmt::format("has {} weights in place of {} x {}", layer.weight.size(), layer.neurons,
                     layer.inputs));
  }
  if (layer.bias.size() != layer.neurons) {
    fail(fmt::format("has a bias of {}, but a weight of {} (rows)",
                     count_text(layer.bias.size(), "number"), count_text(layer.neurons, "neuron")));
  }
  const auto fits = [&](std::size_t count) { return count == 1 || count == layer.neurons; };
  if (!fits(layer.activation.size()) || !fits(layer.noise.size())) {
    fail(fmt::format("needs one activation and one noise for all of its {}, or one each",
                     count_text(layer.neurons, "neuron")));
  }
  if (layer.residual && layer.neurons != layer.inputs) {
    fail(fmt::format("is residual, so it must have as many neurons as inputs, but its weight is {} "
                     "x {}",
                     layer.neurons, layer.inputs));
  }
  if (!layer.variables.empty() && layer.variables.size() != layer.neurons) {
    fail(fmt::format("names {}, but has {}", count_text(layer.variables.size(), "variable"),
                     count_text(layer.neurons, "neuron")));
  }
  require_names(layer.variables, layer.name);
  require_finite(layer.weight, layer.name + " weight");
  require_finite(layer.bias, layer.name + " bias");
}

} // namespace

const config::Words& activation_words() {
  static const config::Words words{"identity", "tanh",     "relu", "leaky_relu",
                                   "sigmoid",  "softplus", "gelu", "erf"};
  return words;
}

Activation activation_of(const std::string& word) {
  const config::Words& words = activation_words();
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) {
    throw InputError(fmt::format("activation '{}' is none of {}", word, fmt::join(words, ", ")));
  }
  return static_cast<Activation>(found - words.begin());
}

double activate(Activation activation, double slope, double z) noexcept {
  switch (activation) {
  case Activation::identity:
    return z;
  case Activation::tanh:
    return std::tanh(z);
  case Activation::relu:
    return z > 0 ? z : 0;
  case Activation::leaky_relu:
    return z > 0 ? z : slope * z;
  case Activation::sigmoid:
    return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
  case Activation::softplus:
    return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
  case Activation::gelu:
    return 0.5 * z * std::erfc(-z / std::numbers::sqrt2);
  case Activation::erf:
    return std::erf(z);
  }
  return z;
}

bool NetworkLayer::noisy() const {
  return std::any_of(noise.begin(), noise.end(),
                     [](const NeuronNoise& one) { return !one.none(); });
}

std::vector<std::string> Network::variables(std::size_t n) const {
  std::vector<std::string> names;
  if (n == 0) {
    for (const InputVariable& variable : input) names.push_back(variable.name);
    return names;
  }
  if (!layers[n - 1].variables.empty()) return layers[n - 1].variables;
  for (std::size_t i = 0; i < layers[n - 1].neurons; ++i) {
    names.push_back(fmt::format("x{}_{}", n, i + 1));
  }
  return names;
}

void validate(const Network& network) {
  if (network.layers.empty()) throw InputError("the network has no layer");
  if (network.input.empty()) throw InputError("the network has no input");
  for (const InputVariable& variable : network.input) {
    const auto [from, to] = variable.range;
    if (!std::isfinite(from) || !std::isfinite(to) || !(from < to)) {
      throw InputError(fmt::format("input {} has the range [{:g}, {:g}], but the first number must "
                                   "be below the second",
                                   variable.name, from, to));
    }
  }
  require_names(network.variables(0), "input");
  for (std::size_t n = 0; n < network.depth(); ++n) {
    const NetworkLayer& layer = network.layers[n];
    validate_layer(layer);
    if (layer.inputs == network.width(n)) continue;
    const std::string before = n == 0 ? std::string("the input") : network.layers[n - 1].name;
    throw InputError(fmt::format("{} takes {} (columns of its weight), but {} has {}; the two must "
                                 "be the same",
                                 layer.name, count_text(layer.inputs, "input"), before,
                                 count_text(network.width(n), n == 0 ? "variable" : "neuron")));
  }
}

void propagate(const NetworkLayer& layer, std::span<const double> x, std::span<double> y) {
  propagate(layer, 1, x, y);
}

namespace {

/// tanh and erf of many numbers, by vector instructions.
void apply_elementary(base::Elementary f, std::span<double> values) {
  constexpr std::size_t block = 1024;
  thread_local base::LaneArray from(block);
  thread_local base::LaneArray to(block);
  for (std::size_t begin = 0; begin < values.size(); begin += block) {
    const std::span<double> part = values.subspan(begin, std::min(block, values.size() - begin));
    std::copy(part.begin(), part.end(), from.data());
    base::apply(f, from.data(), to.data(), base::padded(part.size()));
    std::copy(to.data(), to.data() + part.size(), part.begin());
  }
}

void apply_formula(const config::Formula& formula, std::span<double> values) {
  const std::vector<double> arguments(values.begin(), values.end());
  const std::array<std::span<const double>, 1> columns{arguments};
  formula.evaluate(columns, values);
}

/// The values of a formula on an interval: the extremes among many of its points, refined between
/// their neighbours. Throws InputError where one is not finite.
Interval formula_range(const NetworkLayer& layer, Interval z) {
  constexpr int points = 4096;
  constexpr int refinements = 80;
  std::vector<double> values;
  for (int i = 0; i <= points; ++i) values.push_back(z.from + (z.to - z.from) * i / points);
  const std::vector<double> places = values;
  apply_formula(*layer.formula, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw InputError(fmt::format("{}: its formula '{}' has no finite value at z = {:g}, which it "
                                 "reaches",
                                 layer.name, layer.formula->text(), places[i]));
  }
  const auto extreme = [&](double sign) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (sign * values[i] > sign * values[best]) best = i;
    }
    const auto f = [&](double place) { return sign * (*layer.formula)(std::array{place}); };
    double from = places[best == 0 ? 0 : best - 1];
    double to = places[std::min(best + 1, places.size() - 1)];
    double most = sign * values[best];
    for (int step = 0; step < refinements && to > from; ++step) { // golden sections
      constexpr double section = 0.3819660112501051;
      const double a = from + section * (to - from);
      const double b = to - section * (to - from);
      const double at_a = f(a);
      const double at_b = f(b);
      most = std::max({most, at_a, at_b});
      (at_a > at_b ? to : from) = at_a > at_b ? b : a;
    }
    return sign * most;
  };
  return {extreme(-1), extreme(1)};
}

/// Rows [count][neurons] of a layer's arguments become its images.
void activate_all(const NetworkLayer& layer, std::span<double> rows) {
  if (layer.formula) {
    apply_formula(*layer.formula, rows);
    return;
  }
  const Activation first = layer.activation.front();
  if (layer.activation.size() == 1 && first == Activation::identity) return;
  if (layer.activation.size() == 1 && (first == Activation::tanh || first == Activation::erf)) {
    apply_elementary(first == Activation::tanh ? base::Elementary::tanh : base::Elementary::erf,
                     rows);
    return;
  }
  for (std::size_t begin = 0; begin < rows.size(); begin += layer.neurons) {
    for (std::size_t i = 0; i < layer.neurons; ++i) {
      double& value = rows[begin + i];
      value = activate(layer.activation_at(i), layer.slope, value);
    }
  }
}

} // namespace

void propagate(const NetworkLayer& layer, std::size_t count, std::span<const double> points,
               std::span<double> images) {
  const auto w = matrix(layer.weight, layer.neurons, layer.inputs);
  const auto b = matrix(layer.bias, 1, layer.neurons);
  const auto x = matrix(points, count, layer.inputs);
  Eigen::Map<RowMatrix> y(images.data(), index(count), index(layer.neurons));
  y.noalias() = x * w.transpose();
  y.rowwise() += b.row(0);
  activate_all(layer, images.first(count * layer.neurons));
  if (layer.residual) y += x;
}

Interval image_range(const NetworkLayer& layer, std::size_t i, std::span<const Interval> box) {
  Interval z{layer.bias[i], layer.bias[i]};
  const double* row = layer.weight.data() + i * layer.inputs;
  for (std::size_t j = 0; j < layer.inputs; ++j) {
    z.from += row[j] * (row[j] >= 0 ? box[j].from : box[j].to);
    z.to += row[j] * (row[j] >= 0 ? box[j].to : box[j].from);
  }
  Interval image =
      layer.formula ? formula_range(layer, z) : activated(layer.activation_at(i), layer.slope, z);
  if (layer.residual) image = {image.from + box[i].from, image.to + box[i].to};
  return image;
}

std::vector<Interval> layer_range(const NetworkLayer& layer, std::span<const Interval> box) {
  std::vector<Interval> range;
  range.reserve(layer.neurons);
  for (std::size_t i = 0; i < layer.neurons; ++i) {
    const Interval image = image_range(layer, i, box);
    const double reach = layer.noise_at(i).reach();
    range.push_back({image.from - reach, image.to + reach});
    if (std::isfinite(range.back().to - range.back().from)) continue;
    throw InputError(fmt::format("{}: neuron {} (counted from 0) reaches from {:.3g} to {:.3g}, "
                                 "more than numbers can hold; use smaller weights or noise, or a "
                                 "bounded activation",
                                 layer.name, i, range.back().from, range.back().to));
  }
  return range;
}

std::vector<std::vector<Interval>> ranges(const Network& network) {
  std::vector<std::vector<Interval>> all(1);
  for (const InputVariable& variable : network.input) all[0].push_back(variable.range);
  for (const NetworkLayer& layer : network.layers) all.push_back(layer_range(layer, all.back()));
  return all;
}

std::vector<Interval> invariant_range(const NetworkLayer& layer, std::vector<Interval> box) {
  constexpr int most = 10'000;
  constexpr double beyond = 1e12;
  for (int step = 0; step < most; ++step) {
    const std::vector<Interval> image = layer_range(layer, box);
    bool stays = true;
    bool bounded = true;
    for (std::size_t i = 0; i < box.size(); ++i) {
      const double slack = 1e-14 * std::max({1.0, std::abs(box[i].from), std::abs(box[i].to)});
      stays = stays && image[i].from >= box[i].from - slack && image[i].to <= box[i].to + slack;
      box[i] = {std::min(box[i].from, image[i].from), std::max(box[i].to, image[i].to)};
      bounded = bounded && std::abs(box[i].from) < beyond && std::abs(box[i].to) < beyond;
    }
    if (stays) return box;
    if (!bounded) break;
  }
  throw InputError(fmt::format("{} maps no bounded range into itself when it is repeated: its "
                               "interval bounds grow without end; use a bounded activation or "
                               "smaller weights",
                               layer.name));
}

} // namespace komori::models
