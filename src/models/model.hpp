/// The `model` section of a driver that takes several kinds of model.
#pragma once

#include <string>

#include "config/declaration.hpp"
#include "models/chain.hpp"
#include "models/flow.hpp"
#include "models/map.hpp"
#include "models/network.hpp"
#include "models/sde.hpp"
#include "models/trajectory.hpp"

namespace komori::models {

/// `model` as written. `accepted` is what the driver takes, of sde, map, flow, chain, trajectory
/// and network; only the input of the kind chosen is filled.
struct ModelInput {
  config::Words accepted{};
  std::string kind{};
  SdeInput sde{};
  MapInput map{};
  FlowInput flow{};
  ChainInput chain{};
  TrajectoryInput trajectory{};
  NetworkInput network{};
};
void declare(config::Declarer& declarer, ModelInput& input);

} // namespace komori::models
