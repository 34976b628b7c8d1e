#include <fmt/format.h>

#include "analyses/koopman_study.hpp"
#include "analyses/problem.hpp"
#include "analyses/spectrum.hpp"
#include "analyses/stationary.hpp"
#include "analyses/study.hpp"

namespace komori::analyses {

int study_sde(KoopmanRun& run) {
  const KoopmanInput& input = run.input;
  const models::SdeInput& model = input.model.sde;
  const models::Sde sde(model);
  const StationaryInput density{.tolerance = input.stationary ? input.stationary->tolerance : 1e-10,
                                .observables = input.stationary
                                                   ? input.stationary->observables
                                                   : decltype(StationaryInput::observables){},
                                .current = false};
  SpectrumInput pairs;
  if (input.spectrum) {
    pairs = {.pairs = input.spectrum->pairs,
             .tolerance = input.spectrum->tolerance,
             .sides = input.spectrum->sides,
             .target = input.spectrum->target,
             .solver = input.spectrum->solver,
             .error_estimate = input.spectrum->error_estimate};
  }
  base::Phase discretisation(run.log(), "discretisation");
  Problem problem(
      run.session(), sde,
      spaces::Grid(run.session().comm(), make_axes(model.variables, model.parameters, input.grid)),
      input.scheme.value_or(operators::SchemeInput{}));
  if (input.stationary) validate(problem, density);
  if (input.spectrum) validate(problem, pairs);
  run.require_room(problem.grid(), static_cast<double>(problem.grid().cells()) *
                                       (2 * problem.grid().dimension() + 1));
  if (run.check_only()) return run.stop_at_check();
  const std::int64_t nonzeros = problem.generator().facts.nonzeros;
  discretisation.finish(fmt::format("{} nonzeros", nonzeros));
  KoopmanStudy study{
      .grid = problem.grid(),
      .nonzeros = nonzeros,
      .facts = {{"nonzeros", nonzeros}, {"generator_norm", problem.generator().facts.norm}},
      .use = [&](io::Checkpoints& checkpoints) { problem.use(checkpoints); }};
  if (input.stationary) {
    study.sections.push_back(
        {"stationary", [&](io::ResultFile& file) { return stationary(problem, density, file); }});
  }
  if (input.spectrum) {
    study.sections.push_back(
        {"spectrum", [&](io::ResultFile& file) { return spectrum(problem, pairs, file); }});
  }
  return carry_out(run, study);
}

} // namespace komori::analyses
