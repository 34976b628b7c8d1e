#include "analyses/stationary_moments.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "analyses/eigenfunctions.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Value = std::function<double(std::span<const double>)>;

/// sum of value(x) times the mass of the cell at x.
double average(const Problem& problem, Vec masses, const Value& value) {
  return base::dot(problem.grid().sampled(value).get(), masses);
}

base::UniqueVec masses_of(const Problem& problem, Vec density) {
  base::UniqueVec masses = base::duplicate(density);
  check(VecPointwiseMult(masses.get(), density, problem.volumes()));
  return masses;
}

/// Names and values, without errors, in a fixed order; `spreads`, if given, gets the standard
/// deviation of each integrand.
std::vector<Moment> values_on(const Problem& problem, const StationaryInput& input, Vec density,
                              std::vector<double>* spreads) {
  const base::UniqueVec masses = masses_of(problem, density);
  std::vector<Moment> found;
  const auto add = [&](Moment moment, const Value& value) {
    moment.value = average(problem, masses.get(), value);
    if (spreads) {
      const double square = average(problem, masses.get(), [&](std::span<const double> x) {
        const double difference = value(x) - moment.value;
        return difference * difference;
      });
      spreads->push_back(std::sqrt(std::max(square, 0.0)));
    }
    found.push_back(std::move(moment));
  };
  for (int k = 0; k < problem.grid().dimension(); ++k) {
    if (problem.grid().axis(k).periodic()) continue;
    const auto a = static_cast<std::size_t>(k);
    const std::string& axis = problem.grid().axis(k).name();
    add({.name = "mean of " + axis,
         .dataset = "mean/" + axis,
         .meaning = "stationary mean of " + axis,
         .unit = "of the variable"},
        [a](std::span<const double> x) { return x[a]; });
    const double mean = found.back().value;
    add({.name = "variance of " + axis,
         .dataset = "variance/" + axis,
         .meaning = "stationary variance of " + axis,
         .unit = "of the variable, squared"},
        [a, mean](std::span<const double> x) { return (x[a] - mean) * (x[a] - mean); });
  }
  for (const auto& [name, text] : input.observables) {
    const config::Formula formula(text, problem.sde().variables(), problem.sde().parameters());
    add({.name = "average of " + name,
         .dataset = "observables/" + name,
         .meaning = "stationary average of " + text.text,
         .unit = "-"},
        [&formula](std::span<const double> x) { return formula(x); });
  }
  return found;
}

} // namespace

std::vector<Moment> moments(Problem& problem, const StationaryInput& input,
                            const StationaryDensity& density) {
  std::vector<double> spreads;
  std::vector<Moment> found = values_on(problem, input, density.density.get(), &spreads);
  if (!input.error_estimate || found.empty()) return found;
  const double slowest = density.slowest_rate > 0 ? density.slowest_rate : problem.diffusive_rate();
  constexpr double round_off = 1e-14;
  for (std::size_t i = 0; i < found.size(); ++i) {
    // A closed form carries no residual but rounding.
    const double share = problem.reversible() ? round_off : density.residual / slowest;
    found[i].solver = spreads[i] * std::min(share, 1.0) + round_off * std::abs(found[i].value);
  }
  std::vector<std::vector<std::complex<double>>> history(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) history[i].emplace_back(found[i].value);
  std::vector<double> widths{1};
  PetscInt last = problem.grid().cells();
  for (const double factor : {2.0, 4.0}) {
    const auto coarse = problem.coarsened(factor, 4);
    const PetscInt cells = coarse->grid().cells();
    if (cells >= last) break;
    last = cells;
    StationaryDensity rough;
    try {
      rough = stationary_density(*coarse, input);
    } catch (const base::ConvergenceError& error) {
      problem.log().line(fmt::format("    no estimate from a coarser grid: {}", error.what()));
      break;
    }
    const std::vector<Moment> values = values_on(*coarse, input, rough.density.get(), nullptr);
    for (std::size_t i = 0; i < found.size(); ++i) history[i].emplace_back(values[i].value);
    widths.push_back(
        std::pow(static_cast<double>(problem.grid().cells()) / static_cast<double>(cells),
                 1.0 / problem.grid().dimension()));
  }
  const double order = discretisation_order(problem);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double noise = 4 * found[i].solver + round_off * spreads[i];
    found[i].grid = grid_error(history[i], widths, order, noise);
    found[i].grid.error += round_off * spreads[i];
  }
  return found;
}

} // namespace komori::analyses
