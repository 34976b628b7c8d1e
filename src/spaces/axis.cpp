#include "spaces/axis.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/formula.hpp"

namespace komori::spaces {
namespace {

/// More cells on one axis than this is a slip of the pen, and edges are kept on every rank.
constexpr double max_cells = 1e8;

Boundary boundary_of(const std::string& word) {
  if (word == "absorbing") return Boundary::absorbing;
  return word == "periodic" ? Boundary::periodic : Boundary::reflecting;
}

/// Edges at from + (to - from) (g(s) - g(0)) / (g(1) - g(0)), s = i / cells. Throws InputError
/// where g is not finite or does not go from g(0) to g(1) without turning.
std::vector<double> graded_edges(const std::string& name, const AxisInput& input,
                                 const std::vector<std::pair<std::string, double>>& constants) {
  const config::Formula map(input.grading, {"s"}, constants);
  const auto refuse = [&](const std::string& what) {
    throw base::InputError(
        fmt::format("{}: 'grid.{}.grading' {}; write a formula that increases from s = 0 to s = 1, "
                    "e.g. s^2 for small cells at 'from', sinh(3*(s-0.5)) for small ones in the "
                    "middle, or give 'edges'",
                    input.origin.text(), name, what));
  };
  std::vector<double> values;
  for (std::int64_t i = 0; i <= input.cells; ++i) {
    const double s = static_cast<double>(i) / static_cast<double>(input.cells);
    values.push_back(map(std::span<const double>(&s, 1)));
    if (std::isfinite(values.back())) continue;
    const double value = std::isnan(values.back()) ? std::abs(values.back()) : values.back();
    refuse(fmt::format("is not finite (it is {:g}) at s = {:g}", value, s));
  }
  const double first = values.front();
  const double span = values.back() - first;
  if (span == 0) refuse(fmt::format("is {:g} at s = 0 and at s = 1", first));
  std::vector<double> edges;
  for (std::size_t i = 0; i < values.size(); ++i) {
    edges.push_back(input.from + (input.to - input.from) * (values[i] - first) / span);
    if (i == 0 || edges[i - 1] < edges[i]) continue;
    const auto cells = static_cast<double>(input.cells);
    refuse(fmt::format("must place every edge above the one before, but goes from {:g} to {:g} "
                       "between s = {:g} and s = {:g}, and from {:g} to {:g} as a whole",
                       values[i - 1], values[i], static_cast<double>(i - 1) / cells,
                       static_cast<double>(i) / cells, first, values.back()));
  }
  edges.back() = input.to;
  return edges;
}

} // namespace

Axis::Axis(std::string name, std::vector<double> edges, Boundary lower, Boundary upper)
    : name_(std::move(name)), edges_(std::move(edges)), lower_(lower), upper_(upper) {}

std::optional<PetscInt> Axis::find(double x) const {
  if (!(x >= from() && x <= to())) return std::nullopt;
  const auto above = std::upper_bound(edges_.begin(), edges_.end(), x);
  const auto cell = static_cast<PetscInt>(above - edges_.begin()) - 1;
  return std::min(cell, cells() - 1);
}

std::vector<double> Axis::centers() const {
  std::vector<double> centers;
  for (PetscInt i = 0; i < cells(); ++i) centers.push_back(center(i));
  return centers;
}

Axis Axis::resampled(PetscInt cells) const {
  std::vector<double> edges;
  for (PetscInt i = 0; i <= cells; ++i) {
    const double position =
        static_cast<double>(i) * static_cast<double>(this->cells()) / static_cast<double>(cells);
    const auto below = std::min(static_cast<PetscInt>(position), this->cells() - 1);
    const double fraction = position - static_cast<double>(below);
    edges.push_back(edge(below) + fraction * width(below));
  }
  edges.back() = to();
  return {name_, std::move(edges), lower_, upper_};
}

void declare(config::Declarer& declarer, AxisInput& input) {
  using config::Range;
  declarer.real("from", input.from, {.help = "Lower end of the axis.", .unit = "of the variable"},
                {});
  declarer.real("to", input.to, {.help = "Upper end of the axis.", .unit = "of the variable"}, {});
  declarer.integer("cells", input.cells,
                   {.help = "Number of cells; left out only where 'edges' are given."},
                   Range::between(1, max_cells));
  declarer.choices("boundary", input.boundary, {"reflecting", "absorbing", "periodic"}, 2,
                   {.help = "What happens at the ends: one word for both, or [lower, upper]."});
  declarer.formula("grading", input.grading,
                   {.help =
                        "Increasing formula of s in [0, 1] that places the edges between 'from' "
                        "and 'to', e.g. sinh(3*(s-0.5)); uniform when left out."});
  declarer.reals("edges", input.edges,
                 {.help = "Explicit cell edges, increasing, in place of from, to and cells.",
                  .unit = "of the variable"},
                 {});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  if (!input.edges.empty()) {
    if (input.cells != 0) declarer.reject("edges", "stands in place of 'cells'; give one of them");
    if (input.edges.size() < 2) declarer.reject("edges", "needs at least two values");
    input.from = input.edges.front();
    input.to = input.edges.back();
    input.cells = static_cast<std::int64_t>(input.edges.size()) - 1;
  } else {
    if (input.cells == 0) declarer.reject("cells", "is missing; add e.g. 'cells: 128'");
    if (!(input.from < input.to)) {
      declarer.reject("from",
                      fmt::format("is {}, but must be below 'to' ({})", input.from, input.to));
    }
  }
  if ((input.boundary.front() == "periodic") != (input.boundary.back() == "periodic")) {
    declarer.reject("boundary", "is periodic at one end only; an axis is periodic at both or none");
  }
}

Axis make_axis(const std::string& name, const AxisInput& input,
               const std::vector<std::pair<std::string, double>>& constants) {
  std::vector<double> edges = input.edges;
  if (edges.empty() && input.grading.given()) edges = graded_edges(name, input, constants);
  if (edges.empty()) {
    const auto cells = static_cast<double>(input.cells);
    for (std::int64_t i = 0; i <= input.cells; ++i) {
      edges.push_back(input.from + (input.to - input.from) * (static_cast<double>(i) / cells));
    }
    edges.back() = input.to;
  }
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    if (std::isfinite(edges[i + 1]) && edges[i] < edges[i + 1]) continue;
    throw base::InputError(
        fmt::format("{}: 'grid.{}' has edges that do not increase: edge {} is {}, edge {} is {}",
                    input.origin.text(), name, i, edges[i], i + 1, edges[i + 1]));
  }
  return {name, std::move(edges), boundary_of(input.boundary.front()),
          boundary_of(input.boundary.back())};
}

} // namespace komori::spaces
