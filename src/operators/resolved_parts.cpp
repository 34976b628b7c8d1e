/// Partitions of the cells: by the place on some axes, or by sets.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "config/formula.hpp"
#include "config/formula_rows.hpp"
#include "config/nearest.hpp"
#include "operators/resolved.hpp"

namespace komori::operators {
namespace {

using base::InputError;

/// Sets given as lists of states, by state; -1: in none. The same on all ranks.
std::vector<PetscInt> listed_states(const spaces::Grid& grid, const ProjectionInput& input,
                                    const Names& names) {
  const std::vector<std::vector<config::FormulaText>> sets = config::formula_rows(input.sets);
  const std::size_t count = input.sets.entries.size();
  const auto states = static_cast<std::size_t>(grid.cells());
  // Nothing of the size of all states is kept here before the lists have shown to be as long.
  if (count < states) {
    throw InputError(fmt::format("{}: 'projection.sets' lists {} of the {} states; each must be in "
                                 "one set",
                                 input.sets.origin.text(), count, states));
  }
  std::vector<PetscInt> owner(states, -1);
  for (std::size_t s = 0; s < sets.size(); ++s) {
    for (const config::FormulaText& entry : sets[s]) {
      const double value = config::evaluate_constant(entry, names.constants);
      if (!(value >= 0 && value < static_cast<double>(states)) || value != std::floor(value)) {
        throw InputError(fmt::format("{}: '{}' is {}, but must be a state, 0 to {}",
                                     entry.origin.text(), entry.path, entry.text, states - 1));
      }
      PetscInt& set = owner[static_cast<std::size_t>(value)];
      if (set >= 0) {
        throw InputError(fmt::format("{}: '{}' names state {} again; it is in set {} already, and "
                                     "each state must be in one set",
                                     entry.origin.text(), entry.path, entry.text, set));
      }
      set = static_cast<PetscInt>(s);
    }
  }
  return owner; // as many entries as states, each once
}

} // namespace

std::pair<std::vector<PetscInt>, PetscInt> parts_by_variables(const spaces::Grid& grid,
                                                              const ProjectionInput& input) {
  const std::vector<std::string> names = grid.names();
  std::vector<int> axes;
  std::vector<PetscInt> counts;
  double total = 1;
  for (std::size_t v = 0; v < input.variables.size(); ++v) {
    const std::string& name = input.variables[v];
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      const std::optional<std::string> hint = config::nearest(name, names);
      throw InputError(fmt::format(
          "{}: 'projection.variables[{}]' is '{}', which is no variable of "
          "the model.{} Variables: {}",
          input.origin.text(), v, name, hint ? fmt::format(" Did you mean '{}'?", *hint) : "",
          fmt::join(names, ", ")));
    }
    axes.push_back(static_cast<int>(found - names.begin()));
    const PetscInt cells = grid.axis(axes.back()).cells();
    PetscInt groups = cells;
    if (!input.cells.empty()) {
      const double wanted = input.cells[v];
      if (wanted != std::floor(wanted) || wanted > static_cast<double>(cells)) {
        throw InputError(
            fmt::format("{}: 'projection.cells[{}]' is {:g}, but must be an integer in "
                        "[1, {}], the cells of axis '{}'",
                        input.origin.text(), v, wanted, cells, name));
      }
      groups = static_cast<PetscInt>(wanted);
    }
    counts.push_back(groups);
    total *= static_cast<double>(groups);
  }
  std::vector<PetscInt> part(static_cast<std::size_t>(grid.local_cells()));
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    PetscInt number = 0;
    for (std::size_t v = 0; v < axes.size(); ++v) {
      const auto index = static_cast<std::int64_t>(cell[static_cast<std::size_t>(axes[v])]);
      const auto cells = static_cast<std::int64_t>(grid.axis(axes[v]).cells());
      number = number * counts[v] + static_cast<PetscInt>(index * counts[v] / cells);
    }
    part[static_cast<std::size_t>(local)] = number;
  });
  return {std::move(part), static_cast<PetscInt>(total)};
}

std::pair<std::vector<PetscInt>, PetscInt>
parts_by_sets(const spaces::Grid& grid, const ProjectionInput& input, const Names& names) {
  const auto count = static_cast<PetscInt>(input.sets.rows);
  std::vector<PetscInt> part(static_cast<std::size_t>(grid.local_cells()), -1);
  const bool lists = input.sets.rank == 2;
  if (lists && names.variables != std::vector<std::string>{"state"}) {
    throw InputError(
        fmt::format("{0}: 'projection.sets' lists states, which only a chain has; write "
                    "conditions on the variables, e.g. [{1} < 0, {1} >= 0]",
                    input.sets.origin.text(), names.variables.front()));
  }
  if (lists) {
    const std::vector<PetscInt> owner = listed_states(grid, input, names);
    grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
      part[static_cast<std::size_t>(local)] = owner[static_cast<std::size_t>(cell[0])];
    });
  } else {
    std::vector<config::Formula> conditions;
    for (const config::FormulaText& set : input.sets.entries) {
      conditions.emplace_back(set, names.variables, names.constants);
    }
    const auto holding = [&](std::span<const double> x) {
      double held = 0;
      for (const config::Formula& condition : conditions) held += condition(x) != 0 ? 1 : 0;
      return held;
    };
    spaces::require(
        grid, holding, [](double held) { return held == 1; },
        fmt::format("{}: 'projection.sets': each state must be in one set; the number "
                    "of sets that a state is in must be 1",
                    input.sets.origin.text()));
    std::vector<double> x(static_cast<std::size_t>(grid.dimension()));
    grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
      grid.center(cell, x);
      for (std::size_t s = 0; s < conditions.size(); ++s) {
        if (conditions[s](x) != 0) part[static_cast<std::size_t>(local)] = static_cast<PetscInt>(s);
      }
    });
  }
  std::vector<std::int64_t> members(static_cast<std::size_t>(count), 0);
  for (const PetscInt set : part) ++members[static_cast<std::size_t>(set)];
  MPI_Allreduce(MPI_IN_PLACE, members.data(), static_cast<int>(count), MPI_INT64_T, MPI_SUM,
                grid.comm());
  const auto empty = std::find(members.begin(), members.end(), 0);
  if (empty != members.end()) {
    const config::FormulaText text =
        config::formula_rows(input.sets)[static_cast<std::size_t>(empty - members.begin())].front();
    throw InputError(fmt::format("{}: 'projection.sets[{}]' ({}) holds no state; remove it",
                                 text.origin.text(), empty - members.begin(), text.text));
  }
  return {std::move(part), count};
}

} // namespace komori::operators
