#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::InputError;
using base::UniqueVec;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

void require_points(const models::Network& network, std::size_t layer,
                    const std::vector<std::vector<double>>& points, const std::string& key) {
  const auto all = models::ranges(network);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].size() != network.width(layer)) {
      throw InputError(fmt::format("'{}[{}]' has {} coordinates, but layer {} has {} variables "
                                   "({})",
                                   key, i, points[i].size(), layer, network.width(layer),
                                   fmt::join(network.variables(layer), ", ")));
    }
    for (std::size_t k = 0; k < points[i].size(); ++k) {
      const models::Interval range = all[layer][k];
      if (points[i][k] >= range.from && points[i][k] <= range.to) continue;
      throw InputError(fmt::format("'{}[{}]': {} = {:g} lies outside its range [{:g}, {:g}]", key,
                                   i, network.variables(layer)[k], points[i][k], range.from,
                                   range.to));
    }
  }
}

/// E[u | X_layer = x]: from the expectations of the layer after, the step itself exact at x.
std::vector<double> at_points(const NetworkProblem& problem, int layer,
                              const std::vector<UniqueVec>& functions,
                              const config::Formula& formula,
                              const std::vector<std::vector<double>>& points) {
  std::vector<double> flat;
  for (const auto& point : points) flat.insert(flat.end(), point.begin(), point.end());
  if (layer == problem.depth()) {
    std::vector<double> values;
    for (const auto& point : points) values.push_back(formula(point));
    return values;
  }
  return operators::composition_at(problem.network().layers[at(layer)], problem.space(layer),
                                   problem.space(layer + 1), functions[at(layer) + 1].get(), flat);
}

std::vector<UniqueVec> all_expectations(const NetworkProblem& problem,
                                        const config::Formula& formula) {
  const UniqueVec u =
      problem.space(problem.depth()).sampled([&](std::span<const double> y) { return formula(y); });
  return NetworkProblem::expectations(problem.chain(), u.get());
}

} // namespace

config::Formula observable_formula(const models::Network& network,
                                   const NetworkObservableInput& input) {
  const std::size_t outputs = network.width(network.depth());
  if (!input.variables.empty() && input.variables.size() != outputs) {
    throw InputError(fmt::format("{}: 'observable.variables' has {} names, but the network has {} "
                                 "output{}",
                                 input.formula.origin.text(), input.variables.size(), outputs,
                                 outputs == 1 ? "" : "s"));
  }
  return {input.formula,
          input.variables.empty() ? network.variables(network.depth()) : input.variables};
}

void validate(const models::Network& network, const NetworkExpectationInput& input) {
  const auto require_layer = [&](double layer, const char* key) {
    if (layer == std::floor(layer) && layer <= static_cast<double>(network.depth())) return;
    throw InputError(fmt::format("'{}' is {:g}, but the layers are 0 (inputs) to {} (outputs)", key,
                                 layer, network.depth()));
  };
  for (const double layer : input.layers) require_layer(layer, "expectation.layers");
  require_layer(static_cast<double>(input.layer), "expectation.layer");
  require_points(network, static_cast<std::size_t>(input.layer), input.points,
                 "expectation.points");
}

void validate(const models::Network& network, const NetworkProbabilityInput& input) {
  require_points(network, 0, input.points, "probability.points");
}

void write_layer_axes(const NetworkProblem& problem, int n, io::ResultFile& file) {
  const operators::LayerSpace& space = problem.space(n);
  for (int k = 0; k < space.dimension(); ++k) {
    const std::string name = fmt::format("/layers/{}/{}", n, space.grid().axis(k).name());
    if (file.contains(name)) continue;
    const std::vector<double>& points = space.points(k);
    file.write_small(
        name, points, {static_cast<hsize_t>(points.size())},
        {{"meaning", fmt::format("points of layer {} along {}", n, space.grid().axis(k).name())},
         {"unit", std::string("of the variable")}});
  }
}

PointValues point_values(NetworkProblem& problem, NetworkProblem& coarse,
                         const NetworkStudyInput& input) {
  if (!input.observable || !input.expectation || input.expectation->points.empty()) return {};
  const config::Formula formula = observable_formula(problem.network(), *input.observable);
  const int layer = static_cast<int>(input.expectation->layer);
  const auto& points = input.expectation->points;
  PointValues result;
  result.values = at_points(problem, layer, all_expectations(problem, formula), formula, points);
  const std::vector<double> others =
      at_points(coarse, layer, all_expectations(coarse, formula), formula, points);
  for (std::size_t i = 0; i < others.size(); ++i) {
    result.errors.push_back(std::abs(result.values[i] - others[i]));
  }
  return result;
}

bool expectation(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 io::ResultFile& file) {
  const NetworkExpectationInput asked = input.expectation.value_or(NetworkExpectationInput{});
  const config::Formula formula = observable_formula(problem.network(), *input.observable);
  base::Phase phase(problem.log(), "expectation");
  const std::vector<UniqueVec> functions = all_expectations(problem, formula);
  const std::vector<UniqueVec> coarse_functions = all_expectations(coarse, formula);
  std::vector<std::vector<std::string>> rows;
  for (int n = 0; n <= problem.depth(); ++n) {
    const bool wanted = asked.layers.empty() || std::find(asked.layers.begin(), asked.layers.end(),
                                                          n) != asked.layers.end();
    const double norm = problem.chain().norm(n, functions[at(n)].get());
    // Gauss points of half the cells see the same function: their norms differ by its error.
    const double other = coarse.chain().norm(n, coarse_functions[at(n)].get());
    rows.push_back({fmt::format("layer {}", n), fmt::format("{:.10g}", norm),
                    fmt::format("{:.1e}", std::abs(norm - other))});
    if (!wanted) continue;
    write_layer_axes(problem, n, file);
    const base::ReadArray values(functions[at(n)].get());
    file.write(fmt::format("/expectation/layer_{}", n), values.span(),
               problem.space(n).grid().slab(),
               {{"meaning", fmt::format("E[{} | X_{} = x]", input.observable->formula.text, n)},
                {"unit", "-"},
                {"norm", norm},
                {"norm_error", std::abs(norm - other)},
                {"axes", problem.space(n).grid().names()}});
  }
  phase.finish(fmt::format("{} layers", problem.depth() + 1));
  problem.log().table(fmt::format("E[{} | X_n]", input.observable->formula.text),
                      {"layer", "norm in L2", "error of the grid"}, rows);
  const auto mean_of = [&](const NetworkProblem& one, const std::vector<UniqueVec>& own) {
    return mean_over_inputs(one, one.chain(), operators::Integrand::polynomials, input.density,
                            own);
  };
  const double mean = mean_of(problem, functions);
  const double mean_error = std::abs(mean - mean_of(coarse, coarse_functions));
  file.write_small("/expectation/mean", std::vector<double>{mean}, {},
                   {{"meaning", "mean of the observable for the density of the inputs"},
                    {"unit", "-"},
                    {"discretisation_error", mean_error}});
  problem.log().line(
      fmt::format("  mean over the inputs: {:.12g} (error of the grid {:.1e})", mean, mean_error));
  if (asked.points.empty()) return true;
  const int layer = static_cast<int>(asked.layer);
  const auto [values, errors] = point_values(problem, coarse, input);
  std::vector<double> flat;
  std::vector<std::vector<std::string>> table;
  for (std::size_t i = 0; i < values.size(); ++i) {
    flat.insert(flat.end(), asked.points[i].begin(), asked.points[i].end());
    table.push_back({fmt::format("{:g}", fmt::join(asked.points[i], ", ")),
                     fmt::format("{:.12g}", values[i]), fmt::format("{:.1e}", errors[i])});
  }
  const auto count = static_cast<hsize_t>(values.size());
  file.write_small(
      "/expectation/points", flat, {count, asked.points[0].size()},
      {{"meaning", fmt::format("points of layer {}", layer)}, {"unit", "of the variables"}});
  file.write_small("/expectation/values", values, {count},
                   {{"meaning", fmt::format("E[{} | X_{} = x] at the points",
                                            input.observable->formula.text, layer)},
                    {"unit", "-"}});
  file.write_small("/expectation/discretisation_error", errors, {count},
                   {{"meaning", "difference from half the cells"}, {"unit", "-"}});
  problem.log().table(fmt::format("E[{} | X_{} = x]", input.observable->formula.text, layer),
                      {"x", "value", "error of the grid"}, table);
  return true;
}

} // namespace komori::analyses
