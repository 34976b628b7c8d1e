#include <memory>

#include <fmt/format.h>

#include "analyses/koopman_study.hpp"
#include "analyses/problem.hpp"
#include "analyses/spectrum.hpp"
#include "analyses/stationary.hpp"
#include "analyses/study.hpp"
#include "base/error.hpp"

namespace komori::analyses {

namespace {

/// The generator as a matrix of rates, for what chains and maps have, too. Collective.
std::unique_ptr<TransferProblem> rates_of(Problem& problem) {
  operators::TransferMatrix rates;
  rates.matrix = base::UniqueMat::share(problem.generator_entries());
  rates.leak = problem.grid().vector();
  rates.nonzeros = problem.generator().facts.nonzeros;
  rates.norm = problem.generator().facts.norm;
  auto result =
      std::make_unique<TransferProblem>(problem.session(), problem.grid(), std::move(rates));
  if (problem.checkpoints()) result->use(*problem.checkpoints());
  return result;
}

void require_closed(const Problem& problem, const std::string& section) {
  if (!problem.absorbing()) return;
  throw base::InputError(fmt::format("'{}' needs a system that nothing leaves, but the grid has an "
                                     "absorbing wall; make it reflecting or remove '{}'",
                                     section, section));
}

} // namespace

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
  TransitionsInput between;
  if (input.transitions) {
    between = conditions_of(*input.transitions, model.variables);
    validate(problem, between);
  }
  if (input.coarse_sets) {
    validate(problem.grid().cells(), *input.coarse_sets);
    require_closed(problem, "coarse_sets");
  }
  run.require_room(problem.grid(), static_cast<double>(problem.grid().cells()) *
                                       (2 * problem.grid().dimension() + 1));
  if (run.check_only()) return stop_at_check(run.run);
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
  if (input.transitions) {
    study.sections.push_back({"transitions", [&](io::ResultFile& file) {
                                transitions(problem, between, file);
                                return true;
                              }});
  }
  if (input.coarse_sets) {
    study.sections.push_back({"coarse_sets", [&](io::ResultFile& file) {
                                const std::unique_ptr<TransferProblem> rates = rates_of(problem);
                                return coarse_sets(*rates, *input.coarse_sets, file);
                              }});
  }
  return carry_out(run, study);
}

} // namespace komori::analyses
