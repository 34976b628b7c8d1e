#include "models/map.hpp"

#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::models {
namespace {

/// The keys of all coordinates; throws where there are not as many formulas.
std::vector<std::string> names_of(const MapInput& input) {
  const std::size_t given = input.map.entries.size();
  const std::size_t wanted = input.variables.size();
  if (given != wanted || input.map.rank == 2) {
    throw base::InputError(fmt::format(
        "{}: 'model.map' has {} formula{}, but the model has {} variable{}; give one per variable",
        input.map.origin.text(), given, given == 1 ? "" : "s", wanted, wanted == 1 ? "" : "s"));
  }
  std::vector<std::string> names;
  for (const config::FormulaText& text : input.map.entries) {
    names.push_back(fmt::format("{}: '{}'", text.origin.text(), text.path));
  }
  return names;
}

} // namespace

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
    : Step({input.variables, input.parameters, names_of(input)}, input.lag), noise_(input.noise) {
  for (const config::FormulaText& text : input.map.entries) {
    formulas_.emplace_back(text, variables(), parameters());
  }
}

void Map::images(const spaces::Points& points, std::span<double> images,
                 std::int64_t /*path*/) const {
  const std::vector<std::span<const double>> columns = points.columns();
  for (std::size_t k = 0; k < formulas_.size(); ++k) {
    formulas_[k].evaluate(columns, images.subspan(k * points.count, points.count));
  }
}

std::optional<config::TensorFormulas> Map::tensor(std::span<const std::size_t> counts) const {
  std::vector<std::string_view> texts;
  for (const config::Formula& formula : formulas_) texts.push_back(formula.text());
  return std::make_optional<config::TensorFormulas>(
      texts, variables(), parameters(), std::vector<std::size_t>(counts.begin(), counts.end()));
}

std::shared_ptr<const Noise> Map::noise(int k, const spaces::Axis& axis) const {
  if (!noise_) return nullptr;
  return make_noise(*noise_, "model.noise", static_cast<std::size_t>(k), variables().size(), axis,
                    parameters());
}

} // namespace komori::models
