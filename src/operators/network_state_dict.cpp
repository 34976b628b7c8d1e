#include "operators/network_state_dict.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>
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

} // namespace

std::vector<models::NetworkLayer> layers_of_state_dict(const io::ReadFile& file,
                                                       const std::vector<std::string>& activations,
                                                       const std::string& group) {
  struct Parts {
    bool weight = false;
    bool bias = false;
  };
  std::map<std::string, Parts, NaturalOrder> found;
  const std::string prefix = prefix_of(group);
  for (const std::string& path : file.datasets()) {
    if (!path.starts_with(prefix)) continue;
    const std::string name = path.substr(prefix.size());
    const std::size_t dot = name.rfind('.');
    const std::string part = dot == std::string::npos ? name : name.substr(dot + 1);
    if (dot == std::string::npos || (part != "weight" && part != "bias")) {
      throw InputError(fmt::format(
          "'{}': dataset '{}' is not understood; a network has '<layer>.weight' and "
          "'<layer>.bias' alone. Fold normalisation into the weights, or export to ONNX",
          file.path(), name));
    }
    Parts& parts = found[name.substr(0, dot)];
    (part == "weight" ? parts.weight : parts.bias) = true;
  }
  if (found.empty()) {
    throw InputError(fmt::format("'{}': it holds no network{}; datasets '0.weight', '0.bias', ... "
                                 "are needed",
                                 file.path(),
                                 prefix.empty() ? "" : fmt::format(" in '{}'", group)));
  }
  if (activations.size() != found.size() && activations.size() != 1) {
    throw InputError(fmt::format("'{}': it has {} layers, but 'model.activations' has {} words; "
                                 "give one per layer, or one for all but the last",
                                 file.path(), found.size(), activations.size()));
  }
  std::vector<models::NetworkLayer> layers;
  std::string before;
  hsize_t left = most_weights;
  for (const auto& [name, parts] : found) {
    if (!parts.weight) {
      throw InputError(
          fmt::format("'{}': there is a '{}.bias', but no '{}.weight'", file.path(), name, name));
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
    models::NetworkLayer layer{
        .name = fmt::format("'{}': '{}'", file.path(), name),
        .neurons = shape[0],
        .inputs = shape[1],
        .weight = file.read_small(prefix + name + ".weight", left),
        .activation = {models::activation_of(word_of(activations, layers.size(), found.size()))}};
    left -= layer.weight.size();
    layer.bias.assign(layer.neurons, 0.0);
    if (parts.bias) {
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
