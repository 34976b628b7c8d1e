#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "models/network.hpp"

namespace komori::models {

void declare(config::Declarer& declarer, NetworkLayerInput& input) {
  using config::Range;
  declarer.real_rows("weight", input.weight,
                     {.help = "The weights W: a row per neuron of this layer, a column per neuron "
                              "of the layer before.",
                      .need = config::Need::required});
  declarer.reals("bias", input.bias, {.help = "The biases b, one per neuron; 0 when left out."},
                 {});
  declarer.choices("activation", input.activation, activation_words(),
                   std::max<std::size_t>(input.weight.size(), 1),
                   {.help = "What is applied to W x + b: one word for all neurons, or one each."});
  declarer.formula("formula", input.formula,
                   {.help = "In place of an activation, a function of z = W x + b, e.g. '0.9*z - "
                            "z^3'. Its range is found by evaluating it at 4097 points."});
  declarer.real("slope", input.slope, {.help = "leaky_relu: its slope for negative arguments."},
                Range::between(0, 1));
  declarer.boolean("residual", input.residual,
                   {.help = "Whether the layer's input is added after the activation."});
  declarer.section("noise", input.noise,
                   {.help = "What is added to the neurons at random; that of 'model.noise' when "
                            "left out."});
  declarer.names("variables", input.variables,
                 {.help = "Names of the neurons for formulas; x1_1, x1_2, ... (layer and neuron) "
                          "when left out."});
  declarer.integer("repeat", input.repeat,
                   {.help = "How many times the layer stands here, one after the other."},
                   Range::between(1, 100'000));
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  if (input.bias.empty()) input.bias.assign(input.weight.size(), 0.0);
  if (input.formula.given() && input.activation != std::vector<std::string>{"identity"}) {
    declarer.reject("formula", "stands in place of 'activation'; remove one of them");
  }
  if (input.repeat > 1 && input.weight.size() != input.weight.front().size()) {
    declarer.reject("repeat", fmt::format("needs a layer with as many neurons as inputs, but its "
                                          "weight is {} x {}",
                                          input.weight.size(), input.weight.front().size()));
  }
}

void declare_keys(config::Declarer& declarer, NetworkInput& input) {
  using config::Range;
  declarer.named_reals("input", "<variable>", input.input,
                       {.help = "network: the inputs by name, each with the range [lowest, "
                                "highest] of its values.",
                        .unit = "of the input"});
  declarer.reals("input_range", input.input_range,
                 {.help = "network: in place of 'input', the range [lowest, highest] of every "
                          "input; they are named x0_1, x0_2, ...",
                  .unit = "of the input"},
                 {});
  declarer.section_list("layers", input.layers,
                        {.help = "network: the layers, from the first to the last."});
  declarer.text("file", input.file,
                {.help =
                     "network: in place of 'layers', an ONNX file of a feed-forward network, or "
                     "an HDF5 file of PyTorch's state_dict: datasets 0.weight, 0.bias, ... Sought "
                     "in the current folder and then beside the input."});
  declarer.text("group", input.group,
                {.help = "network: of an HDF5 file, the group that holds the weights, e.g. "
                         "/reduction/network of a result."});
  declarer.texts("activations", input.activations,
                 {.help =
                      "network: of an HDF5 file, what is applied after each layer; one word "
                      "alone is for all layers but the last. Smaller networks in results say it "
                      "themselves."});
  declarer.texts("order", input.order,
                 {.help = "network: of an HDF5 file, its layers from the first to the last, e.g. "
                          "[encoder, decoder]; needed where their names differ in more than a "
                          "number."});
  declarer.real("slope", input.slope,
                {.help = "network: of an HDF5 file, leaky_relu's slope for negative arguments."},
                Range::between(0, 1));
  declarer.section_list("noises", input.noises,
                        {.help = "network: of a file, the noise of each layer, from the first to "
                                 "the last."});
  declarer.section("noise", input.noise,
                   {.help = "network: the noise of every layer that has none of its own."});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  if (input.input.empty() == input.input_range.empty()) {
    declarer.reject("", "of kind 'network' needs one of 'input' and 'input_range'; add e.g. "
                        "'input: {x: [-1, 1]}'");
  }
  if (!input.file.empty() && !input.layers.empty()) {
    declarer.reject("file", "stands in place of 'layers'; give one of them");
  }
  if (input.file.empty() && !input.activations.empty()) {
    declarer.reject("activations", "belongs to 'file'; layers have an 'activation' each");
  }
  if (input.file.empty() && !input.order.empty()) {
    declarer.reject("order", "belongs to 'file'; layers follow each other as they are written");
  }
  if (!input.noises.empty() && (input.file.empty() || input.noise)) {
    declarer.reject("noises", "belongs to 'file', and stands in place of 'noise'");
  }
  for (const std::string& word : input.activations) {
    const config::Words& words = activation_words();
    if (std::find(words.begin(), words.end(), word) != words.end()) continue;
    declarer.reject("activations",
                    fmt::format("holds '{}'; allowed are {}", word, fmt::join(words, ", ")));
  }
  const auto require_range = [&](const char* key, const std::string& what,
                                 const std::vector<double>& range) {
    if (range.size() == 2 && range[0] < range[1]) return;
    declarer.reject(key, what + "must be two numbers, the lower one first, e.g. [-1, 1]");
  };
  for (const auto& [name, range] : input.input) require_range("input", name + ": ", range);
  if (!input.input_range.empty()) require_range("input_range", "", input.input_range);
}

std::vector<NetworkLayer> inline_layers(const NetworkInput& input) {
  std::vector<NetworkLayer> layers;
  for (std::size_t i = 0; i < input.layers.size(); ++i) {
    const NetworkLayerInput& written = input.layers[i];
    const std::string key = fmt::format("model.layers[{}]", i);
    NetworkLayer layer{.name = fmt::format("{}: '{}'", written.origin.text(), key),
                       .neurons = written.weight.size(),
                       .inputs = written.weight.front().size(),
                       .bias = written.bias,
                       .activation = {},
                       .slope = written.slope,
                       .residual = written.residual,
                       .variables = written.variables};
    for (const auto& row : written.weight) {
      layer.weight.insert(layer.weight.end(), row.begin(), row.end());
    }
    for (const std::string& word : written.activation) {
      layer.activation.push_back(activation_of(word));
    }
    if (written.formula.given()) {
      layer.formula =
          std::make_shared<config::Formula>(written.formula, std::vector<std::string>{"z"});
    }
    if (written.noise)
      layer.noise = make_layer_noise(*written.noise, key + ".noise", layer.neurons);
    if (!written.noise && input.noise) {
      layer.noise = make_layer_noise(*input.noise, "model.noise", layer.neurons);
    }
    for (std::int64_t copy = 0; copy < written.repeat; ++copy) layers.push_back(layer);
  }
  return layers;
}

Network complete(const NetworkInput& input, std::vector<NetworkLayer> layers) {
  Network network{.input = {}, .layers = std::move(layers)};
  for (const auto& [name, range] : input.input) {
    network.input.push_back({name, {range[0], range[1]}});
  }
  if (!input.input_range.empty() && !network.layers.empty()) {
    for (std::size_t j = 0; j < network.layers.front().inputs; ++j) {
      network.input.push_back(
          {fmt::format("x0_{}", j + 1), {input.input_range[0], input.input_range[1]}});
    }
  }
  validate(network);
  return network;
}

Network make_network(const NetworkInput& input) {
  if (input.layers.empty()) {
    throw base::InputError(
        fmt::format("{}: 'model.layers' is missing; add e.g. 'layers: [{{weight: "
                    "[[1]], bias: [0], activation: tanh}}]', or 'file: net.onnx'",
                    input.origin.text()));
  }
  return complete(input, inline_layers(input));
}

} // namespace komori::models
