#include "models/sde.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::models {
namespace {

using base::InputError;

std::string quoted(const config::Origin& origin, std::string_view path) {
  return fmt::format("{}: '{}'", origin.text(), path);
}

/// One formula per axis; a single formula serves all axes where `spread` allows it.
std::vector<config::Formula> per_axis(const config::FormulaArray& array, const SdeInput& input,
                                      std::string_view key, bool spread) {
  const std::size_t dimension = input.variables.size();
  if (array.rank == 2) {
    throw InputError(quoted(array.origin, key) +
                     fmt::format(" is a matrix, but must be one formula or a list of {} (one per "
                                 "variable): noise along the axes",
                                 dimension));
  }
  const std::size_t given = array.entries.size();
  if (given != dimension && !(spread && given == 1 && array.rank == 0)) {
    throw InputError(quoted(array.origin, key) +
                     fmt::format(" has {} formula{}, but the model has {} variable{}; give one per "
                                 "variable",
                                 given, given == 1 ? "" : "s", dimension,
                                 dimension == 1 ? "" : "s"));
  }
  std::vector<config::Formula> formulas;
  for (std::size_t k = 0; k < dimension; ++k) {
    formulas.emplace_back(array.entries[given == 1 ? 0 : k], input.variables, input.parameters);
  }
  return formulas;
}

} // namespace

void declare(config::Declarer& declarer, SdeInput& input) {
  declarer.choice("kind", input.kind, {"sde"},
                  {.help = "What the model is: a stochastic differential equation "
                           "dX = f dt + sqrt(2D) dW."});
  declare_keys(declarer, input);
}

void declare_keys(config::Declarer& declarer, SdeInput& input) {
  declarer.names("variables", input.variables,
                 {.help = "Names of the state variables, one per axis of the grid, at most six.",
                  .need = config::Need::required});
  declarer.constants("parameters", "<parameter>", input.parameters,
                     {.help = "Constants for all formulas and numbers; each may use those above."});
  declarer.formula("potential", input.potential,
                   {.help = "Potential V of the variables; adds -grad V to the drift.",
                    .unit = "variable^2/time"});
  declarer.formula_array("drift", input.drift,
                         {.help = "Drift f, one formula per variable.", .unit = "variable/time"});
  declarer.formula_array(
      "diffusion", input.diffusion,
      {.help = "Diffusion D >= 0: one formula, or one per variable.", .unit = "variable^2/time"});
  declarer.formula_array("noise", input.noise,
                         {.help = "Noise amplitude sigma in place of 'diffusion', D = sigma^2/2: "
                                  "one formula, or one per variable.",
                          .unit = "variable/time^0.5"});
  declarer.choice("convention", input.convention, {"ito", "stratonovich", "isothermal"},
                  {.help = "How to read noise that depends on the state."});
  if (!declarer.reading()) return;
  if (input.variables.size() > 6) {
    declarer.reject("variables", fmt::format("has {} names, but a grid has at most 6 dimensions",
                                             input.variables.size()));
  }
  if (!input.potential.given() && !input.drift.given()) {
    declarer.reject("", "needs 'potential' or 'drift'; add e.g. 'potential: (x^2-1)^2'");
  }
  if (input.diffusion.given() == input.noise.given()) {
    declarer.reject("", "needs one of 'diffusion' and 'noise'; add e.g. 'diffusion: 0.25'");
  }
}

Sde::Sde(const SdeInput& input)
    : variables_(input.variables), parameters_(input.parameters), from_noise_(input.noise.given()) {
  if (input.potential.given()) {
    potential_.emplace(input.potential, variables_, parameters_);
    potential_name_ = quoted(input.potential.origin, "model.potential");
  }
  if (input.drift.given()) drift_ = per_axis(input.drift, input, "model.drift", false);
  const std::string key = from_noise_ ? "model.noise" : "model.diffusion";
  const config::FormulaArray& strength = from_noise_ ? input.noise : input.diffusion;
  diffusion_ = per_axis(strength, input, key, true);
  diffusion_name_ = quoted(strength.origin, key);
  const std::vector<double> anywhere(variables_.size(), 0.0);
  for (int k = 0; k < dimension(); ++k) {
    const auto a = static_cast<std::size_t>(k);
    drift_names_.push_back(
        has_drift() ? quoted(input.drift.origin, fmt::format("model.drift[{}]", k)) : "");
    constant_diffusion_.emplace_back();
    if (diffusion_[a].is_constant()) constant_diffusion_[a] = diffusion(k, anywhere);
  }
  if (input.convention == "stratonovich") theta_ = 0.5;
  if (input.convention == "isothermal") theta_ = 0;
}

double Sde::diffusion(int k, std::span<const double> x) const {
  const double value = diffusion_[static_cast<std::size_t>(k)](x);
  return from_noise_ ? 0.5 * value * value : value;
}

} // namespace komori::models
