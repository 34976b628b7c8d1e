/// Several formulas of the same variables, evaluated at many points at once.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/elementary.hpp"
#include "config/expression.hpp"

namespace komori::config {

/// Parts that formulas share are computed once. Points are taken in blocks that stay in the
/// innermost cache, one operation after the other.
///
/// Values are those of `Formula` up to rounding: 4 units of the last place for functions, 8 for
/// whole powers up to `Expression::highest_power`, and what becomes of these; a power below the
/// least normal number may be 0. A value depends on its point alone, not on where in which list of
/// points it stands nor on the other formulas. Local; each thread needs its own.
class Formulas {
public:
  /// The formulas must be sound, as `Formula` checks.
  Formulas(const std::vector<std::string_view>& formulas, const std::vector<std::string>& variables,
           const std::vector<std::pair<std::string, double>>& constants);

  std::size_t size() const noexcept { return outputs_.size(); }
  /// values[f][i] = formula f at point i, whose variable k is columns[k][i]. All have the same
  /// length but the columns of variables that no formula uses, which may be empty, as may the
  /// values of formulas that are not wanted. No allocation.
  void evaluate(std::span<const std::span<const double>> columns,
                std::span<const std::span<double>> values) const;
  /// values[f] = formula f at one point; the same bits as in a list.
  void evaluate_at(std::span<const double> point, std::span<double> values) const;

private:
  static constexpr std::size_t block = 256; ///< points worked on at once

  void plan();
  void run(std::size_t points) const;
  double* values_of(std::size_t node) const { return buffer_.data() + slots_[node] * block; }

  Expression expression_;
  std::vector<std::size_t> outputs_; ///< node of each formula
  std::vector<std::size_t> used_;    ///< variables in use
  std::vector<std::size_t> steps_;   ///< nodes to compute, in order
  std::vector<std::size_t> slots_;   ///< per node: the part of the buffer that holds its values
  mutable base::LaneArray buffer_;
};

} // namespace komori::config
