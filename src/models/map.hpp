/// Maps x -> T(x) with additive noise, given by formulas.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/formula.hpp"
#include "models/noise.hpp"
#include "models/step.hpp"

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

/// A map in discrete time, without randomness but for the noise added to its images.
class Map final : public Step {
public:
  /// Throws InputError when formulas are missing, too many, or wrong.
  explicit Map(const MapInput& input);

  void images(const spaces::Points& points, std::span<double> images,
              std::int64_t path = 0) const override;
  double image(int k, std::span<const double> x) const override {
    return formulas_[static_cast<std::size_t>(k)](x);
  }
  std::optional<config::TensorFormulas> tensor(std::span<const std::size_t> counts) const override;
  bool noisy() const noexcept override { return noise_.has_value(); }
  std::shared_ptr<const Noise> noise(int k, const spaces::Axis& axis) const override;

private:
  std::vector<config::Formula> formulas_;
  std::optional<NoiseInput> noise_;
};

} // namespace komori::models
