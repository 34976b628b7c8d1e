#include "operators/network_state_dict.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::operators {
namespace {

using base::InputError;

/// Of all layers together.
constexpr hsize_t most_weights = hsize_t{1} << 25;

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

/// The digits of a number at `from`, without leading zeros.
std::string digits_at(const std::string& text, std::size_t& from) {
  std::string digits;
  for (; from < text.size() && is_digit(text[from]); ++from) digits += text[from];
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

/// Whether a comes before b, where numbers within names count as numbers.
struct NaturalOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
      if (is_digit(a[i]) && is_digit(b[j])) {
        const std::string left = digits_at(a, i);
        const std::string right = digits_at(b, j);
        if (left.size() != right.size()) return left.size() < right.size();
        if (left != right) return left < right;
        continue;
      }
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
    return std::pair(a.size() - i, a) < std::pair(b.size() - j, b);
  }
};

/// "a/b/" of "/a/b", nothing of "/".
std::string prefix_of(const std::string& group) {
  const auto begin = group.find_first_not_of('/');
  if (begin == std::string::npos) return {};
  return group.substr(begin, group.find_last_not_of('/') - begin + 1) + '/';
}

/// The activation of layer `n` of `count`.
std::string word_of(const std::vector<std::string>& words, std::size_t n, std::size_t count) {
  if (words.size() == count) return words[n];
  return n + 1 < count ? words.front() : "identity";
}

/// What a layer may have beside its weight.
const std::set<std::string> layer_parts{"weight", "bias",     "activation", "formula",
                                        "slope",  "residual", "noise"};

/// The parts that each layer has, by its name.
using Parts = std::map<std::string, std::set<std::string>, NaturalOrder>;

/// A name whose numbers are all alike.
std::string without_numbers(const std::string& name) {
  std::string kept;
  for (const char c : name) {
    if (!is_digit(c)) kept += c;
    if (is_digit(c) && !kept.ends_with('#')) kept += '#';
  }
  return kept;
}

/// The names of all layers from the first to the last.
std::vector<std::string> ordered(const std::string& path, const Parts& found,
                                 const std::vector<std::string>& order) {
  std::vector<std::string> names;
  for (const auto& [name, parts] : found) names.push_back(name);
  if (!order.empty()) {
    std::vector<std::string> sorted = order;
    std::sort(sorted.begin(), sorted.end(), NaturalOrder());
    if (sorted == names) return order;
    throw InputError(fmt::format("'{}': 'model.order' is [{}], but must have each of its layers "
                                 "once: {}",
                                 path, fmt::join(order, ", "), fmt::join(names, ", ")));
  }
  const auto other = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
    return without_numbers(name) != without_numbers(names.front());
  });
  if (other == names.end()) return names;
  throw InputError(fmt::format("'{}': the names '{}' and '{}' do not say which layer comes first; "
                               "give all in their order, e.g. 'order: [{}]' in 'model'",
                               path, names.front(), *other, fmt::join(names, ", ")));
}

/// What komori's own files say of a layer beside its weights and biases.
void read_extras(const io::ReadFile& file, const std::string& name,
                 const std::set<std::string>& parts, models::NetworkLayer& layer) {
  constexpr hsize_t longest_word = 16;
  if (parts.contains("activation")) {
    layer.activation.clear();
    std::istringstream words(
        file.read_text(name + ".activation", longest_word * layer.neurons + longest_word));
    for (std::string word; words >> word;) {
      layer.activation.push_back(models::activation_of(word));
    }
    if (layer.activation.size() != 1 && layer.activation.size() != layer.neurons) {
      throw InputError(fmt::format("'{}': '{}.activation' has {} words, but the layer has {} "
                                   "neurons; one word, or one per neuron, is needed",
                                   file.path(), name, layer.activation.size(), layer.neurons));
    }
  }
  if (parts.contains("formula")) {
    constexpr hsize_t longest = hsize_t{1} << 16;
    const std::string key = name + ".formula";
    const config::FormulaText text{file.read_text(key, longest), {file.path(), 0}, key};
    layer.formula = std::make_shared<config::Formula>(text, std::vector<std::string>{"z"});
    layer.activation = {models::Activation::identity}; // nothing else is applied
  }
  if (parts.contains("slope")) layer.slope = file.read_small(name + ".slope", 1).at(0);
  if (parts.contains("residual"))
    layer.residual = file.read_small(name + ".residual", 1).at(0) != 0;
  if (!parts.contains("noise")) return;
  const std::vector<hsize_t> shape = file.shape(name + ".noise");
  if (shape != std::vector<hsize_t>{layer.neurons, 3}) {
    throw InputError(fmt::format("'{}': '{}.noise' must have three numbers for each of {} neurons",
                                 file.path(), name, layer.neurons));
  }
  const std::vector<double> rows = file.read_small(name + ".noise", 3 * layer.neurons);
  layer.noise.clear();
  for (std::size_t i = 0; i < layer.neurons; ++i) {
    const double kind = rows[3 * i];
    const double reach = rows[3 * i + 1];
    const double sigma = rows[3 * i + 2];
    const bool known = kind == 0 || kind == 1 || kind == 2 || kind == 3;
    if (!known || (kind > 0 && !(reach > 0)) || (kind > 1 && !(sigma > 0))) {
      throw InputError(fmt::format("'{}': row {} of '{}.noise' is no noise: kind {}, reach {}, "
                                   "sigma {}",
                                   file.path(), i, name, kind, reach, sigma));
    }
    switch (static_cast<models::NoiseKind>(static_cast<int>(kind))) {
    case models::NoiseKind::none:
      layer.noise.emplace_back();
      break;
    case models::NoiseKind::uniform:
      layer.noise.push_back(models::NeuronNoise::uniform(reach));
      break;
    case models::NoiseKind::gaussian:
      layer.noise.push_back(models::NeuronNoise::gaussian(sigma, reach / sigma));
      break;
    case models::NoiseKind::truncated_gaussian:
      layer.noise.push_back(models::NeuronNoise::truncated_gaussian(sigma, reach));
      break;
    }
  }
}

} // namespace

std::vector<models::NetworkLayer> layers_of_state_dict(const io::ReadFile& file,
                                                       const StateDict& how) {
  const auto& [activations, order, group] = how;
  Parts found;
  const std::string prefix = prefix_of(group);
  for (const std::string& path : file.datasets()) {
    if (!path.starts_with(prefix)) continue;
    const std::string name = path.substr(prefix.size());
    const std::size_t dot = name.rfind('.');
    const std::string part = dot == std::string::npos ? name : name.substr(dot + 1);
    if (dot == std::string::npos || !layer_parts.contains(part)) {
      throw InputError(fmt::format(
          "'{}': dataset '{}' is not understood; a network has '<layer>.weight' and "
          "'<layer>.bias' alone. Fold normalisation into the weights, or export to ONNX",
          file.path(), name));
    }
    found[name.substr(0, dot)].insert(part);
  }
  if (found.empty()) {
    throw InputError(fmt::format("'{}': it holds no network{}; datasets '0.weight', '0.bias', ... "
                                 "are needed",
                                 file.path(),
                                 prefix.empty() ? "" : fmt::format(" in '{}'", group)));
  }
  const bool own = activations.empty();
  if (own && std::any_of(found.begin(), found.end(), [](const auto& layer) {
        return !layer.second.contains("activation") && !layer.second.contains("formula");
      })) {
    throw InputError(
        fmt::format("'{}' holds weights alone; give their activations, e.g. 'activations: [tanh]'",
                    file.path()));
  }
  if (!own && activations.size() != found.size() && activations.size() != 1) {
    throw InputError(fmt::format("'{}': it has {} layers, but 'model.activations' has {} words; "
                                 "give one per layer, or one for all but the last",
                                 file.path(), found.size(), activations.size()));
  }
  std::vector<models::NetworkLayer> layers;
  std::string before;
  hsize_t left = most_weights;
  for (const std::string& name : ordered(file.path(), found, order)) {
    const std::set<std::string>& parts = found.at(name);
    if (!parts.contains("weight")) {
      throw InputError(fmt::format("'{}': there is a '{}.{}', but no '{}.weight'", file.path(),
                                   name, *parts.begin(), name));
    }
    const std::vector<hsize_t> shape = file.shape(prefix + name + ".weight");
    if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) {
      throw InputError(fmt::format("'{}': '{}.weight' has {} axes or no entries, but must be a "
                                   "matrix [neurons, inputs]",
                                   file.path(), name, shape.size()));
    }
    if (!layers.empty() && layers.back().neurons != shape[1]) {
      throw InputError(fmt::format("'{}': '{}.weight' has the shape [{}, {}], but the layer "
                                   "before it, '{}', has {} neurons",
                                   file.path(), name, shape[0], shape[1], before,
                                   layers.back().neurons));
    }
    models::NetworkLayer layer{.name = fmt::format("'{}': '{}'", file.path(), name),
                               .neurons = shape[0],
                               .inputs = shape[1],
                               .weight = file.read_small(prefix + name + ".weight", left),
                               .activation = {}};
    read_extras(file, prefix + name, parts, layer);
    if (!own) {
      layer.activation = {models::activation_of(word_of(activations, layers.size(), found.size()))};
      layer.formula.reset();
    }
    left -= layer.weight.size();
    layer.bias.assign(layer.neurons, 0.0);
    if (parts.contains("bias")) {
      const std::vector<hsize_t> entries = file.shape(prefix + name + ".bias");
      if (entries.size() != 1 || entries[0] != shape[0]) {
        throw InputError(fmt::format("'{}': '{}.bias' does not fit '{}.weight': {} neurons need "
                                     "as many biases in one list",
                                     file.path(), name, name, shape[0]));
      }
      layer.bias = file.read_small(prefix + name + ".bias", shape[0]);
    }
    layers.push_back(std::move(layer));
    before = name;
  }
  return layers;
}

} // namespace komori::operators
