#include "analyses/network_dictionary.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "operators/neuron_losses.hpp"

namespace komori::analyses {
namespace {

using base::UniqueVec;

/// Of its norm, what a function must add to others to count beside them.
constexpr double least_independent = 1e-7;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

std::vector<operators::PathFunction> wanted_functions(const models::Network& network,
                                                      const NetworkStudyInput& input) {
  std::vector<operators::PathFunction> functions;
  const auto last = static_cast<int>(network.depth());
  const bool outputs =
      (input.data && input.data->labels) || (input.reduction && input.reduction->keep == "outputs");
  for (std::size_t k = 0; outputs && k < network.width(network.depth()); ++k) {
    functions.push_back({.layer = last,
                         .value = [k](std::span<const double> y) { return y[k]; },
                         .name = fmt::format("output {}", k)});
  }
  if (!input.observable) return functions;
  const auto formula =
      std::make_shared<config::Formula>(observable_formula(network, *input.observable));
  functions.push_back(
      {.layer = last,
       .value = [formula](std::span<const double> y) { return (*formula)(y); },
       .name = fmt::format("{}: 'observable.formula'", input.observable->formula.origin.text())});
  return functions;
}

UniqueVec copy_of(Vec vec) {
  UniqueVec copy = base::duplicate(vec);
  base::check(VecCopy(vec, copy.get()));
  return copy;
}

} // namespace

LayerDictionaryProblem::LayerDictionaryProblem(base::Session& its_session,
                                               const models::Network& its_network,
                                               const operators::NetworkData* its_data,
                                               const NetworkStudyInput& input,
                                               operators::SampledChain sampled)
    : LayerProblem(its_session, its_network, its_data), degree_(input.dictionary->degree),
      sampled_(std::move(sampled)) {}

SampledChains sampled_chains(base::Session& session, const models::Network& network,
                             const operators::NetworkData* data, const NetworkStudyInput& input,
                             io::Checkpoints* checkpoints) {
  const std::int64_t paths = balanced_paths(data, input.dictionary->samples);
  std::int64_t half = paths / 2;
  // Whole passes over data there, too, where there are several.
  if (data && paths >= 2 * data->fitted_rows()) {
    half = paths / data->fitted_rows() / 2 * data->fitted_rows();
  }
  auto chains = operators::sample_chains(session, network, *input.dictionary, {half, paths},
                                         wanted_functions(network, input),
                                         data ? data->inputs() : models::PathInputs(), checkpoints);
  return {.half = std::move(chains[0]), .whole = std::move(chains[1])};
}

io::Slab LayerDictionaryProblem::slab(int n) const {
  PetscInt size = 0;
  PetscInt begin = 0;
  PetscInt end = 0;
  base::check(VecGetSize(chain().weight(n), &size));
  base::check(VecGetOwnershipRange(chain().weight(n), &begin, &end));
  const auto entries = [](PetscInt i) { return static_cast<hsize_t>(i); };
  return {.shape = {entries(size)}, .start = {entries(begin)}, .count = {entries(end - begin)}};
}

UniqueVec LayerDictionaryProblem::observable(const NetworkObservableInput&) const {
  return copy_of(sampled_.functions.back().get());
}

std::vector<UniqueVec> LayerDictionaryProblem::outputs() const {
  std::vector<UniqueVec> all;
  for (std::size_t k = 0; k < network().width(at(depth())); ++k) {
    all.push_back(copy_of(sampled_.functions[k].get()));
  }
  return all;
}

UniqueVec LayerDictionaryProblem::initial(const std::optional<NetworkDensityInput>&) const {
  // Relative to the inputs that paths start from their density is 1, the first function.
  const auto size = static_cast<Eigen::Index>(sampled_.dictionaries[0].size());
  return operators::coefficients(sampled_, 0, Eigen::VectorXd::Unit(size, 0));
}

std::vector<std::unique_ptr<operators::LayerProjection>>
LayerDictionaryProblem::projections(const NetworkProjectionInput& input) const {
  std::vector<std::unique_ptr<operators::LayerProjection>> projections;
  const auto kept = kept_variables(network(), input);
  for (int n = 0; n <= depth(); ++n) {
    const auto keeps = [&](std::size_t i) {
      if (input.kind == "linear") return sampled_.dictionaries[at(n)].linear(i);
      if (input.kind == "basis") return i < static_cast<std::size_t>(input.rank);
      const std::int64_t neuron = sampled_.dictionaries[at(n)].neuron(i);
      if (kept[at(n)].size() == network().width(at(n))) return true;
      return neuron == -1 || std::find(kept[at(n)].begin(), kept[at(n)].end(),
                                       static_cast<int>(neuron)) != kept[at(n)].end();
    };
    const auto size = static_cast<Eigen::Index>(sampled_.dictionaries[at(n)].size());
    std::vector<Eigen::Index> chosen;
    for (Eigen::Index i = 0; i < size; ++i) {
      if (keeps(static_cast<std::size_t>(i))) chosen.push_back(i);
    }
    projections.push_back(operators::project_on(sampled_, n, chosen, least_independent));
  }
  return projections;
}

std::vector<double>
LayerDictionaryProblem::losses(int n, const std::vector<Vec>& functions,
                               const std::function<void(double share)>& look) const {
  return operators::neuron_losses(sampled_, n, functions, least_independent, look);
}

bool wide_expectation(LayerDictionaryProblem& problem, LayerDictionaryProblem& half,
                      const NetworkStudyInput& input, io::ResultFile& file) {
  base::Phase phase(problem.log(), "expectation");
  const UniqueVec u = problem.observable(*input.observable);
  const UniqueVec half_u = half.observable(*input.observable);
  const auto functions = NetworkProblem::expectations(problem.chain(), u.get());
  const auto others = NetworkProblem::expectations(half.chain(), half_u.get());
  std::vector<double> norms;
  std::vector<double> errors;
  std::vector<double> ranks;
  std::vector<std::vector<std::string>> rows;
  for (int n = 0; n <= problem.depth(); ++n) {
    norms.push_back(problem.chain().norm(n, functions[at(n)].get()));
    errors.push_back(std::abs(norms.back() - half.chain().norm(n, others[at(n)].get())));
    ranks.push_back(static_cast<double>(problem.sampled().combine[at(n)].cols()));
    rows.push_back({fmt::format("layer {}", n),
                    std::to_string(problem.sampled().dictionaries[at(n)].size()),
                    fmt::format("{:g}", ranks.back()), fmt::format("{:.8g}", norms.back()),
                    fmt::format("{:.1e}", errors.back())});
  }
  const double square = std::pow(norms.back(), 2) + problem.missed();
  const double share = square > 0 ? problem.missed() / square : 0;
  phase.finish(fmt::format("{} paths", problem.sampled().samples));
  const std::string text = input.observable->formula.text;
  problem.log().table(fmt::format("E[{} | X_n] on dictionaries", text),
                      {"layer", "functions", "independent", "root mean square", "sampling error"},
                      rows);
  if (share > 1e-6) {
    problem.log().warning(fmt::format("the dictionary of the outputs misses {:.2g} of the mean "
                                      "square of the observable; add functions ('degree', "
                                      "'outputs', 'features')",
                                      share));
  }
  const auto layers = static_cast<hsize_t>(norms.size());
  file.write_small("/expectation/norms", norms, {layers},
                   {{"meaning", fmt::format("root mean square of E[{} | X_n] over paths", text)},
                    {"unit", "-"},
                    {"missed", share}});
  file.write_small("/expectation/norms_error", errors, {layers},
                   {{"meaning", "difference from half the paths"}, {"unit", "-"}});
  file.write_small("/expectation/ranks", ranks, {layers},
                   {{"meaning", "independent functions of each layer"}, {"unit", "-"}});
  const UniqueVec one = problem.initial(input.density);
  const UniqueVec half_one = half.initial(input.density);
  const double mean = problem.chain().dot(0, one.get(), functions[0].get());
  const double mean_error = std::abs(mean - half.chain().dot(0, half_one.get(), others[0].get()));
  file.write_small("/expectation/mean", std::vector<double>{mean}, {},
                   {{"meaning", "mean of the observable over the inputs of the paths"},
                    {"unit", "-"},
                    {"sampling_error", mean_error}});
  problem.log().line(
      fmt::format("  mean over the inputs: {:.8g} (sampling error {:.1e})", mean, mean_error));
  if (!input.expectation || input.expectation->points.empty()) return true;
  const auto& points = input.expectation->points;
  const int layer = static_cast<int>(input.expectation->layer);
  std::vector<double> flat;
  for (const auto& point : points) flat.insert(flat.end(), point.begin(), point.end());
  const std::vector<double> values =
      operators::values_at(problem.sampled(), layer, functions[at(layer)].get(), flat);
  const std::vector<double> half_values =
      operators::values_at(half.sampled(), layer, others[at(layer)].get(), flat);
  std::vector<double> value_errors;
  for (std::size_t i = 0; i < values.size(); ++i) {
    value_errors.push_back(std::abs(values[i] - half_values[i]));
  }
  const auto count = static_cast<hsize_t>(values.size());
  file.write_small(
      "/expectation/points", flat, {count, points[0].size()},
      {{"meaning", fmt::format("points of layer {}", layer)}, {"unit", "of the variables"}});
  file.write_small(
      "/expectation/values", values, {count},
      {{"meaning", fmt::format("E[{} | X_{} = x] at the points", text, layer)}, {"unit", "-"}});
  file.write_small("/expectation/sampling_error", value_errors, {count},
                   {{"meaning", "difference from half the paths"}, {"unit", "-"}});
  return true;
}

} // namespace komori::analyses
