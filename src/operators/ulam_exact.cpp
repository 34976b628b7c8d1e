/// Rows of one-dimensional maps by the measure of what each cell receives.
///
/// A cell is cut where the image crosses an edge of the grid, found by bisection: that asks for
/// nothing but values of the map, and takes jumps (a modulus, a branch) as they come. Turning
/// points are sought first, so that an excursion between two samples is not missed.
#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "operators/ulam_rows.hpp"

namespace komori::operators {
namespace {

using Measure = std::map<std::int64_t, double>; ///< length of the part that maps to each cell

/// A point with its image and the cell of that.
struct Probe {
  double x = 0;
  double image = 0;
  std::int64_t cell = 0;
};

/// Pieces of one cell by a map of one variable.
template <class Evaluate> class Pieces {
public:
  explicit Pieces(const Evaluate& evaluate) : evaluate_(evaluate) {}

  /// The measure with the cell [a, b] first cut into `parts`; samples may reach into the
  /// neighbouring cells as far as `lowest` and `highest`.
  Measure measure(double a, double b, int parts, double lowest, double highest) {
    std::vector<Probe> probes;
    const double step = (b - a) / parts;
    if (a - step >= lowest) probes.push_back(evaluate_(a - step));
    for (int i = 0; i <= parts; ++i) probes.push_back(evaluate_(i == parts ? b : a + i * step));
    if (b + step <= highest) probes.push_back(evaluate_(b + step));
    std::vector<Probe> cuts;
    for (const Probe& probe : probes) {
      if (probe.x >= a && probe.x <= b) cuts.push_back(probe);
    }
    for (std::size_t i = 1; i + 1 < probes.size(); ++i) {
      const double before = probes[i - 1].image;
      const double here = probes[i].image;
      const double after = probes[i + 1].image;
      const bool top = here >= before && here >= after;
      const bool bottom = here <= before && here <= after;
      if (top == bottom) continue; // monotone, or constant
      const Probe turn = turning_point(probes[i - 1].x, probes[i + 1].x, top ? 1 : -1);
      if (turn.x > a && turn.x < b) cuts.push_back(turn);
    }
    std::sort(cuts.begin(), cuts.end(), [](const Probe& p, const Probe& q) { return p.x < q.x; });
    Measure measure;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) split(cuts[i], cuts[i + 1], measure);
    return measure;
  }

private:
  /// The largest value of sign * image between two points, by golden sections.
  Probe turning_point(double left, double right, double sign) {
    constexpr double ratio = 0.6180339887498949;
    Probe p = evaluate_(right - ratio * (right - left));
    Probe q = evaluate_(left + ratio * (right - left));
    for (int i = 0; i < 60; ++i) {
      if (sign * p.image >= sign * q.image) {
        right = q.x;
        q = p;
        p = evaluate_(right - ratio * (right - left));
      } else {
        left = p.x;
        p = q;
        q = evaluate_(left + ratio * (right - left));
      }
    }
    return sign * p.image >= sign * q.image ? p : q;
  }

  void split(const Probe& left, const Probe& right, Measure& measure) {
    if (left.cell == right.cell) {
      measure[left.cell] += right.x - left.x;
      return;
    }
    const double middle = left.x + 0.5 * (right.x - left.x);
    if (!(middle > left.x && middle < right.x)) { // neighbouring numbers
      measure[left.cell] += right.x - left.x;
      return;
    }
    const Probe probe = evaluate_(middle);
    split(left, probe, measure);
    split(probe, right, measure);
  }

  const Evaluate& evaluate_;
};

double distance(const Measure& a, const Measure& b) {
  double sum = 0;
  for (const auto& [cell, length] : a) {
    const auto other = b.find(cell);
    sum += std::abs(length - (other == b.end() ? 0 : other->second));
  }
  for (const auto& [cell, length] : b) {
    if (a.find(cell) == a.end()) sum += length;
  }
  return sum;
}

} // namespace

std::string UlamRows::too_many_branches_text(const spaces::Index& cell) const {
  const double centre = grid_.axis(0).center(cell[0]);
  return fmt::format("{} has too many branches for 'ulam.entries: exact' in the cell at {}; use "
                     "'entries: sampled'",
                     map_.name(0), spaces::place_text(grid_, std::span<const double>(&centre, 1)));
}

double UlamRows::build_exact(const spaces::Index& cell, RowSum& row, std::string& problem) {
  constexpr int fewest = 16;
  constexpr int most = 1 << 13;
  constexpr int patience = 400'000; ///< values of the map per cell
  constexpr double settled = 1e-10;
  constexpr double dust = 1e-13; ///< shares of a cell below it are rounding at its ends
  const spaces::Axis& axis = grid_.axis(0);
  int evaluations = 0;
  const auto evaluate = [&](double x) {
    const std::span<const double> place(&x, 1);
    const double image = map_.image(0, place);
    if (!std::isfinite(image) && problem.empty()) problem = not_finite_text(map_, 0, image, place);
    if (++evaluations > patience && problem.empty()) problem = too_many_branches_text(cell);
    return Probe{.x = x, .image = image, .cell = problem.empty() ? kernels_[0].place(image) : 0};
  };
  const double a = axis.edge(cell[0]);
  const double b = axis.edge(cell[0] + 1);
  Pieces pieces(evaluate);
  Measure measure = pieces.measure(a, b, fewest, axis.from(), axis.to());
  for (int parts = 2 * fewest; problem.empty(); parts *= 2) {
    Measure finer = pieces.measure(a, b, parts, axis.from(), axis.to());
    const bool agrees = distance(measure, finer) <= settled * (b - a);
    measure = std::move(finer);
    if (agrees) break;
    if (parts < most) continue;
    problem = too_many_branches_text(cell);
  }
  if (!problem.empty()) return 0;
  evaluations = 0;
  std::erase_if(measure, [&](const auto& part) { return part.second <= dust * (b - a); });
  double total = 0;
  for (const auto& [target, length] : measure) total += length;
  double leak = 0;
  for (const auto& [target, length] : measure) {
    const bool outside = !axis.periodic() && (target < 0 || target >= axis.cells());
    if (!outside) {
      row.add(kernels_[0].wrapped(target), length / total);
      continue;
    }
    leak += length / total;
    if (may_leave(axis, target >= 0, input_.outside)) continue;
    // Some place that leaves, for the message.
    double worst = axis.center(cell[0]);
    for (int i = 0; i <= fewest; ++i) {
      const double x = a + (b - a) * i / fewest;
      if (evaluate(x).cell == target) worst = x;
    }
    problem = leaving_text(map_, axis, {.upper = target >= 0, .image = evaluate(worst).image},
                           std::span<const double>(&worst, 1), "ulam");
    return 0;
  }
  return leak;
}

} // namespace komori::operators
