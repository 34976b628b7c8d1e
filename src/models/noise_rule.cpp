#include "models/noise_rule.hpp"

#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/formula.hpp"

namespace komori::models {
namespace {

using base::InputError;
using spaces::Rule;

double entry(const NoiseInput& input, const std::string& path, const std::vector<double>& values,
             std::size_t k, std::size_t dimension) {
  if (values.size() != 1 && values.size() != dimension) {
    throw InputError(fmt::format(
        "{}: '{}' has {} values, but the model has {} variable{}; give one "
        "for all, or one per variable",
        input.origin.text(), path, values.size(), dimension, dimension == 1 ? "" : "s"));
  }
  return values.size() == 1 ? values[0] : values[k];
}

void normalise(Rule& rule, const std::string& name) {
  double total = 0;
  for (const double weight : rule.weights) total += weight;
  if (!(total > 0)) {
    throw InputError(
        fmt::format("{} is 0 on its range, so it cannot be normalised; widen 'range'", name));
  }
  for (double& weight : rule.weights) weight /= total;
}

Rule of_density(const NoiseInput& input, std::size_t k, std::size_t dimension, double length,
                std::size_t points, const std::vector<std::pair<std::string, double>>& constants) {
  const std::size_t given = input.density.entries.size();
  const config::FormulaText& text = input.density.entries[given == 1 ? 0 : k];
  const std::string name = fmt::format("{}: '{}'", text.origin.text(), text.path);
  if (given != 1 && given != dimension) {
    throw InputError(fmt::format("{} has {} formulas, but the model has {} variables; give one for "
                                 "all, or one per variable",
                                 name, given, dimension));
  }
  const config::Formula formula(text, {"xi"}, constants);
  if (input.range.empty() && length == 0) {
    throw InputError(fmt::format("{} needs 'range', the lowest and highest displacement, since the "
                                 "variable has no interval of its own",
                                 name));
  }
  const double lower = input.range.empty() ? -length : input.range[0];
  const double upper = input.range.empty() ? length : input.range[1];
  constexpr int panels = 16;
  const Rule panel = spaces::gauss_legendre(points);
  Rule rule;
  for (int p = 0; p < panels; ++p) {
    for (std::size_t i = 0; i < points; ++i) {
      const double place = (p + 0.5 * (1 + panel.nodes[i])) / panels;
      const double xi = lower + (upper - lower) * place;
      const double density = formula(std::span<const double>(&xi, 1));
      if (!std::isfinite(density) || density < 0) {
        throw InputError(fmt::format("{} must be finite and not negative, but is {:g} at xi = {:g}",
                                     name, density, xi));
      }
      rule.nodes.push_back(xi);
      rule.weights.push_back(density * panel.weights[i]);
    }
  }
  normalise(rule, name);
  return rule;
}

} // namespace

Rule noise_rule(const NoiseInput& input, const std::string& name, std::size_t k,
                std::size_t dimension, double period, double length, std::size_t points,
                const std::vector<std::pair<std::string, double>>& constants) {
  if (input.kind == "density") {
    return of_density(input, k, dimension, period > 0 ? 0.5 * period : length, points, constants);
  }
  Rule rule;
  if (input.kind == "cosine") {
    const double power = entry(input, name + ".power", input.power, k, dimension);
    if (std::fmod(power, 2) != 0) {
      throw InputError(fmt::format("{}: '{}.power' is {:g}, but must be an even integer",
                                   input.origin.text(), name, power));
    }
    if (period == 0) {
      throw InputError(fmt::format("{}: '{}' is of kind 'cosine', which needs a period; use "
                                   "'dictionary.family: fourier', or choose another kind",
                                   input.origin.text(), name));
    }
    const std::size_t count = points + static_cast<std::size_t>(power) / 2 + 1;
    for (std::size_t i = 0; i < count; ++i) {
      const double s = (static_cast<double>(i) + 0.5) / static_cast<double>(count) - 0.5;
      rule.nodes.push_back(period * s);
      rule.weights.push_back(std::pow(std::cos(std::numbers::pi * s), power));
    }
    normalise(rule, name);
    return rule;
  }
  const bool gaussian = input.kind == "gaussian";
  const double size = gaussian ? entry(input, name + ".sigma", input.sigma, k, dimension)
                               : entry(input, name + ".half_width", input.half_width, k, dimension);
  if (size == 0) return {{0.0}, {1.0}};
  rule = gaussian ? spaces::gauss_hermite(points) : spaces::gauss_legendre(points);
  for (double& node : rule.nodes) node *= size;
  return rule;
}

} // namespace komori::models
