#include <fmt/format.h>

#include "analyses/koopman_study.hpp"
#include "operators/connectivity.hpp"

namespace komori::analyses {
namespace {

/// Says whether a chain is irreducible; warns where it is not.
void report_connectivity(TransferProblem& problem, io::Attributes& facts) {
  const operators::Connectivity found =
      operators::connectivity(problem.matrix(), problem.transposed());
  facts.push_back({"irreducible", std::int64_t{found.irreducible()}});
  if (found.irreducible()) {
    problem.log().line("  irreducible: every state leads to every other");
    return;
  }
  problem.log().warning(fmt::format(
      "the chain is reducible: state 0 does not lead to {} of {} states, and {} states do not lead "
      "to it",
      found.unreachable, problem.grid().cells(), found.dead_ends));
}

} // namespace

int study_chain(KoopmanRun& run) {
  const KoopmanInput& input = run.input;
  base::Phase assembly(run.log(), "assembly");
  const operators::ChainSource source(run.session().comm(), input.model.chain);
  if (input.spectrum) validate(source.states(), *input.spectrum);
  if (input.coarse_sets) validate(source.states(), *input.coarse_sets);
  const std::vector<std::string> variables{"state"};
  TransferProblem problem(run.session(), source, input.model.chain.lag);
  if (input.stationary) validate(problem.grid(), *input.stationary, variables, {});
  if (input.transitions) {
    validate(problem.grid(), run.log(), false, *input.transitions, variables, {});
  }
  if (input.coherent_sets) validate(problem.grid(), *input.coherent_sets, variables, {});
  run.require_room(problem.grid(), static_cast<double>(problem.transfer().nonzeros));
  io::Attributes facts{{"matrix", std::string(problem.rates() ? "rates" : "probabilities")}};
  report_connectivity(problem, facts);
  if (run.check_only()) return stop_at_check(run.run);
  assembly.finish(fmt::format("{} nonzeros", problem.transfer().nonzeros));
  return study_transfer(run, problem, variables, {}, std::move(facts));
}

} // namespace komori::analyses
