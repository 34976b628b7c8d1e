/// Formulas of the state and of the time, at many points at once.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/formulas.hpp"
#include "spaces/points.hpp"

namespace komori::models {

/// The name `t` is the time, unless a variable or a constant is called so. Local.
class TimedFormulas {
public:
  /// Throws InputError with place and key for a formula that is not sound.
  TimedFormulas(const std::vector<config::FormulaText>& formulas,
                const std::vector<std::string>& variables,
                const std::vector<std::pair<std::string, double>>& parameters);

  std::size_t size() const noexcept { return formulas_.size(); }
  bool uses_time() const noexcept { return uses_time_; }
  /// None depends on time or state.
  bool constant() const noexcept { return constant_; }
  /// values[f * points.count + i] = formula f at point i and time t.
  void evaluate(double t, const spaces::Points& points, std::span<double> values) const;

private:
  config::Formulas formulas_;
  bool timed_ = true; ///< the formulas know of a time
  bool uses_time_ = false;
  bool constant_ = true;
  mutable std::vector<double> times_;
};

} // namespace komori::models
