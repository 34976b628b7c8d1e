#include "operators/resolved.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "config/formula.hpp"
#include "config/nearest.hpp"

namespace komori::operators {
namespace {

using base::check;
using base::InputError;

/// Observables with less than this left beside those before them, relative to their norm, count as
/// dependent: sampling a formula leaves rounding of about 1e-15 of it.
constexpr double least_independence = 1e-9;

std::string name_of(const config::FormulaText& formula) {
  return fmt::format("{}: '{}' ({})", formula.origin.text(), formula.path, formula.text);
}

base::UniqueVec sampled(const spaces::Grid& grid, const config::FormulaText& text,
                        const Names& names) {
  const config::Formula formula(text, names.variables, names.constants);
  spaces::require_finite(grid, std::cref(formula),
                         fmt::format("{}: '{}'", text.origin.text(), text.path));
  return grid.sampled([&](std::span<const double> x) { return formula(x); });
}

double product(Vec u, Vec v, Vec weights, Vec work) {
  check(VecPointwiseMult(work, u, weights));
  return base::dot(work, v);
}

double mean(Vec u, Vec weights) {
  return base::dot(u, weights);
}

/// u - <u>, where the constant is conserved.
void centre(Vec u, Vec weights) {
  check(VecShift(u, -mean(u, weights)));
}

[[noreturn]] void refuse_everything(const ProjectionInput& input, PetscInt cells) {
  throw InputError(
      fmt::format("{}: 'projection' resolves all {} states, so that nothing is left to "
                  "forget (Q = 0); resolve fewer {}",
                  input.origin.text(), cells,
                  input.kind == "sets"          ? "sets"
                  : input.kind == "observables" ? "observables"
                                                : "variables or 'cells'"));
}

/// ||f|| in the inner product; throws InputError where that is no number.
double size_of(Vec f, const config::FormulaText& text, Vec weights, Vec work) {
  const double size = std::sqrt(product(f, f, weights, work));
  if (std::isfinite(size)) return size;
  throw InputError(fmt::format("{} is too large: squares of its values are no numbers any more; "
                               "scale it",
                               name_of(text)));
}

/// Gram-Schmidt in order, twice, so that the one to blame is named.
Resolved observables(const spaces::Grid& grid, const ProjectionInput& input, const Names& names,
                     Vec weights, bool conserved) {
  Resolved result;
  result.centred = conserved;
  std::vector<base::UniqueVec> basis;
  const base::UniqueVec work = base::duplicate(weights);
  if (conserved) {
    basis.push_back(base::duplicate(weights));
    check(VecSet(basis.back().get(), 1));
  }
  for (const config::FormulaText& text : input.observables.entries) {
    base::UniqueVec f = sampled(grid, text, names);
    const double size = size_of(f.get(), text, weights, work.get());
    if (conserved) centre(f.get(), weights);
    base::UniqueVec rest = base::duplicate(weights);
    check(VecCopy(f.get(), rest.get()));
    const auto norm = [&] {
      return std::sqrt(product(rest.get(), rest.get(), weights, work.get()));
    };
    if (!(size > 0) || (conserved && norm() <= least_independence * size)) {
      throw InputError(fmt::format("{} is constant on the grid; the constant 1 belongs to every "
                                   "projection already, and nothing else is known of a constant; "
                                   "remove it",
                                   name_of(text)));
    }
    for (int pass = 0; pass < 2; ++pass) {
      for (const base::UniqueVec& b : basis) {
        check(VecAXPY(rest.get(), -product(rest.get(), b.get(), weights, work.get()), b.get()));
      }
    }
    const double left = norm() / size;
    result.independence = std::min(result.independence, left);
    if (left <= least_independence) {
      throw InputError(
          fmt::format("{} is a linear combination of those before it{} (all but {:.1e} "
                      "of its norm); remove it",
                      name_of(text), conserved ? " and the constant 1" : "", left));
    }
    check(VecScale(rest.get(), 1 / (left * size)));
    basis.push_back(std::move(rest));
    result.functions.push_back(std::move(f));
    result.labels.push_back(text.text);
  }
  if (static_cast<PetscInt>(basis.size()) >= grid.cells()) refuse_everything(input, grid.cells());
  result.text = fmt::format("{} observable{}{}, rank {}", result.functions.size(),
                            result.functions.size() == 1 ? "" : "s",
                            conserved ? " and the constant 1" : "", basis.size());
  result.projection = std::make_unique<Projection>(Projection::onto(grid, basis, weights));
  return result;
}

/// Parts whose functions are few get their indicators, others the formulas asked for.
void choose_functions(const spaces::Grid& grid, const ProjectionInput& input, const Names& names,
                      Vec weights, bool conserved, Resolved& result) {
  const Projection& projection = *result.projection;
  const bool sets = input.kind == "sets";
  if (!input.functions.given() && (sets || projection.rank() <= most_indicators)) {
    result.functions = projection.columns();
    result.parts = true;
    for (PetscInt j = 0; j < projection.rank(); ++j) result.labels.push_back(std::to_string(j));
    return;
  }
  result.closed = false;
  result.centred = conserved;
  std::vector<config::FormulaText> texts = input.functions.entries;
  if (texts.empty()) {
    for (const std::string& variable : input.variables) {
      texts.emplace_back(variable, input.origin, "projection.variables");
    }
  }
  const base::UniqueVec work = base::duplicate(weights);
  for (const config::FormulaText& text : texts) {
    const base::UniqueVec f = sampled(grid, text, names);
    base::UniqueVec seen = base::duplicate(weights);
    projection.apply(f.get(), seen.get()); // on coarser cells the mean over each of them
    const double size = size_of(f.get(), text, weights, work.get());
    if (conserved) centre(seen.get(), weights);
    const double left = std::sqrt(product(seen.get(), seen.get(), weights, work.get()));
    if (left <= least_independence * size || size == 0) {
      throw InputError(
          fmt::format("{} is constant as far as the projection sees it; remove it", name_of(text)));
    }
    result.functions.push_back(std::move(seen));
    result.labels.push_back(text.text);
  }
}

} // namespace

void declare(config::Declarer& declarer, ProjectionInput& input) {
  declarer.choice("kind", input.kind, {"observables", "variables", "sets"},
                  {.help = "What is seen of the system. observables: some functions (Mori); "
                           "variables: every function of some variables (Zwanzig); sets: which of "
                           "some sets the state is in (lumping).",
                   .need = config::Need::required});
  declarer.formula_array("observables", input.observables,
                         {.help = "observables: formulas of the variables (of 'state', for a "
                                  "chain). The constant 1 is always seen along with them."});
  declarer.names("variables", input.variables, {.help = "variables: the ones that are seen."});
  declarer.reals("cells", input.cells,
                 {.help = "variables: number of equal groups of neighbouring cells that are told "
                          "apart, per variable seen; default: every cell of the grid."},
                 {.min = 1, .max = 1e9});
  declarer.formula_array("sets", input.sets,
                         {.help = "sets: a condition on the variables for each, e.g. [x < 0, x >= "
                                  "0], or for chains lists of states, e.g. [[0], [1, 2]]. Every "
                                  "state belongs to one set."});
  declarer.text("from", input.from,
                {.help =
                     "sets: in place of 'sets' a result of the driver koopman on the same grid, "
                     "whose coarse sets are taken."});
  declarer.formula_array("functions", input.functions,
                         {.help = "variables: functions of the variables seen whose memory is "
                                  "reported; default: the indicators of all groups where these are "
                                  "no more than 16, otherwise the variables themselves."});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("kind");
  const std::string& kind = input.kind;
  const auto belongs = [&](const char* key, bool given, bool wanted) {
    if (given && !wanted) {
      declarer.reject(key,
                      fmt::format("does not belong to a projection of kind '{}'; remove it", kind));
    }
  };
  belongs("observables", input.observables.given(), kind == "observables");
  belongs("variables", !input.variables.empty(), kind == "variables");
  belongs("cells", !input.cells.empty(), kind == "variables");
  belongs("functions", input.functions.given(), kind == "variables");
  belongs("sets", input.sets.given(), kind == "sets");
  belongs("from", !input.from.empty(), kind == "sets");
  if (kind == "observables" && !input.observables.given()) {
    declarer.reject("", "of kind 'observables' needs formulas; add e.g. 'observables: [x]'");
  }
  if (kind == "variables" && input.variables.empty()) {
    declarer.reject("", "of kind 'variables' needs names; add e.g. 'variables: [x]'");
  }
  if (kind == "sets" && !input.sets.given() && input.from.empty()) {
    declarer.reject("", "of kind 'sets' needs sets; add e.g. 'sets: [x < 0, x >= 0]', or 'from: "
                        "result.h5' for those of a coarse-sets analysis");
  }
  if (input.sets.given() && !input.from.empty()) {
    declarer.reject("from", "stands in place of 'sets'; give one of them");
  }
  if (input.observables.rank == 2) {
    declarer.reject("observables", "is a list of lists, but must be a list of formulas");
  }
  if (input.sets.given() && input.sets.rank == 0) {
    declarer.reject("sets", "is one set, which holds everything; give several");
  }
  if (input.functions.rank == 2) {
    declarer.reject("functions", "is a list of lists, but must be a list of formulas");
  }
  if (!input.cells.empty() && input.cells.size() != input.variables.size()) {
    declarer.reject("cells", fmt::format("has {} numbers, but 'variables' has {} names",
                                         input.cells.size(), input.variables.size()));
  }
}

Resolved resolve(const spaces::Grid& grid, const ProjectionInput& input, const Names& names,
                 Vec weights, bool conserved) {
  if (input.kind == "observables") return observables(grid, input, names, weights, conserved);
  const bool sets = input.kind == "sets";
  const auto [part, count] = !sets                ? parts_by_variables(grid, input)
                             : input.from.empty() ? parts_by_sets(grid, input, names)
                                                  : parts_by_file(grid, input);
  if (count >= grid.cells()) refuse_everything(input, grid.cells());
  Resolved result;
  result.projection =
      std::make_unique<Projection>(Projection::onto_parts(grid, part, count, weights));
  choose_functions(grid, input, names, weights, conserved, result);
  result.text = sets ? fmt::format("{} sets{}", count,
                                   input.from.empty() ? "" : fmt::format(" of '{}'", input.from))
                     : fmt::format("{} seen, rank {}", fmt::join(input.variables, ", "), count);
  return result;
}

} // namespace komori::operators
