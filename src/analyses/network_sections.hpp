/// The sections of the driver `network`: what each solves, writes and prints.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "analyses/network.hpp"
#include "analyses/network_problem.hpp"
#include "config/formula.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// All sections return false where what they write is not certain; throw ConvergenceError. They are
/// collective.

/// The observable as a formula of the outputs. Throws InputError. Local.
config::Formula observable_formula(const models::Network& network,
                                   const NetworkObservableInput& input);
/// Throws InputError where points or layers do not fit the network. Local.
void validate(const models::Network& network, const NetworkExpectationInput& input);
void validate(const models::Network& network, const NetworkProbabilityInput& input);
/// Throws InputError where the observable has a pole in the ranges of the outputs, and so no mean.
/// Local.
void require_mean(const models::Network& network, const NetworkObservableInput& input);
/// The condition of the section `probability` as a formula of the outputs, by the names that the
/// observable has for them. Throws InputError. Local.
config::Formula probability_formula(const models::Network& network, const NetworkStudyInput& input);
/// Whether a point lies in that set: the formula is neither 0 nor without a value. Local.
inline bool holds(const config::Formula& set, std::span<const double> y) {
  const double value = set(y);
  return value < 0 || value > 0;
}
/// Throws InputError where a formula has no finite value at a point of its layer's grid, a density
/// is negative or 0 everywhere, or more values are asked for than a layer has points. Collective.
void validate_on_grids(MPI_Comm comm, const models::Network& network,
                       const NetworkStudyInput& input, const std::vector<LayerPlan>& plan);
/// Peak memory of a rank, in bytes, of a study on grids. Local.
double predicted_bytes(const models::Network& network, const std::vector<LayerPlan>& plan,
                       const NetworkStudyInput& input, int ranks);
/// The variables that a projection keeps, per layer; all of them where none is named. Throws
/// InputError for names that are no variable. Local.
std::vector<std::vector<int>> kept_variables(const models::Network& network,
                                             const NetworkProjectionInput& input);

/// `coarse`: the same problem with half the cells, for error estimates.
bool expectation(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 io::ResultFile& file);
bool density(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
             io::ResultFile& file);
bool probability(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 io::ResultFile& file);
bool norms(LayerProblem& problem, LayerProblem& coarse, const NetworkNormsInput& input,
           io::ResultFile& file);
bool memory(LayerProblem& problem, LayerProblem& coarse, const NetworkStudyInput& input,
            io::ResultFile& file);
/// Values that the section `expectation` has at its points, with their errors.
struct PointValues {
  std::vector<double> values{};
  std::vector<double> errors{};
};
PointValues point_values(NetworkProblem& problem, NetworkProblem& coarse,
                         const NetworkStudyInput& input);
/// Compares operators with paths sampled by all ranks; false where they contradict each other.
bool monte_carlo(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 const PointValues& points, io::ResultFile& file);
bool layer_spectrum(NetworkProblem& problem, const NetworkStudyInput& input, io::ResultFile& file);

/// P(the outputs lie in the set of the section `probability` | X_n) on the grid of every layer,
/// for the density of the inputs, and at the points of the section.
struct Probabilities {
  std::vector<base::UniqueVec> functions{};
  double total = 0;
  std::vector<double> at_points{};
};
Probabilities probabilities(NetworkProblem& problem, const NetworkStudyInput& input);

/// The density of the inputs, of integral 1: that of the formula, or uniform. Throws InputError
/// where it is negative or has no integral.
base::UniqueVec initial_density(const NetworkProblem& problem,
                                const std::optional<NetworkDensityInput>& input);
/// Densities of all layers for that of the inputs. Rows of data are taken as the points they are;
/// only the density of the inputs themselves shows their share per cell. Collective.
std::vector<base::UniqueVec> all_densities(NetworkProblem& problem,
                                           const std::optional<NetworkDensityInput>& input);
/// The mean over the inputs of E[u | X_0], where `functions` are those of all layers by `chain`;
/// over the rows of data where there are any. Collective.
double mean_over_inputs(const NetworkProblem& problem, const operators::LayerChain& chain,
                        operators::Integrand integrand,
                        const std::optional<NetworkDensityInput>& input,
                        const std::vector<base::UniqueVec>& functions);
/// Layers shrunk to what their projections resolve, neurons ranked by the cost of dropping them,
/// and the network without those that cost less than the tolerance.
bool reduction(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file);
/// What reductions keep, as functions of the last layer.
std::vector<base::UniqueVec> kept_functions(const LayerProblem& problem,
                                            const NetworkStudyInput& input);
/// Its second half: networks with fewer layers, and with fewer neurons.
void prune(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file);
/// How many rows of the data the network classifies rightly, without noise and with it.
bool accuracy(LayerProblem& problem, io::ResultFile& file);
/// Writes the axes of the layer's grid as /layers/<n>/<variable>, once.
void write_layer_axes(const NetworkProblem& problem, int n, io::ResultFile& file);

} // namespace komori::analyses
