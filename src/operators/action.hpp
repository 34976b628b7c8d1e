/// What an operator does to the functions of a dictionary, point by point.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/declaration.hpp"
#include "config/formula.hpp"
#include "models/flow.hpp"
#include "models/map.hpp"
#include "models/sde.hpp"
#include "spaces/dictionary.hpp"
#include "spaces/gauss_rules.hpp"
#include "spaces/points.hpp"

namespace komori::operators {

/// A linear operator K on functions, known by its values. All functions are local and take the
/// numbers of points as they come; errors name the place.
class Action {
public:
  virtual ~Action() = default;
  /// (K psi_j)(x_i) for all functions and points: values[j * points.count + i]. Throws InputError
  /// where the model has no value there.
  virtual void apply(const spaces::Dictionary& dictionary, const spaces::Points& points,
                     std::span<double> values) const = 0;
  /// K is the generator of a continuous time, not a step.
  virtual bool generator() const { return false; }
  /// Evaluations of the dictionary per point.
  virtual double evaluations() const { return 1; }
};

/// What lies beyond the interval of functions that mean nothing there.
enum class Outside { error, extrapolate };

/// (K psi)(x) = E psi(next state): the Koopman operator of a map, its noise integrated by
/// quadrature, or of a flow, its noise averaged over paths.
class StepAction final : public Action {
public:
  /// `noise_points`: per variable, 0 for a choice by dimension. Throws InputError.
  StepAction(const models::MapInput& model, std::vector<spaces::Extent> extents, Outside outside,
             std::int64_t noise_points);
  /// `paths`: per point where there is noise, from number `first_path` on. Throws InputError.
  StepAction(const models::FlowInput& model, std::vector<spaces::Extent> extents, Outside outside,
             std::int64_t paths, std::int64_t first_path = 0);
  void apply(const spaces::Dictionary& dictionary, const spaces::Points& points,
             std::span<double> values) const override;
  double evaluations() const override;
  /// Images by coordinate, those of a path; without added noise; checked.
  void images(const spaces::Points& points, std::span<double> images, std::int64_t path = 0) const;
  /// Images are drawn, so that the operator is a mean over some of them.
  bool random() const noexcept { return step_->random(); }
  bool noisy() const noexcept { return !noise_.empty() || step_->random(); }

private:
  std::unique_ptr<models::Step> step_;
  std::vector<spaces::Extent> extents_;
  Outside outside_;
  std::vector<spaces::Rule> noise_; ///< one per variable; empty without added noise
  std::int64_t paths_ = 1;
  std::int64_t first_path_ = 0;
};

/// `dictionary.inverse` as written: the inverse branches of a map.
struct InverseInput {
  config::FormulaArray branches{};
  config::FormulaText weight{};
  std::string index = "k";
  std::int64_t from = 1;
  config::WordOrNumber to{.word = "", .number = 1};
  config::Origin origin{};
};
void declare(config::Declarer& declarer, InverseInput& input);

/// (P f)(x) = sum over k of w_k(x) f(s_k(x)): the transfer operator of a map with respect to
/// Lebesgue measure, by its inverse branches s_k and w_k = |det ds_k/dx|.
///
/// An infinite sum is that of 60 branches and the rest by Euler and Maclaurin's formula at the
/// middles, an integral over k; so w_k and s_k must be smooth in k, and w_k fall like k^-2.
class TransferAction final : public Action {
public:
  TransferAction(const models::MapInput& model, const InverseInput& inverse,
                 std::vector<spaces::Extent> extents, Outside outside);
  void apply(const spaces::Dictionary& dictionary, const spaces::Points& points,
             std::span<double> values) const override;
  double evaluations() const override { return static_cast<double>(terms_.size()); }

private:
  struct Term {
    double index = 0;
    double coefficient = 1;
  };
  std::vector<std::string> variables_;
  std::vector<config::Formula> branches_;
  config::Formula weight_;
  std::vector<Term> terms_;
  std::vector<spaces::Extent> extents_;
  Outside outside_;
};

/// (G psi)(x) = f . grad psi + sum over k, l of D_kl d^2 psi / dx_k dx_l: the generator of an SDE.
///
/// The gradient of a potential is taken by central differences of sixth order. Throws InputError
/// where D depends on the place and the convention is not Ito's, whose f is then another one.
class GeneratorAction final : public Action {
public:
  explicit GeneratorAction(const models::SdeInput& model);
  void apply(const spaces::Dictionary& dictionary, const spaces::Points& points,
             std::span<double> values) const override;
  bool generator() const override { return true; }
  double evaluations() const override;

private:
  double drift(int k, std::span<double> point) const;
  models::Sde sde_;
};

/// "x = 0.25, y = -1".
std::string place_text(const std::vector<std::string>& variables, std::span<const double> x);

} // namespace komori::operators
