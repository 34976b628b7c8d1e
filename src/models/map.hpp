/// Maps x -> T(x) with additive noise, given by formulas.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/formula.hpp"
#include "config/tensor_formulas.hpp"
#include "models/noise.hpp"
#include "spaces/grid.hpp"

namespace komori::models {

/// `model` of kind map, as written.
struct MapInput {
  std::vector<std::string> variables;
  std::vector<std::pair<std::string, double>> parameters;
  config::FormulaArray map;
  std::optional<NoiseInput> noise;
  double lag = 1;
};
/// All keys but `kind`.
void declare_keys(config::Declarer& declarer, MapInput& input);

/// A map in discrete time. Functions are local and take a point of `dimension()` coordinates.
class Map {
public:
  /// Throws InputError when formulas are missing, too many, or wrong.
  explicit Map(const MapInput& input);

  int dimension() const noexcept { return static_cast<int>(variables_.size()); }
  const std::vector<std::string>& variables() const noexcept { return variables_; }
  const std::vector<std::pair<std::string, double>>& parameters() const noexcept {
    return parameters_;
  }
  /// Coordinate k of the image, without noise.
  double image(int k, std::span<const double> x) const {
    return formulas_[static_cast<std::size_t>(k)](x);
  }
  /// The key of coordinate k with its place, for messages: "a.yaml:3: 'model.map[1]'".
  const std::string& name(int k) const { return names_[static_cast<std::size_t>(k)]; }
  /// All formulas for the images of `counts` places along each variable at once.
  config::TensorFormulas tensor(std::vector<std::size_t> counts) const {
    std::vector<std::string_view> texts;
    for (const config::Formula& formula : formulas_) texts.push_back(formula.text());
    return {texts, variables_, parameters_, std::move(counts)};
  }
  bool noisy() const noexcept { return noise_.has_value(); }
  /// Time that one step takes.
  double lag() const noexcept { return lag_; }

  /// Where images come to lie on each axis of a grid, noise included. `grid` must outlive them.
  /// Throws InputError where the noise does not fit an axis.
  std::vector<AxisKernel> kernels(const spaces::Grid& grid) const;

private:
  std::vector<std::string> variables_;
  std::vector<std::pair<std::string, double>> parameters_;
  std::vector<config::Formula> formulas_;
  std::vector<std::string> names_;
  std::optional<NoiseInput> noise_;
  double lag_ = 1;
};

} // namespace komori::models
