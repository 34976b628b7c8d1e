#include "analyses/transfer_transitions.hpp"

#include <cmath>

#include <fmt/format.h>

#include "analyses/transfer_stationary.hpp"
#include "analyses/transition_system.hpp"
#include "base/error.hpp"
#include "config/formula.hpp"
#include "operators/csr.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// (P - 1) / lag.
base::UniqueMat generator_of_steps(const TransferProblem& problem) {
  const spaces::Grid& grid = problem.grid();
  operators::CsrBuilder builder(grid.first(), grid.local_cells(), 1);
  for (PetscInt i = 0; i < grid.local_cells(); ++i) {
    builder.add(grid.first() + i, -1 / problem.lag());
    builder.end_row();
  }
  base::UniqueMat generator = std::move(builder).finish(grid.comm(), grid.cells());
  base::UniqueMat sum; // of its own arrays, which a sum can extend
  check(MatDuplicate(generator.get(), MAT_COPY_VALUES, sum.put()));
  check(MatAXPY(sum.get(), 1 / problem.lag(), problem.matrix(), DIFFERENT_NONZERO_PATTERN));
  return sum;
}

/// Calls `body` with the system that a transfer problem is.
void with_system(TransferProblem& problem, const std::vector<std::string>& variables,
                 const std::vector<std::pair<std::string, double>>& constants,
                 const std::function<void(const TransitionSystem&)>& body) {
  constexpr PetscInt most_factorised = 100'000;
  base::UniqueMat steps;
  const auto generator = [&] {
    if (problem.rates()) return problem.matrix();
    if (!steps) steps = generator_of_steps(problem);
    return steps.get();
  };
  std::function<base::UniqueVec(const spaces::Field&)> sampled;
  if (problem.cover()) {
    sampled = [&](const spaces::Field& value) { return problem.sampled(value); };
  }
  body({.log = problem.log(),
        .grid = problem.grid(),
        .volumes = problem.volumes(),
        .checkpoints = problem.checkpoints(),
        .products = generator,
        .entries = generator,
        .step = problem.rates() ? 0 : problem.lag(),
        .absorbing = !problem.closed(),
        .reversible = false,
        .preferred = problem.grid().cells() <= most_factorised ? linalg::Method::direct
                                                               : linalg::Method::iterative,
        .sampled = sampled,
        .variables = variables,
        .constants = constants,
        .stationary_density = [&] {
          return std::move(
              leading_density(problem, {.tolerance = 1e-12, .observables = {}}).density);
        }});
}

/// One condition from one formula or a list of states.
config::FormulaText condition_of(const config::FormulaArray& array, bool states,
                                 const std::string& key) {
  if (!array.given()) return {};
  if (array.rank == 0) return array.entries.front();
  if (array.rank != 1 || !states) {
    throw base::InputError(fmt::format(
        "{}: '{}' is a list{}; write a condition, e.g. '{}: x > 0.7'", array.origin.text(), key,
        states ? " of lists" : ", which is for the states of a chain",
        key.substr(key.find('.') + 1)));
  }
  std::string text;
  for (const config::FormulaText& entry : array.entries) {
    const double state = config::evaluate_constant(entry);
    if (!(state >= 0) || state != std::floor(state)) {
      throw base::InputError(fmt::format("{}: '{}' is {}, but states are numbers 0, 1, 2, ...",
                                         entry.origin.text(), entry.path, entry.text));
    }
    text += fmt::format("{}state == {:.0f}", text.empty() ? "" : " || ", state);
  }
  return {text, array.origin, key};
}

} // namespace

void declare(config::Declarer& declarer, TransferTransitionsInput& input) {
  declarer.formula_array("from", input.from,
                         {.help = "The start set A: a condition at cell centres, e.g. x < -0.7, or "
                                  "a list of a chain's states, [0, 3]."});
  declarer.formula_array("to", input.to,
                         {.help = "The target set B, likewise; may be left out where the system "
                                  "leaks."});
  declarer.real_rows("points", input.points,
                     {.help = "Points at which passage times and committors are reported.",
                      .unit = "of the variables"});
  declarer.choice("solver", input.solver, {"auto", "direct", "iterative"},
                  {.help = "direct: sparse LU; iterative: GMRES with multigrid."});
  declarer.real("tolerance", input.tolerance,
                {.help = "Relative residual of the iterative solver."},
                {.min = 1e-15, .max = 1e-2});
}

TransitionsInput conditions_of(const TransferTransitionsInput& input,
                               const std::vector<std::string>& variables) {
  const bool states = variables == std::vector<std::string>{"state"};
  return {.from = condition_of(input.from, states, "transitions.from"),
          .to = condition_of(input.to, states, "transitions.to"),
          .points = input.points,
          .solver = input.solver,
          .tolerance = input.tolerance};
}

void validate(const spaces::Grid& grid, base::Log& log, bool may_leak,
              const TransferTransitionsInput& input, const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants) {
  validate(TransitionSystem{.log = log,
                            .grid = grid,
                            .volumes = nullptr,
                            .absorbing = may_leak,
                            .variables = variables,
                            .constants = constants},
           conditions_of(input, variables));
}

Transitions compute_transitions(TransferProblem& problem, const TransferTransitionsInput& input,
                                const std::vector<std::string>& variables,
                                const std::vector<std::pair<std::string, double>>& constants) {
  Transitions result;
  const TransitionsInput conditions = conditions_of(input, variables);
  with_system(problem, variables, constants, [&](const TransitionSystem& system) {
    validate(system, conditions);
    result = compute_transitions(system, conditions);
  });
  return result;
}

void transitions(TransferProblem& problem, const TransferTransitionsInput& input,
                 const std::vector<std::string>& variables,
                 const std::vector<std::pair<std::string, double>>& constants,
                 io::ResultFile& file) {
  const TransitionsInput conditions = conditions_of(input, variables);
  with_system(problem, variables, constants, [&](const TransitionSystem& system) {
    validate(system, conditions);
    transitions(system, conditions, file);
  });
}

} // namespace komori::analyses
