/// Where an image of a step comes to lie among the cells of several axes, and what is said of one
/// that may not lie where it does. Internal to operators.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/step.hpp"
#include "operators/row_sum.hpp"

namespace komori::operators {

/// What noise may carry off the axes without a word: rounding of a row's sum.
inline constexpr double negligible = 1e-12;

/// The cells met on each axis, each with its probability.
using AxisShares = std::vector<std::vector<models::AxisKernel::Share>>;

/// Adds all combinations of the cells met on each axis to `row`, the last axis running fastest: the
/// product of probabilities at column sum_k strides[k] * cell_k. False, and nothing is added, where
/// none is met on some axis. Local.
bool add_combinations(const AxisShares& shares, std::span<const std::int64_t> strides, RowSum& row);

/// Whether what leaves an axis there is lost without an error; `outside` is "error" or "leak".
bool may_leave(const spaces::Axis& axis, bool upper, const std::string& outside);

/// An image beyond an end of axis k.
struct Leaving {
  int k = 0;
  bool upper = false;
  double image = 0;
  double probability = 1; ///< below 1: noise carries it there
};

/// "'map[0]' leads to x = 2, beyond the upper end of the axis (1), from x = 0.5; widen ...". `x` is
/// the image's point, `section` that whose key 'outside' decides.
std::string leaving_text(const models::Step& map, const spaces::Axis& axis, const Leaving& leaving,
                         std::span<const double> x, std::string_view section);
/// "'map[0]' is not finite (it is nan) at x = 0.5".
std::string not_finite_text(const models::Step& map, int k, double image,
                            std::span<const double> x);

} // namespace komori::operators
