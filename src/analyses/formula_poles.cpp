#include "analyses/formula_poles.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace komori::analyses {
namespace {

constexpr std::size_t samples = 2048; ///< along a line

/// |formula| along one variable through a point.
class Line {
public:
  Line(const config::Formula& formula, std::vector<double> point, std::size_t axis,
       const models::Interval& range)
      : formula_(formula), point_(std::move(point)), axis_(axis), range_(range),
        step_((range.to - range.from) / static_cast<double>(samples)) {}

  std::optional<Pole> pole() {
    std::array<double, samples> size{};
    for (std::size_t i = 0; i < samples; ++i) size[i] = at(place(i));
    for (std::size_t i = 0; i < samples; ++i) {
      if (i > 0 && !(size[i] >= size[i - 1])) continue;
      if (i + 1 < samples && !(size[i] >= size[i + 1])) continue;
      const double low = i > 0 ? place(i - 1) : range_.from;
      const double high = i + 1 < samples ? place(i + 1) : range_.to;
      const double peak = climb(low, place(i), high);
      const double power = growth(peak);
      // Of -1 it is seen to some digits.
      if (power < 0.99) continue;
      point_[axis_] = peak;
      return Pole{.place = point_, .power = power};
    }
    return {};
  }

private:
  double place(std::size_t i) const { return range_.from + step_ * (static_cast<double>(i) + 0.5); }
  /// Nothing where there is no value.
  double at(double y) {
    point_[axis_] = y;
    const double value = std::abs(formula_(point_));
    return std::isnan(value) ? 0 : value;
  }

  /// The top between two places, neither of them higher than the one between: golden sections.
  double climb(double low, double top, double high) {
    constexpr double section = 0.38196601125010515;
    constexpr int most = 120;
    double value = at(top);
    for (int i = 0; i < most && std::isfinite(value); ++i) {
      const bool above = high - top > top - low;
      const double next = above ? top + section * (high - top) : top - section * (top - low);
      if (next == top) break;
      const double found = at(next);
      if (found > value) {
        (above ? low : high) = top;
        top = next;
        value = found;
      } else {
        (above ? high : low) = next;
      }
    }
    return top;
  }

  /// The power of the distance with which values grow, over two stretches of a thousand each: the
  /// smaller of both.
  double growth(double peak) {
    constexpr int begin = 5;
    constexpr int stretch = 10;
    std::array<double, 3> size{};
    for (int i = 0; i < 3; ++i) {
      const double distance = std::ldexp(step_, -begin - stretch * i);
      double& largest = size[static_cast<std::size_t>(i)];
      for (const double y : {peak - distance, peak + distance}) {
        if (y >= range_.from && y <= range_.to) largest = std::max(largest, at(y));
      }
      if (largest == 0 || !std::isfinite(largest)) return 0;
    }
    return std::min(std::log2(size[1] / size[0]), std::log2(size[2] / size[1])) / stretch;
  }

  const config::Formula& formula_;
  std::vector<double> point_;
  std::size_t axis_;
  models::Interval range_;
  double step_;
};

} // namespace

std::optional<Pole> find_pole(const config::Formula& formula, std::span<const std::string> names,
                              std::span<const models::Interval> box) {
  // Lines spread evenly (R_1 sequences of different square roots), none through a middle.
  const std::size_t lines = box.size() == 1 ? 1 : 16;
  for (std::size_t axis = 0; axis < box.size(); ++axis) {
    if (!formula.uses(names[axis])) continue;
    for (std::size_t line = 0; line < lines; ++line) {
      std::vector<double> point;
      for (std::size_t k = 0; k < box.size(); ++k) {
        const double root = std::sqrt(static_cast<double>(2 + k * k + k));
        const double turns = static_cast<double>(line + 1) * root;
        point.push_back(box[k].from + (turns - std::floor(turns)) * (box[k].to - box[k].from));
      }
      if (const auto pole = Line(formula, std::move(point), axis, box[axis]).pole()) return pole;
    }
  }
  return {};
}

} // namespace komori::analyses
