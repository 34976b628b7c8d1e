/// The driver `network`: a neural network as a chain of operators between its layers.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/checkpoint_input.hpp"
#include "analyses/driver.hpp"
#include "models/model.hpp"
#include "operators/layer_dictionary.hpp"
#include "operators/network_data.hpp"

namespace komori::analyses {

/// The name of the driver.
inline constexpr const char* network_name = "network";

/// `layers` as written: how functions of the layers are held on grids.
struct NetworkLayersInput {
  std::vector<double> cells{};
  std::int64_t order = 0;
  std::vector<std::pair<std::string, std::vector<double>>> ranges{};
  std::string bounds = "weights";
  config::Origin origin{};
};
void declare(config::Declarer& declarer, NetworkLayersInput& input);

/// `observable` as written: a function u of the last layer.
struct NetworkObservableInput {
  std::vector<std::string> variables{};
  config::FormulaText formula{};
};
void declare(config::Declarer& declarer, NetworkObservableInput& input);

/// `expectation` as written: E[u(X_L) | X_n = x].
struct NetworkExpectationInput {
  std::vector<double> layers{};
  std::int64_t layer = 0;
  std::vector<std::vector<double>> points{};
};
void declare(config::Declarer& declarer, NetworkExpectationInput& input);

/// `density` as written.
struct NetworkDensityInput {
  config::FormulaText initial{};
};
void declare(config::Declarer& declarer, NetworkDensityInput& input);

/// `probability` as written: that the output lies in a set.
struct NetworkProbabilityInput {
  config::FormulaText set{};
  std::vector<std::vector<double>> points{};
};
void declare(config::Declarer& declarer, NetworkProbabilityInput& input);

/// `norms` as written.
struct NetworkNormsInput {
  std::int64_t values = 1;
  bool products = true;
  double contraction = 0.5;
  double tolerance = 1e-10;
};
void declare(config::Declarer& declarer, NetworkNormsInput& input);

/// `projection` as written.
struct NetworkProjectionInput {
  std::string kind{};
  std::string family = "legendre";
  std::int64_t rank = 2;
  std::vector<std::string> neurons{};
  config::Origin origin{};
};
void declare(config::Declarer& declarer, NetworkProjectionInput& input);

/// `memory` as written.
struct NetworkMemoryInput {
  std::string direction = "backward";
};
void declare(config::Declarer& declarer, NetworkMemoryInput& input);

/// `reduction` as written.
struct NetworkReductionInput {
  double tolerance = 1e-2;
  std::string keep = "observable";
  double accuracy_loss = 0; ///< 0: not given
};
void declare(config::Declarer& declarer, NetworkReductionInput& input);

/// `spectrum` as written: of one layer, repeated without end.
struct NetworkSpectrumInput {
  std::int64_t layer = 0;
  std::int64_t pairs = 6;
  double tolerance = 1e-10;
};
void declare(config::Declarer& declarer, NetworkSpectrumInput& input);

/// `monte_carlo` as written.
struct NetworkMonteCarloInput {
  std::int64_t samples = 100'000;
  std::int64_t seed = 1;
};
void declare(config::Declarer& declarer, NetworkMonteCarloInput& input);

/// The whole input file.
struct NetworkStudyInput {
  std::string title{};
  models::ModelInput model{.accepted = {"network"}};
  std::optional<NetworkLayersInput> layers{};
  std::string matrix = "auto";
  std::optional<operators::LayerDictionaryInput> dictionary{};
  std::optional<operators::NetworkDataInput> data{};
  std::optional<NetworkObservableInput> observable{};
  std::optional<NetworkExpectationInput> expectation{};
  std::optional<NetworkDensityInput> density{};
  std::optional<NetworkProbabilityInput> probability{};
  std::optional<NetworkNormsInput> norms{};
  std::optional<NetworkProjectionInput> projection{};
  std::optional<NetworkMemoryInput> memory{};
  std::optional<NetworkReductionInput> reduction{};
  std::optional<NetworkSpectrumInput> spectrum{};
  std::optional<NetworkMonteCarloInput> monte_carlo{};
  CheckpointInput checkpoint{};
};
void declare(config::Declarer& declarer, NetworkStudyInput& input);

Driver network_driver();

} // namespace komori::analyses
