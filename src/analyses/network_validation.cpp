#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "analyses/formula_poles.hpp"
#include "analyses/network_sections.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::InputError;

std::string key_of(const config::FormulaText& text) {
  return fmt::format("{}: '{}'", text.origin.text(), text.path);
}

/// The values of a formula at the points of a layer. Throws InputError with the first place, in an
/// order that is the same on any number of ranks, where one does not pass a test.
template <class Test>
base::UniqueVec tested(const operators::LayerSpace& space, const config::Formula& formula,
                       Test&& holds, const std::string& problem) {
  constexpr auto none = std::numeric_limits<std::int64_t>::max();
  base::UniqueVec vec = space.sampled([&](std::span<const double> x) { return formula(x); });
  const spaces::Grid& grid = space.grid();
  std::int64_t first = none;
  {
    const base::ReadArray values(vec.get());
    grid.for_each_cell([&](PetscInt local, const spaces::Index& index) {
      if (!holds(values[static_cast<std::size_t>(local)]))
        first = std::min(first, grid.natural(index));
    });
  }
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT64_T, MPI_MIN, grid.comm());
  if (first == none) return vec;
  spaces::Index index{};
  for (int k = grid.dimension() - 1; k >= 0; --k) {
    index[static_cast<std::size_t>(k)] = static_cast<PetscInt>(first % grid.axis(k).cells());
    first /= grid.axis(k).cells();
  }
  std::array<double, spaces::max_dimension> x{};
  const std::span<double> place(x.data(), static_cast<std::size_t>(space.dimension()));
  space.point(index, place);
  throw InputError(fmt::format("{} (it is {:.6g}) at {}", problem, formula(place),
                               spaces::place_text(grid, place)));
}

operators::LayerSpace space_of(MPI_Comm comm, const LayerPlan& plan) {
  return {comm, plan.names, plan.range, plan.cells, plan.order};
}

void require_finite_outputs(const operators::LayerSpace& outputs, const config::Formula& formula,
                            const config::FormulaText& text) {
  tested(
      outputs, formula, [](double value) { return std::isfinite(value); },
      key_of(text) + " must be finite wherever the outputs can be");
}

void require_density(const operators::LayerSpace& inputs, const config::Formula& formula,
                     const config::FormulaText& text) {
  const base::UniqueVec density = tested(
      inputs, formula, [](double value) { return std::isfinite(value) && value >= 0; },
      key_of(text) + " must be finite and not negative");
  if (base::sum(density.get()) > 0) return;
  throw InputError(key_of(text) + " is 0 everywhere, so it cannot be normalised");
}

} // namespace

void require_mean(const models::Network& network, const NetworkObservableInput& input) {
  const std::vector<models::Interval> outputs = models::ranges(network).back();
  const std::vector<std::string> names = network.variables(network.depth());
  const std::optional<Pole> pole =
      find_pole(observable_formula(network, input),
                input.variables.empty() ? names : input.variables, outputs);
  if (!pole) return;
  std::string place;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    // A place of 0 is found to rounding.
    const double size = std::max(std::abs(outputs[k].from), std::abs(outputs[k].to));
    const double y = std::abs(pole->place[k]) < 1e-12 * size ? 0 : pole->place[k];
    place += fmt::format("{}{} = {:.6g}", k > 0 ? ", " : "", names[k], y);
  }
  throw InputError(fmt::format("{} has no mean: near {} it grows like 1/distance^{:.3g}, whose "
                               "integral is infinite from power 1 on; cut it off there, as in "
                               "min(100, max(-100, ...)), or observe another function",
                               key_of(input.formula), place, pole->power));
}

config::Formula probability_formula(const models::Network& network,
                                    const NetworkStudyInput& input) {
  std::vector<std::string> names = network.variables(network.depth());
  if (input.observable && !input.observable->variables.empty()) names = input.observable->variables;
  return {input.probability->set, names};
}

void validate_on_grids(MPI_Comm comm, const models::Network& network,
                       const NetworkStudyInput& input, const std::vector<LayerPlan>& plan) {
  if (input.norms) {
    for (std::size_t n = 0; n < plan.size(); ++n) {
      if (static_cast<double>(input.norms->values) <= plan[n].points()) continue;
      throw InputError(fmt::format("'norms.values' is {}, but layer {} has only {:.0f} points; ask "
                                   "for fewer values, or raise 'layers.cells'",
                                   input.norms->values, n, plan[n].points()));
    }
  }
  if (input.spectrum) {
    const double points = plan[static_cast<std::size_t>(input.spectrum->layer)].points();
    if (static_cast<double>(input.spectrum->pairs) > points) {
      throw InputError(fmt::format("'spectrum.pairs' is {}, but layer {} has only {:.0f} points; "
                                   "ask for fewer pairs, or raise 'layers.cells'",
                                   input.spectrum->pairs, input.spectrum->layer, points));
    }
  }
  if (input.observable || input.probability) {
    const operators::LayerSpace outputs = space_of(comm, plan.back());
    if (input.observable) {
      require_finite_outputs(outputs, observable_formula(network, *input.observable),
                             input.observable->formula);
    }
    if (input.probability) {
      require_finite_outputs(outputs, probability_formula(network, input), input.probability->set);
    }
  }
  if (input.density && input.density->initial.given()) {
    require_density(space_of(comm, plan.front()),
                    config::Formula(input.density->initial, network.variables(0)),
                    input.density->initial);
  }
}

} // namespace komori::analyses
