/// The driver `koopman`: transfer and Koopman operators of maps, flows, Markov chains, SDEs
/// and trajectories.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/chapman_kolmogorov.hpp"
#include "analyses/checkpoint_input.hpp"
#include "analyses/coarse_sets.hpp"
#include "analyses/coherent_sets.hpp"
#include "analyses/counted_chain.hpp"
#include "analyses/dictionary_problem.hpp"
#include "analyses/driver.hpp"
#include "analyses/modes.hpp"
#include "analyses/pseudospectrum.hpp"
#include "analyses/time_scales.hpp"
#include "analyses/transfer_spectrum.hpp"
#include "analyses/transfer_stationary.hpp"
#include "analyses/transfer_transitions.hpp"
#include "models/model.hpp"
#include "operators/counts.hpp"
#include "operators/cover.hpp"
#include "operators/face_flux.hpp"
#include "operators/ulam.hpp"
#include "spaces/axis.hpp"

namespace komori::analyses {

/// The name of the driver.
inline constexpr const char* koopman_name = "koopman";

/// The whole input file.
struct KoopmanInput {
  std::string title{};
  models::ModelInput model{.accepted = {"map", "flow", "chain", "sde", "trajectory"}};
  std::vector<std::pair<std::string, spaces::AxisInput>> grid{};
  std::optional<operators::UlamInput> ulam{};
  std::optional<DictionarySection> dictionary{};
  std::optional<spaces::SamplingInput> sampling{};
  std::optional<operators::SchemeInput> scheme{};
  std::optional<operators::CountsInput> counts{};
  std::optional<TransferStationaryInput> stationary{};
  std::optional<TransferSpectrumInput> spectrum{};
  std::optional<PseudospectrumInput> pseudospectrum{};
  std::optional<ModesInput> modes{};
  std::optional<TimeScalesInput> time_scales{};
  std::optional<ChapmanKolmogorovInput> chapman_kolmogorov{};
  std::optional<BootstrapInput> bootstrap{};
  std::optional<TransferTransitionsInput> transitions{};
  std::optional<CoarseSetsInput> coarse_sets{};
  std::optional<CoherentSetsInput> coherent_sets{};
  std::optional<operators::CoverInput> cover{};
  CheckpointInput checkpoint{};
};
void declare(config::Declarer& declarer, KoopmanInput& input);

Driver koopman_driver();

} // namespace komori::analyses
