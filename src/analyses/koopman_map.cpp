#include <utility>

#include <fmt/format.h>

#include "analyses/koopman_study.hpp"
#include "analyses/saved_assembly.hpp"
#include "analyses/study.hpp"

namespace komori::analyses {

int study_map(KoopmanRun& run) {
  const models::Map map(run.input.model.map);
  return run.input.cover ? study_cover(run, map) : study_step(run, map);
}

int study_step(KoopmanRun& run, const models::Step& step, std::vector<ResultSection> more) {
  const KoopmanInput& input = run.input;
  const operators::UlamInput ulam = input.ulam.value_or(operators::UlamInput{});
  spaces::Grid grid(run.session().comm(),
                    make_axes(step.variables(), step.parameters(), input.grid));
  operators::validate(step, grid, ulam);
  if (input.spectrum) validate(grid.cells(), *input.spectrum);
  if (input.coarse_sets) validate(grid.cells(), *input.coarse_sets);
  if (input.stationary) validate(grid, *input.stationary, step.variables(), step.parameters());
  if (input.transitions) {
    const bool may_leak = ulam.outside == "leak" || grid.has(spaces::Boundary::absorbing);
    validate(grid, run.log(), may_leak, *input.transitions, step.variables(), step.parameters());
  }
  if (input.coherent_sets) {
    validate(grid, *input.coherent_sets, step.variables(), step.parameters());
  }
  run.require_room(grid, operators::entries_per_row(step, grid, ulam) *
                             static_cast<double>(grid.cells()));
  if (run.check_only()) return stop_at_check(run.run);
  SavedAssembly saved(run.session(), run.result().checkpoints);
  base::Phase assembly(run.log(), "assembly");
  TransferProblem problem(run.session(), step, std::move(grid), ulam, saved.continuation());
  saved.finish(problem);
  assembly.finish(fmt::format("{} nonzeros", problem.transfer().nonzeros));
  return study_transfer(run, problem, step.variables(), step.parameters(), {}, std::move(more));
}

} // namespace komori::analyses
