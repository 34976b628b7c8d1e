/// Stochastic differential equations dX = f dt + sqrt(2D) dW, given by formulas.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/formula.hpp"

namespace komori::models {

/// `model` of kind sde, as written.
struct SdeInput {
  std::string kind = "sde";
  std::vector<std::string> variables;
  std::vector<std::pair<std::string, double>> parameters;
  config::FormulaText potential;
  config::FormulaArray drift;
  config::FormulaArray diffusion;
  config::FormulaArray noise;
  std::string convention = "ito";
};
void declare(config::Declarer& declarer, SdeInput& input);
/// All keys but `kind`.
void declare_keys(config::Declarer& declarer, SdeInput& input);

/// An SDE with diagonal diffusion: f = drift - grad potential, D_k(x) on every axis.
///
/// The convention says at which point of a step sqrt(2D) is taken; it matters where D depends on x.
/// The flux of the density p along axis k is f_k p - D_k^(1-theta) d/dx_k (D_k^theta p) with
/// theta = 1 (Ito), 1/2 (Stratonovich), 0 (isothermal, also called Haenggi-Klimontovich).
/// Functions are local and take a point of `dimension()` coordinates.
class Sde {
public:
  /// Throws InputError when formulas are missing, too many, or wrong.
  explicit Sde(const SdeInput& input);

  int dimension() const noexcept { return static_cast<int>(variables_.size()); }
  const std::vector<std::string>& variables() const noexcept { return variables_; }
  const std::vector<std::pair<std::string, double>>& parameters() const noexcept {
    return parameters_;
  }
  double theta() const noexcept { return theta_; }

  bool has_potential() const noexcept { return potential_.has_value(); }
  bool has_drift() const noexcept { return !drift_.empty(); }
  double potential(std::span<const double> x) const { return (*potential_)(x); }
  /// The drift as written, without the potential's part.
  double drift(int k, std::span<const double> x) const {
    return drift_[static_cast<std::size_t>(k)](x);
  }
  double diffusion(int k, std::span<const double> x) const;
  /// D_k where it does not depend on the place.
  std::optional<double> constant_diffusion(int k) const {
    return constant_diffusion_[static_cast<std::size_t>(k)];
  }
  /// The keys these quantities stand under, for messages: "'model.drift[1]'".
  std::string drift_name(int k) const { return drift_names_[static_cast<std::size_t>(k)]; }
  std::string diffusion_name() const { return diffusion_name_; }
  std::string potential_name() const { return potential_name_; }

private:
  std::vector<std::string> variables_;
  std::vector<std::pair<std::string, double>> parameters_;
  std::optional<config::Formula> potential_;
  std::vector<config::Formula> drift_;
  std::vector<config::Formula> diffusion_; ///< or the noise amplitude sigma, D = sigma^2 / 2
  std::vector<std::optional<double>> constant_diffusion_;
  std::vector<std::string> drift_names_;
  std::string diffusion_name_;
  std::string potential_name_;
  bool from_noise_ = false;
  double theta_ = 1;
};

} // namespace komori::models
