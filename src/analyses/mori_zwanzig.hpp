/// The driver `mori_zwanzig`: the memory of what is seen of a system, and how it decays.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/checkpoint_input.hpp"
#include "analyses/counted_chain.hpp"
#include "analyses/driver.hpp"
#include "analyses/memory_input.hpp"
#include "models/model.hpp"
#include "operators/face_flux.hpp"
#include "operators/resolved.hpp"
#include "operators/ulam.hpp"
#include "spaces/axis.hpp"

namespace komori::analyses {

/// The whole input file.
struct MoriZwanzigInput {
  std::string title{};
  models::ModelInput model{.accepted = {"sde", "map", "flow", "chain", "trajectory"}};
  std::vector<std::pair<std::string, spaces::AxisInput>> grid{};
  std::optional<operators::UlamInput> ulam{};
  std::optional<operators::SchemeInput> scheme{};
  std::optional<operators::CountsInput> counts{};
  std::optional<BootstrapInput> bootstrap{};
  operators::ProjectionInput projection{};
  MemoryInput memory{};
  CheckpointInput checkpoint{};
};
void declare(config::Declarer& declarer, MoriZwanzigInput& input);

Driver mori_zwanzig_driver();

} // namespace komori::analyses
