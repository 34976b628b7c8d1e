#include "analyses/transfer_stationary.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "analyses/connected_chain.hpp"
#include "analyses/eigen_checkpoints.hpp"
#include "analyses/slow_pairs.hpp"
#include "base/error.hpp"
#include "config/formula.hpp"
#include "linalg/eigen.hpp"
#include "linalg/solver.hpp"
#include "operators/connectivity.hpp"
#include "operators/csr.hpp"
#include "operators/separate_parts.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::EigenPairs;

/// The factors of a map's matrix fill up: of 250 x 250 cells they take ten times as long as powers.
constexpr PetscInt soon_factorised = 20'000;

/// The real pair of largest real part, or the number of pairs if there is none.
std::size_t leading(const EigenPairs& pairs) {
  std::size_t best = pairs.values.size();
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    if (pairs.values[i].imag() != 0) continue;
    if (best == pairs.values.size() || pairs.values[i].real() > pairs.values[best].real()) best = i;
  }
  return best;
}

/// Scales masses to the sum 1.
void normalise(Vec masses) {
  const double sum = base::sum(masses);
  check(VecScale(masses, 1 / sum));
}

double residual_of(Mat transposed, Vec masses, double eigenvalue) {
  const base::UniqueVec change = base::duplicate(masses);
  check(MatMult(transposed, masses, change.get()));
  check(VecAXPY(change.get(), -eigenvalue, masses));
  PetscReal norm = 0;
  check(VecNorm(change.get(), NORM_1, &norm));
  return norm;
}

/// Turns the masses of a result into its density and says how good they are.
void describe(TransferProblem& problem, LeadingDensity& result) {
  const Vec masses = result.density.get();
  result.residual = residual_of(problem.transposed(), masses, result.eigenvalue);
  check(VecPointwiseDivide(masses, masses, problem.volumes()));
  PetscReal lowest = 0;
  check(VecMin(masses, nullptr, &lowest));
  result.minimum = lowest;
}

/// A density with the leading eigenvalue. Collective.
LeadingDensity some_density(TransferProblem& problem, const TransferStationaryInput& input) {
  const PetscInt cells = problem.grid().cells();
  // Equal density is a fair guess, and the answer where volumes are kept.
  linalg::EigenRequest request{.pairs = std::min<PetscInt>(2, cells),
                               .tolerance = input.tolerance,
                               .norm = problem.norm(),
                               .largest = !problem.rates(),
                               .prefix = "stationary_",
                               .start = {problem.volumes()},
                               .max_iterations = 200};
  // Next to the leading eigenvalue on its far side, where nothing else is.
  request.shift = problem.rates() ? 1e-5 * problem.norm() : 1 + 1e-5;
  const auto solve = [&] {
    return with_checkpoints(problem.checkpoints(), problem.grid(), request, "stationary", nullptr,
                            [&](const linalg::EigenRequest& r) {
                              return linalg::general_pairs(problem.transposed(), r, problem.log());
                            });
  };
  const std::string filtering = "stationary filtered";
  const io::Checkpoints* checkpoints = problem.checkpoints();
  // Products alone do where nothing crowds next to the leading eigenvalue: a few cycles tell.
  if (request.largest && cells > soon_factorised) request.max_iterations = 20;
  const auto lacking = [&](const EigenPairs& found) {
    return request.largest && leading(found) == found.values.size();
  };
  EigenPairs pairs;
  if (!checkpoints || !checkpoints->pending(filtering)) pairs = solve();
  if (lacking(pairs) && cells > soon_factorised) {
    request.max_iterations = 0;
    pairs = slow_pairs(problem, true, request, filtering);
  }
  if (lacking(pairs) && cells <= most_factorised) {
    request.largest = false;
    request.max_iterations = 0;
    pairs = solve();
  }
  const std::size_t best = leading(pairs);
  if (best == pairs.values.size()) {
    throw base::ConvergenceError("the leading density did not converge; raise "
                                 "-stationary_eps_max_it or -stationary_eps_ncv, or relax "
                                 "'stationary.tolerance'");
  }
  LeadingDensity result;
  result.method = pairs.solver;
  result.eigenvalue = pairs.values[best].real();
  result.multiplicity = 0;
  for (const std::complex<double>& value : pairs.values) {
    if (std::abs(value - result.eigenvalue) < 1e-9 * problem.norm()) ++result.multiplicity;
  }
  result.density = base::duplicate(pairs.vectors[best].get());
  const Vec masses = result.density.get();
  check(VecCopy(pairs.vectors[best].get(), masses));
  normalise(masses);
  describe(problem, result);
  return result;
}

/// Where mass that begins spread evenly over the volume enters sets that it does not leave. 0 on
/// other cells. Collective.
base::UniqueVec arrivals(TransferProblem& problem, const std::vector<base::UniqueVec>& sets) {
  base::UniqueVec arrived = base::duplicate(problem.volumes());
  const base::UniqueVec even = base::duplicate(problem.volumes());
  check(VecCopy(problem.volumes(), even.get()));
  normalise(even.get());
  check(VecSet(arrived.get(), 0));
  for (const base::UniqueVec& set : sets) check(VecAXPY(arrived.get(), 1, set.get()));
  if (base::sum(arrived.get()) == problem.grid().cells()) {
    check(VecCopy(even.get(), arrived.get()));
    return arrived;
  }
  // Rows of I - P (of -P, where it holds rates), and of the identity where nothing goes on.
  operators::CsrBuilder builder(problem.grid().first(), problem.grid().local_cells(), 4);
  {
    const base::ReadArray closed(arrived.get());
    for (std::size_t i = 0; i < closed.size(); ++i) {
      const PetscInt row = problem.grid().first() + static_cast<PetscInt>(i);
      if (closed[i] > 0 || !problem.rates()) builder.add(row, 1);
      if (closed[i] == 0) {
        PetscInt count = 0;
        const PetscInt* columns = nullptr;
        const PetscScalar* values = nullptr;
        check(MatGetRow(problem.matrix(), row, &count, &columns, &values));
        for (PetscInt e = 0; e < count; ++e) builder.add(columns[e], -values[e]);
        check(MatRestoreRow(problem.matrix(), row, &count, &columns, &values));
      }
      builder.end_row();
    }
  }
  const base::UniqueMat going = std::move(builder).finish(problem.comm(), problem.grid().cells());
  const bool direct = problem.grid().cells() <= most_factorised;
  linalg::LinearSolver solver(going.get(), linalg::Kind::general,
                              direct ? linalg::Method::direct : linalg::Method::iterative, 1e-12,
                              "stationary_");
  solver.solve_transposed(even.get(), arrived.get());
  return arrived;
}

/// Mass that begins spread evenly, where it stays so (steps that keep volumes) or soon comes to
/// rest under half a step at a time. Unlike an eigenvector of a multiple eigenvalue it is nowhere
/// below 0. Returns whether it does. Collective.
bool take_even(TransferProblem& problem, const TransferStationaryInput& input,
               LeadingDensity& result) {
  constexpr int most_steps = 1000;
  base::UniqueVec masses = base::duplicate(problem.volumes());
  const base::UniqueVec image = base::duplicate(problem.volumes());
  check(VecCopy(problem.volumes(), masses.get()));
  normalise(masses.get());
  const double value = problem.rates() ? 0 : 1;
  // Volumes are differences of edges, which have fewer digits the more cells there are.
  const double rounding =
      1e-13 + 4 * std::numeric_limits<double>::epsilon() * problem.grid().cells();
  double residual = residual_of(problem.transposed(), masses.get(), value);
  int steps = 0;
  for (; residual > rounding * problem.norm() && steps < most_steps; ++steps) {
    check(MatMult(problem.transposed(), masses.get(), image.get()));
    if (problem.rates()) {
      check(VecAXPY(masses.get(), 0.5 / problem.norm(), image.get()));
    } else {
      check(VecAXPBY(masses.get(), 0.5, 0.5, image.get()));
    }
    residual = residual_of(problem.transposed(), masses.get(), value);
  }
  if (!(residual <= std::max(rounding, input.tolerance) * problem.norm())) return false;
  result.density = std::move(masses);
  result.eigenvalue = value;
  result.method =
      steps == 0 ? "volumes are kept" : fmt::format("{} half steps of even mass", steps);
  describe(problem, result);
  return true;
}

/// Puts the one density that is told in place of some density of many. Collective.
void choose(TransferProblem& problem, const TransferStationaryInput& input,
            LeadingDensity& result) {
  constexpr int most_searches = 500;
  std::vector<double> names;
  for (PetscInt i = 0; i < problem.grid().local_cells(); ++i) {
    names.push_back(static_cast<double>(problem.grid().first() + i));
  }
  const auto apart = operators::separate_parts(problem.matrix(), names);
  const bool many = apart && apart->count > most_searches; // each part takes a search at least
  std::optional<std::vector<base::UniqueVec>> sets;
  if (!many) {
    sets = operators::closed_sets(problem.matrix(), problem.transposed(), most_searches);
  }
  if (!sets) {
    if (!take_even(problem, input, result) || !many) return;
    result.parts = static_cast<std::size_t>(apart->count);
    result.multiplicity = static_cast<double>(result.parts);
    return;
  }
  if (sets->size() < 2) return;
  const base::UniqueVec arrived = arrivals(problem, *sets);
  const Vec masses = result.density.get();
  check(VecSet(masses, 0));
  for (const base::UniqueVec& set : *sets) {
    const double weight = base::dot(arrived.get(), set.get());
    if (base::sum(set.get()) == 1) {
      check(VecAXPY(masses, weight, set.get()));
      continue;
    }
    ConnectedChain part(problem, set.get());
    const LeadingDensity own = some_density(part.problem(), input);
    check(VecAXPY(masses, weight, part.expanded(own.density.get(), 0).get()));
  }
  result.eigenvalue = problem.rates() ? 0 : 1;
  result.parts = sets->size();
  result.multiplicity = static_cast<double>(result.parts);
  result.method += fmt::format(", in each of {} closed sets", result.parts);
  describe(problem, result);
}

} // namespace

bool every_row_leads_on(const TransferProblem& problem) {
  if (problem.rates()) return true;
  const base::UniqueVec sums = base::duplicate(problem.volumes());
  check(MatGetRowSum(problem.matrix(), sums.get()));
  PetscReal least = 0;
  check(VecMin(sums.get(), nullptr, &least));
  return least > 0.5;
}

void declare(config::Declarer& declarer, TransferStationaryInput& input) {
  declarer.real("tolerance", input.tolerance,
                {.help = "Largest residual of the density, relative to the norm of the operator."},
                {.min = 1e-15, .max = 1e-2});
  declarer.named_formulas("observables", "<name>", input.observables,
                          {.help = "Stationary averages of formulas of the variables (of 'state', "
                                   "for a chain)."});
}

void validate(const spaces::Grid& grid, const TransferStationaryInput& input,
              const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants) {
  for (const auto& [name, text] : input.observables) {
    const config::Formula formula(text, variables, constants);
    spaces::require_finite(grid, std::cref(formula),
                           fmt::format("{}: '{}'", text.origin.text(), text.path));
  }
}

void validate(const TransferProblem& problem, const TransferStationaryInput& input,
              const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants) {
  for (const auto& [name, text] : input.observables) {
    const config::Formula formula(text, variables, constants);
    problem.require(
        std::cref(formula), [](double value) { return std::isfinite(value); },
        fmt::format("{}: '{}' is not finite", text.origin.text(), text.path));
  }
}

LeadingDensity leading_density(TransferProblem& problem, const TransferStationaryInput& input) {
  LeadingDensity result = some_density(problem, input);
  // Of many cells only where the eigenvalue was seen to be multiple: a search takes its time.
  if ((result.multiplicity > 1 || problem.grid().cells() <= soon_factorised) && problem.closed() &&
      every_row_leads_on(problem)) {
    choose(problem, input, result);
  }
  return result;
}

bool stationary(TransferProblem& problem, const TransferStationaryInput& input,
                const std::vector<std::string>& variables,
                const std::vector<std::pair<std::string, double>>& constants,
                io::ResultFile& file) {
  base::Log& log = problem.log();
  base::Phase phase(log, "stationary");
  const LeadingDensity result = leading_density(problem, input);
  phase.finish(result.method);
  // A sum over cells against a 2-norm: up to the root of their number larger.
  const double relative = result.residual / problem.norm();
  const double allowed = input.tolerance * std::sqrt(static_cast<double>(problem.grid().cells()));
  const bool certain = relative <= std::max(allowed, 1e-13);
  const bool unique = result.multiplicity <= 1;
  {
    const base::ReadArray entries(result.density.get());
    file.write("/stationary/density", entries.span(), problem.grid().slab(),
               {{"meaning",
                 std::string(problem.closed() ? "stationary probability per unit volume"
                                              : "quasi-stationary probability per unit volume")},
                {"unit", std::string("1/volume")}});
  }
  std::vector<std::vector<std::string>> rows{
      {"eigenvalue", fmt::format("{:.12g}", result.eigenvalue)},
      {"residual", fmt::format("{:.2e}", result.residual)},
      {"lowest density", fmt::format("{:.3e}", result.minimum)}};
  const char* verdict = !certain ? "not converged" : unique ? "converged" : "suspect";
  io::Attributes facts{{"method", result.method},         {"eigenvalue", result.eigenvalue},
                       {"residual", result.residual},     {"relative_residual", relative},
                       {"verdict", std::string(verdict)}, {"minimum", result.minimum}};
  if (!problem.closed()) {
    const double rate =
        problem.rates() ? -result.eigenvalue : -std::log(result.eigenvalue) / problem.lag();
    facts.push_back({"escape_rate", rate});
    rows.push_back({"escape rate", fmt::format("{:.10g}", rate)});
  }
  const base::UniqueVec masses = base::duplicate(result.density.get());
  check(VecPointwiseMult(masses.get(), result.density.get(), problem.volumes()));
  for (const auto& [name, text] : input.observables) {
    const config::Formula formula(text, variables, constants);
    const base::UniqueVec values =
        problem.sampled([&](std::span<const double> x) { return formula(x); });
    const double average = base::dot(values.get(), masses.get());
    file.write_small("/stationary/observables/" + name, std::vector<double>{average}, {1},
                     {{"meaning", "stationary average of " + text.text}, {"unit", "-"}});
    rows.push_back({"average of " + name, fmt::format("{:.10g}", average)});
  }
  file.annotate("/stationary", facts);
  log.table(problem.closed() ? "Stationary density" : "Quasi-stationary density",
            {"quantity", "value"}, rows);
  if (!unique) {
    log.warning(
        result.parts > 1
            ? fmt::format(
                  "stationary: the state space falls into {} parts that never meet, so that "
                  "the density is one of many; it is that of mass which begins spread "
                  "evenly",
                  result.parts)
            : "stationary: the leading eigenvalue is multiple, so that the density is one of many: "
              "the state space falls into parts that never meet");
  }
  if (!certain) {
    log.warning(fmt::format("stationary: the residual {:.1e} relative to the operator is above the "
                            "tolerance; relax 'stationary.tolerance'",
                            relative));
  }
  return certain;
}

} // namespace komori::analyses
