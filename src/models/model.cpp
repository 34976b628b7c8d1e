#include "models/model.hpp"

#include <algorithm>
#include <type_traits>

namespace komori::models {
namespace {

/// The keys of one kind in a section of their own, for --help.
template <class Input> struct KeysOf { Input& input; };
template <class Input> void declare(config::Declarer& declarer, KeysOf<Input>& keys) {
  declare_keys(declarer, keys.input);
}

} // namespace

void declare(config::Declarer& declarer, ModelInput& input) {
  declarer.choice("kind", input.kind, input.accepted,
                  {.help = "What the model is; it decides which of the keys below belong to it. "
                           "sde: a stochastic differential equation; map: a map with or without "
                           "noise; flow: a differential equation followed over a lag; chain: a "
                           "matrix of transition probabilities or rates; "
                           "trajectory: frames of time series in files; network: the layers of a "
                           "neural network.",
                   .need = config::Need::required});
  if (input.kind == "sde") declare_keys(declarer, input.sde);
  if (input.kind == "map") declare_keys(declarer, input.map);
  if (input.kind == "flow") declare_keys(declarer, input.flow);
  if (input.kind == "chain") declare_keys(declarer, input.chain);
  if (input.kind == "trajectory") declare_keys(declarer, input.trajectory);
  if (input.kind == "network") declare_keys(declarer, input.network);
  if (!input.kind.empty()) return;
  // Where no kind was chosen, in --help, every kind shows its keys.
  const auto show = [&](const char* kind, auto& keys) {
    const auto& accepted = input.accepted;
    if (std::find(accepted.begin(), accepted.end(), kind) == accepted.end()) return;
    KeysOf<std::remove_reference_t<decltype(keys)>> of{keys};
    declarer.section("<of kind " + std::string(kind) + ">", of,
                     {.help = "Keys of this kind, written beside 'kind'."});
  };
  show("sde", input.sde);
  show("map", input.map);
  show("flow", input.flow);
  show("chain", input.chain);
  show("trajectory", input.trajectory);
  show("network", input.network);
}

} // namespace komori::models
