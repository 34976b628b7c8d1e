/// The driver `fokker_planck`: an SDE in a YAML file, its density, spectrum, evolution, passages.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/checkpoint_input.hpp"
#include "analyses/driver.hpp"
#include "analyses/evolution.hpp"
#include "analyses/spectrum.hpp"
#include "analyses/stationary.hpp"
#include "analyses/transitions.hpp"
#include "models/sde.hpp"
#include "operators/face_flux.hpp"
#include "spaces/axis.hpp"

namespace komori::analyses {

/// The whole input file.
struct FokkerPlanckInput {
  std::string title;
  models::SdeInput model;
  std::vector<std::pair<std::string, spaces::AxisInput>> grid;
  std::string matrix = "auto"; ///< key `operator`
  operators::SchemeInput scheme;
  std::optional<StationaryInput> stationary;
  std::optional<SpectrumInput> spectrum;
  std::optional<TransitionsInput> transitions;
  std::optional<EvolveInput> evolve;
  CheckpointInput checkpoint;
};
void declare(config::Declarer& declarer, FokkerPlanckInput& input);

/// The axes of the grid in the order of the model's variables. Throws InputError where a variable
/// has no axis or an axis no variable.
std::vector<spaces::Axis>
make_axes(const models::SdeInput& model,
          const std::vector<std::pair<std::string, spaces::AxisInput>>& grid);

Driver fokker_planck_driver();

} // namespace komori::analyses
