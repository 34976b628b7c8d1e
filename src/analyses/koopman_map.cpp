#include <fmt/format.h>

#include "analyses/koopman_study.hpp"
#include "analyses/study.hpp"

namespace komori::analyses {

int study_map(KoopmanRun& run) {
  const KoopmanInput& input = run.input;
  if (input.cover) return study_cover(run);
  const models::MapInput& model = input.model.map;
  const models::Map map(model);
  const operators::UlamInput ulam = input.ulam.value_or(operators::UlamInput{});
  spaces::Grid grid(run.session().comm(), make_axes(model.variables, model.parameters, input.grid));
  operators::validate(map, grid, ulam);
  if (input.spectrum) validate(grid.cells(), *input.spectrum);
  if (input.coarse_sets) validate(grid.cells(), *input.coarse_sets);
  if (input.stationary) validate(grid, *input.stationary, model.variables, model.parameters);
  if (input.transitions) {
    const bool may_leak = ulam.outside == "leak" || grid.has(spaces::Boundary::absorbing);
    validate(grid, run.log(), may_leak, *input.transitions, model.variables, model.parameters);
  }
  if (input.coherent_sets) {
    validate(grid, *input.coherent_sets, model.variables, model.parameters);
  }
  run.require_room(grid,
                   operators::entries_per_row(map, grid, ulam) * static_cast<double>(grid.cells()));
  if (run.check_only()) return run.stop_at_check();
  base::Phase assembly(run.log(), "assembly");
  TransferProblem problem(run.session(), map, std::move(grid), ulam);
  assembly.finish(fmt::format("{} nonzeros", problem.transfer().nonzeros));
  return study_transfer(run, problem, model.variables, model.parameters, {});
}

} // namespace komori::analyses
