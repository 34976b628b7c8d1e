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

/// An SDE: f = drift - grad potential; D diagonal, D_k(x) on every axis, or a full matrix.
///
/// The convention says at which point of a step the noise is taken; it matters where D depends on
/// x. The flux of the density p is
///   diagonal: f_k p - D_k^(1-theta) d/dx_k (D_k^theta p), theta = 1 (Ito), 1/2 (Stratonovich),
///             0 (isothermal, also called Haenggi-Klimontovich);
///   full:     f p - div(D p) (Ito), f p - D grad p (isothermal),
///             f p - 1/2 sigma div(sigma^T p) (Stratonovich; the noise sigma must be given, since
///             D = sigma sigma^T / 2 alone does not tell it).
/// A matrix whose off-diagonal entries are the constant 0 is a diagonal.
/// Functions are local and take a point of `dimension()` coordinates.
class Sde {
public:
  /// Throws InputError when formulas are missing, too many, or wrong; for matrices of the wrong
  /// shape, that couple more than three variables, or whose convention leaves them undetermined.
  explicit Sde(const SdeInput& input);

  int dimension() const noexcept { return static_cast<int>(variables_.size()); }
  const std::vector<std::string>& variables() const noexcept { return variables_; }
  const std::vector<std::pair<std::string, double>>& parameters() const noexcept {
    return parameters_;
  }
  double theta() const noexcept { return theta_; }

  bool has_potential() const noexcept { return potential_.has_value(); }
  bool has_drift() const noexcept { return !drift_.empty(); }
  double potential(std::span<const double> x) const { return potential_->at(x); }
  /// The drift as written, without the potential's part.
  double drift(int k, std::span<const double> x) const {
    return drift_[static_cast<std::size_t>(k)].at(x);
  }
  /// D_k, or D_kk of a full matrix.
  double diffusion(int k, std::span<const double> x) const;
  /// The same where it does not depend on the place.
  std::optional<double> constant_diffusion(int k) const {
    return constant_diffusion_[static_cast<std::size_t>(k)];
  }

  /// D is a matrix with entries off its diagonal.
  bool full_diffusion() const noexcept { return !matrix_.empty(); }
  /// D(x) as written, row by row, `dimension()`^2 numbers. Needs `full_diffusion`.
  void diffusion_matrix(std::span<const double> x, std::span<double> matrix) const;
  /// D is the same everywhere. Needs `full_diffusion`.
  bool constant_matrix() const noexcept { return constant_matrix_; }
  /// Columns of the noise matrix sigma: as many as there are Wiener processes; 0 where D was given.
  int noise_columns() const noexcept { return from_noise_ ? columns_ : 0; }
  /// sigma(x), row by row, dimension() x noise_columns() numbers. Needs a full matrix of noise.
  void noise_matrix(std::span<const double> x, std::span<double> sigma) const;
  /// Groups of variables whose noise is coupled, each in ascending order. Needs `full_diffusion`.
  const std::vector<std::vector<int>>& coupled() const noexcept { return coupled_; }

  /// What can be sampled at many points at once (`LineSampler`).
  enum class Quantity { potential, drift, diffusion };

  /// The keys these quantities stand under, for messages: "'model.drift[1]'".
  std::string drift_name(int k) const { return drift_names_[static_cast<std::size_t>(k)]; }
  std::string diffusion_name() const { return diffusion_name_; }
  std::string potential_name() const { return potential_name_; }

private:
  friend class LineSampler;
  void read_matrix(const config::FormulaArray& array);
  void find_coupled();
  const config::Formula& entry(int i, int j) const {
    return matrix_[static_cast<std::size_t>(i) * static_cast<std::size_t>(columns_) +
                   static_cast<std::size_t>(j)];
  }

  std::vector<std::string> variables_;
  std::vector<std::pair<std::string, double>> parameters_;
  std::optional<config::Formula> potential_;
  std::vector<config::Formula> drift_;
  std::vector<config::Formula> diffusion_; ///< or the noise amplitude sigma, D = sigma^2 / 2
  std::vector<config::Formula> matrix_;    ///< D or sigma, row by row; empty: diagonal
  int columns_ = 0;
  bool constant_matrix_ = false;
  std::vector<std::vector<int>> coupled_;
  std::vector<std::optional<double>> constant_diffusion_;
  std::vector<std::string> drift_names_;
  std::string diffusion_name_;
  std::string potential_name_;
  bool from_noise_ = false;
  double theta_ = 1;
};

} // namespace komori::models
