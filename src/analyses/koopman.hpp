/// The driver `koopman`: transfer and Koopman operators of maps, Markov chains and SDEs.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/checkpoint_input.hpp"
#include "analyses/coarse_sets.hpp"
#include "analyses/driver.hpp"
#include "analyses/transfer_spectrum.hpp"
#include "analyses/transfer_stationary.hpp"
#include "analyses/transfer_transitions.hpp"
#include "models/model.hpp"
#include "operators/face_flux.hpp"
#include "operators/ulam.hpp"
#include "spaces/axis.hpp"

namespace komori::analyses {

/// The name of the driver.
inline constexpr const char* koopman_name = "koopman";

/// The whole input file.
struct KoopmanInput {
  std::string title{};
  models::ModelInput model{.accepted = {"map", "chain", "sde"}};
  std::vector<std::pair<std::string, spaces::AxisInput>> grid{};
  std::optional<operators::UlamInput> ulam{};
  std::optional<operators::SchemeInput> scheme{};
  std::optional<TransferStationaryInput> stationary{};
  std::optional<TransferSpectrumInput> spectrum{};
  std::optional<TransferTransitionsInput> transitions{};
  std::optional<CoarseSetsInput> coarse_sets{};
  CheckpointInput checkpoint{};
};
void declare(config::Declarer& declarer, KoopmanInput& input);

Driver koopman_driver();

} // namespace komori::analyses
