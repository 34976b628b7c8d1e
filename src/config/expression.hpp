/// Formulas as one graph of operations, in which a part that occurs twice is there once. Internal
/// to config.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/elementary.hpp"
#include "config/formula_check.hpp"
#include "config/functions.hpp"

namespace komori::config {

enum class Operation {
  constant,
  variable,
  // Of two operands and exact to the last bit, whatever computes them.
  add,
  subtract,
  multiply,
  divide,
  less,
  less_equal,
  greater,
  greater_equal,
  equal,
  unequal,
  both,
  either,
  minimum,
  maximum,
  // Others.
  negate,
  absolute,
  integer_power, ///< of one operand, to the power `constant`
  elementary,
  choose, ///< of three operands: condition, where it is not 0, where it is
  call    ///< of `function`
};

/// A value that depends on those of other nodes, its children.
struct ExpressionNode {
  Operation operation = Operation::constant;
  double constant = 0;
  std::size_t variable = 0;
  base::Elementary elementary{};
  const Function* function = nullptr;
  std::vector<std::size_t> children{};
  std::uint64_t mask = 0; ///< bit k: depends on variable k; those from 63 on share a bit
  bool operator==(const ExpressionNode& other) const;
};

/// A graph of formulas of the same variables and constants. Children come before their parents and
/// variable k is node k; parts without variables are constants. Local.
class Expression {
public:
  /// Powers up to this whole number are products; they differ from `pow` by 8 units of the last
  /// place at most.
  static constexpr int highest_power = 12;

  Expression(const std::vector<std::string>& variables, const Constants& constants);

  /// Adds a formula, which must be sound (`check_formula`); returns its node.
  std::size_t add(std::string_view formula);
  const std::vector<ExpressionNode>& nodes() const noexcept { return nodes_; }

private:
  friend class ExpressionBuilder;
  std::vector<std::string> variables_;
  Constants constants_;
  std::vector<ExpressionNode> nodes_;
};

/// Values of an operand: one for every point, or a single one for all.
struct Operand {
  const double* values = nullptr;
  bool single = false;
};

/// True for the operations that `compute_exact` knows.
constexpr bool is_exact(Operation operation) {
  return operation >= Operation::add && operation <= Operation::maximum;
}
/// to[i] = a[i] <operation> b[i] for i < count; one operand may be single. Any alignment; `to`
/// overlaps neither.
void compute_exact(Operation operation, Operand a, Operand b, double* to, std::size_t count);
/// The values of any other node but constants and variables, operands[c] those of its children.
/// Arrays are as `base::apply` wants them. No allocation.
void compute(const ExpressionNode& node, const double* const* operands, double* to,
             std::size_t count);

} // namespace komori::config
