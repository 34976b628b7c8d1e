/// Formulas of the input, compiled once, evaluated many times.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/declaration.hpp"

namespace komori::config {

class Formulas;

/// A formula of some variables. Local; each thread needs its own, evaluation uses a buffer inside.
///
/// Operators by strength: ^ (right to left, before the sign: -2^2 = -4, 2^3^2 = 512), sign, * /,
/// + -, comparisons, &&, ||, ?:. Functions: `function_names()`. pi and e unless a variable or
/// constant has that name.
class Formula {
public:
  /// Throws InputError with place, key, formula and position for anything but one sound formula of
  /// these names; also if a name is a function's or is both variable and constant.
  Formula(const FormulaText& formula, const std::vector<std::string>& variables,
          const std::vector<std::pair<std::string, double>>& constants = {});
  Formula(const Formula&) = delete;
  Formula(Formula&& other) noexcept;
  Formula& operator=(const Formula&) = delete;
  Formula& operator=(Formula&& other) noexcept;
  ~Formula();

  /// The value where the variables, in the constructor's order, are `values` (at least as many as
  /// variables). NaN or infinite where the formula has none. No allocation.
  double operator()(std::span<const double> values) const;

  /// values[i] = the formula at point i, whose variable k of the constructor's order is
  /// columns[k][i]; columns of unused variables may be empty. Ten to a hundred times faster than
  /// one by one; equal to `operator()` up to rounding as `Formulas` says. No allocation after the
  /// first call.
  void evaluate(std::span<const std::span<const double>> columns, std::span<double> values) const;
  /// The value at one point, to the last bit as `evaluate` gives it.
  double at(std::span<const double> point) const;

  /// Whether it uses no variable; then its value is known and costs nothing.
  bool is_constant() const noexcept;
  bool uses(std::string_view variable) const noexcept;
  /// The variables it uses, in the constructor's order.
  const std::vector<std::string>& used_variables() const noexcept;
  const std::string& text() const noexcept;

private:
  const Formulas& batch() const;
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

/// The value of a formula without variables. Throws InputError as the constructor does.
double evaluate_constant(const FormulaText& formula,
                         const std::vector<std::pair<std::string, double>>& constants = {});

} // namespace komori::config
