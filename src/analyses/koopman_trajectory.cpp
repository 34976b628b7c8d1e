#include <optional>

#include "analyses/chapman_kolmogorov.hpp"
#include "analyses/coarse_sets_data.hpp"
#include "analyses/counted_chain.hpp"
#include "analyses/koopman_study.hpp"
#include "analyses/study.hpp"
#include "analyses/time_scales.hpp"
#include "operators/estimate.hpp"

namespace komori::analyses {
namespace {

/// The visits of cells, and which of them the chain stands for.
void write_visits(const spaces::Grid& grid, const operators::EstimatedChain& chain,
                  io::ResultFile& file) {
  const io::Attribute unit{"unit", std::string("-")};
  const base::ReadArray visits(chain.visits.get());
  file.write("/counts/visits", visits.span(), grid.slab(),
             {{"meaning", std::string("pairs of frames that begin in a cell")}, unit});
  const base::ReadArray inside(chain.inside.get());
  file.write(
      "/counts/connected", inside.span(), grid.slab(),
      {{"meaning", std::string("1 for cells of the connected set, which the chain is on")}, unit});
}

} // namespace

int study_trajectory(KoopmanRun& run) {
  const KoopmanInput& input = run.input;
  const models::TrajectoryInput& model = input.model.trajectory;
  const operators::CountsInput how = input.counts.value_or(operators::CountsInput{});
  const operators::TrajectorySource source(run.session().comm(), model);
  spaces::Grid grid(run.session().comm(), make_axes(model.variables, model.parameters, input.grid));
  if (input.spectrum) validate(grid.cells(), *input.spectrum);
  if (input.stationary) validate(grid, *input.stationary, model.variables, model.parameters);
  if (input.coherent_sets) {
    validate(grid, *input.coherent_sets, model.variables, model.parameters);
  }
  if (input.time_scales) (void)lags_of(source, *input.time_scales);
  if (input.chapman_kolmogorov) {
    validate(source, grid, *input.chapman_kolmogorov, model.parameters);
  }
  std::optional<CountedData> data;
  if (input.time_scales || input.chapman_kolmogorov || input.coarse_sets) {
    data.emplace(source, grid, how, input.bootstrap.value_or(BootstrapInput{}));
  }
  introduce_data(run.log(), source);
  CountedChain counted(run.log(), source, grid, how);
  operators::EstimatedChain& chain = counted.chain;
  if (input.spectrum) validate(chain.states, *input.spectrum);
  if (input.coarse_sets) validate(chain.states, *input.coarse_sets);
  if (input.coherent_sets) validate(chain.states, *input.coherent_sets);
  run.require_room(grid, static_cast<double>(chain.transfer.nonzeros));
  if (run.check_only()) return stop_at_check(run.run);
  TransferProblem problem(run.session(), grid, std::move(chain.transfer), source.lag());
  std::vector<ResultSection> more;
  more.push_back({"counts", [&](io::ResultFile& file) {
                    write_visits(problem.grid(), chain, file);
                    return true;
                  }});
  if (input.time_scales) {
    more.push_back({"time_scales", [&](io::ResultFile& file) {
                      time_scales(*data, *input.time_scales, run.log(), problem.checkpoints(),
                                  file);
                      return true;
                    }});
  }
  std::optional<DataSets> sets;
  if (input.coarse_sets) {
    sets.emplace(problem, chain.inside.get(), *data, *input.coarse_sets,
                 run.run.command_line.quiet ? base::Log::Level::quiet : base::Log::Level::normal);
    more.push_back({"coarse_sets", [&](io::ResultFile& file) { return sets->section(file); }});
  }
  if (input.chapman_kolmogorov) {
    more.push_back({"chapman_kolmogorov", [&](io::ResultFile& file) {
                      const ChapmanKolmogorovInput& test = *input.chapman_kolmogorov;
                      const NamedSets named =
                          test.coarse ? sets_of(sets->sets().assignment.get(), sets->sets().count())
                                      : sets_of(problem.grid(), test, model.parameters);
                      chapman_kolmogorov(*data, problem, test, named, file);
                      return true;
                    }});
  }
  return study_transfer(run, problem, model.variables, model.parameters, std::move(counted.facts),
                        std::move(more));
}

} // namespace komori::analyses
