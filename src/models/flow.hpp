/// Flows: states of dx = f dt, or of dX = f dt + sqrt(2D) dW, a time `lag` later.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "models/ode_solver.hpp"
#include "models/sde_solver.hpp"
#include "models/step.hpp"

namespace komori::models {

/// `model` of kind flow, as written.
struct FlowInput {
  std::vector<std::string> variables;
  std::vector<std::pair<std::string, double>> parameters;
  config::FormulaArray drift;
  config::FormulaArray diffusion;
  config::FormulaArray noise;
  std::string convention = "ito";
  double lag = 1;
  double start = 0;
  std::string method = "auto";
  double rtol = 1e-8;
  double atol = 1e-10;
  std::int64_t most_steps = 10'000;
  std::int64_t steps = 0;
  std::int64_t seed = 1;
  config::Origin origin;
};
/// All keys but `kind`.
void declare_keys(config::Declarer& declarer, FlowInput& input);

/// The step from time `start` to `start` + `lag`. Formulas may use the time t.
class Flow final : public Step {
public:
  /// Throws InputError when formulas are missing, too many, or wrong, or the method does not solve
  /// the equation as its convention reads it.
  explicit Flow(const FlowInput& input) : Flow(input, false) {}
  Flow(const Flow&) = delete; // solvers refer to its formulas
  Flow& operator=(const Flow&) = delete;

  void images(const spaces::Points& points, std::span<double> images,
              std::int64_t path = 0) const override;
  bool random() const noexcept override { return noise_.has_value(); }
  bool diffusive() const noexcept override { return random() && moves_all_; }

  /// The same equation solved with a tolerance ten times tighter, or with steps half as long along
  /// the same Brownian paths: what changes is the error of integration.
  Flow refined() const { return Flow(input_, true); }
  /// "Dormand-Prince 5(4), rtol 1e-08, atol 1e-10"; "Heun, 100 steps".
  std::string method_text() const;

  bool uses_time() const noexcept;
  /// Where f or D at some time of this step differ from those one lag later, at one of the points:
  /// a text that says so; empty where each step is like this one.
  std::string change_with_time(const spaces::Points& points) const;

  /// Points that are followed together; lists are cut into parts of this length.
  static constexpr std::size_t together = 256;

private:
  Flow(const FlowInput& input, bool refine);

  FlowInput input_;
  TimedFormulas drift_;
  std::optional<NoiseAmplitude> noise_;
  bool heun_ = false;
  bool refined_ = false;
  bool moves_all_ = false;
  std::unique_ptr<OdeSolver> ode_;
  std::unique_ptr<SdeSolver> sde_;
};

} // namespace komori::models
