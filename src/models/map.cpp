#include "models/map.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::models {

void declare_keys(config::Declarer& declarer, MapInput& input) {
  declarer.names("variables", input.variables,
                 {.help = "Names of the state variables, one per axis of the grid, at most six.",
                  .need = config::Need::required});
  declarer.constants("parameters", "<parameter>", input.parameters,
                     {.help = "Constants for all formulas and numbers; each may use those above."});
  declarer.formula_array("map", input.map,
                         {.help = "The image of the state, one formula per variable; taken modulo "
                                  "the period on periodic axes.",
                          .unit = "of the variable",
                          .need = config::Need::required});
  declarer.section("noise", input.noise, {.help = "What is added to the image in every step."});
  declarer.real(
      "lag", input.lag,
      {.help = "Time that one step takes; sets the unit of rates and time scales.", .unit = "time"},
      config::Range::positive());
  if (!declarer.reading()) return;
  if (input.variables.size() > spaces::max_dimension) {
    declarer.reject("variables", fmt::format("has {} names, but a grid has at most 6 dimensions",
                                             input.variables.size()));
  }
}

Map::Map(const MapInput& input)
    : variables_(input.variables), parameters_(input.parameters), noise_(input.noise),
      lag_(input.lag) {
  const std::size_t given = input.map.entries.size();
  if (given != variables_.size() || input.map.rank == 2) {
    throw base::InputError(fmt::format(
        "{}: 'model.map' has {} formula{}, but the model has {} variable{}; give one per variable",
        input.map.origin.text(), given, given == 1 ? "" : "s", variables_.size(),
        variables_.size() == 1 ? "" : "s"));
  }
  for (const config::FormulaText& text : input.map.entries) {
    formulas_.emplace_back(text, variables_, parameters_);
    names_.push_back(fmt::format("{}: '{}'", text.origin.text(), text.path));
  }
}

std::vector<AxisKernel> Map::kernels(const spaces::Grid& grid) const {
  std::vector<AxisKernel> kernels;
  for (int k = 0; k < dimension(); ++k) {
    std::shared_ptr<const Noise> noise;
    if (noise_) {
      noise = make_noise(*noise_, "model.noise", static_cast<std::size_t>(k), variables_.size(),
                         grid.axis(k), parameters_);
    }
    kernels.emplace_back(grid.axis(k), std::move(noise));
  }
  return kernels;
}

} // namespace komori::models
