/// Places where a formula grows so fast that it has no mean.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/formula.hpp"
#include "models/network.hpp"

namespace komori::analyses {

/// Near `place` the formula grows like the distance along one variable to the power -`power`; from
/// power 1 on it has no integral.
struct Pole {
  std::vector<double> place{};
  double power = 0;
};

/// The first pole met on lines through the box along every variable that the formula uses; `names`
/// are its variables. Values are bounded, or grow
/// more slowly, where there is none: -0.5 ln|y| and 1/sqrt|y| have means. Sees poles on surfaces,
/// as quotients have them, not at single points of a plane. The same on all ranks. Local.
std::optional<Pole> find_pole(const config::Formula& formula, std::span<const std::string> names,
                              std::span<const models::Interval> box);

} // namespace komori::analyses
