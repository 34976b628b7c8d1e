/// The `transitions` section of a map or a Markov chain: committors, fluxes, rates and passage
/// times between sets of cells or states.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analyses/transfer_problem.hpp"
#include "analyses/transitions.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `transitions` as written.
struct TransferTransitionsInput {
  config::FormulaArray from;
  config::FormulaArray to;
  std::vector<std::vector<double>> points;
  std::string solver = "auto";
  double tolerance = 1e-10;
};
void declare(config::Declarer& declarer, TransferTransitionsInput& input);

/// With lists of states turned into conditions. Throws InputError where a list is not of states, or
/// there is a list but the model has other variables than 'state'. Local.
TransitionsInput conditions_of(const TransferTransitionsInput& input,
                               const std::vector<std::string>& variables);

/// Throws InputError where sets are empty, overlap, are missing, or points lie outside; `may_leak`:
/// paths may end elsewhere, so that a target may be left out. Collective.
void validate(const spaces::Grid& grid, base::Log& log, bool may_leak,
              const TransferTransitionsInput& input, const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants);

/// As the sections of an SDE, in the time of the problem: steps count its lag. `variables` and
/// `constants` are those of the formulas. Collective; throw InputError, ConvergenceError.
Transitions compute_transitions(TransferProblem& problem, const TransferTransitionsInput& input,
                                const std::vector<std::string>& variables,
                                const std::vector<std::pair<std::string, double>>& constants);
void transitions(TransferProblem& problem, const TransferTransitionsInput& input,
                 const std::vector<std::string>& variables,
                 const std::vector<std::pair<std::string, double>>& constants,
                 io::ResultFile& file);

} // namespace komori::analyses
