#include "operators/image_shares.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "operators/action.hpp"

namespace komori::operators {

bool add_combinations(const AxisShares& shares, std::span<const std::int64_t> strides,
                      RowSum& row) {
  if (std::any_of(shares.begin(), shares.end(), [](const auto& met) { return met.empty(); })) {
    return false;
  }
  std::array<std::size_t, spaces::max_dimension> choice{};
  for (;;) {
    std::int64_t column = 0;
    double probability = 1;
    for (std::size_t k = 0; k < shares.size(); ++k) {
      const models::AxisKernel::Share& share = shares[k][choice[k]];
      column += strides[k] * share.cell;
      probability *= share.probability;
    }
    row.add(column, probability);
    std::size_t k = shares.size();
    while (k > 0 && ++choice[k - 1] == shares[k - 1].size()) choice[--k] = 0;
    if (k == 0) return true;
  }
}

bool may_leave(const spaces::Axis& axis, bool upper, const std::string& outside) {
  return outside == "leak" || (upper ? axis.upper() : axis.lower()) == spaces::Boundary::absorbing;
}

std::string leaving_text(const models::Step& map, const spaces::Axis& axis, const Leaving& leaving,
                         std::span<const double> x, std::string_view section) {
  const char* end = leaving.upper ? "upper" : "lower";
  const std::string& name = map.name(leaving.k);
  const std::string what =
      leaving.probability < 1
          ? fmt::format("{} and noise lead beyond the {} end of the axis {} with probability "
                        "{:.3g}",
                        name, end, axis.name(), leaving.probability)
          : fmt::format("{} leads to {} = {:.6g}, beyond the {} end of the axis", name, axis.name(),
                        leaving.image, end);
  return fmt::format("{} ({:g}), from {}; widen 'grid.{}', or set '{}.outside: leak' to let it "
                     "leave",
                     what, leaving.upper ? axis.to() : axis.from(), place_text(map.variables(), x),
                     axis.name(), section);
}

std::string not_finite_text(const models::Step& map, int k, double image,
                            std::span<const double> x) {
  return fmt::format("{} is not finite (it is {}) at {}", map.name(k),
                     std::isnan(image) ? "nan" : fmt::format("{:g}", image),
                     place_text(map.variables(), x));
}

} // namespace komori::operators
