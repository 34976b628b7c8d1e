#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "analyses/cover_report.hpp"
#include "analyses/koopman_study.hpp"
#include "analyses/saved_assembly.hpp"
#include "analyses/solver_checkpoints.hpp"
#include "analyses/study.hpp"

namespace komori::analyses {
namespace {

/// Of the phase, and of its numbers.
const std::string cover_name = "cover";

/// What the matrix will hold, from a cover a few bisections short of the whole one.
double expected_boxes(const operators::Cover& shallow, std::int64_t depth) {
  const auto last = static_cast<double>(shallow.total);
  const std::int64_t missing = depth - shallow.tree.depth();
  return last * std::pow(growth(shallow), static_cast<double>(missing));
}

void save(io::CheckpointWriter& writer, MPI_Comm comm, const operators::CoverState& state) {
  std::vector<double> numbers{static_cast<double>(state.stage), static_cast<double>(state.depth),
                              static_cast<double>(state.before), static_cast<double>(state.missed)};
  numbers.insert(numbers.end(), state.counts.begin(), state.counts.end());
  writer.numbers(cover_name, numbers);
  save_list(writer, comm, "cover.keys", state.keys);
  save_list(writer, comm, "cover.waiting", state.waiting);
  save_list(writer, comm, "cover.found", state.found);
}

operators::CoverState load(io::CheckpointReader& reader, MPI_Comm comm) {
  const std::vector<double> numbers = reader.numbers(cover_name);
  operators::CoverState state{
      .stage = static_cast<operators::CoverState::Stage>(static_cast<int>(numbers.at(0))),
      .depth = static_cast<std::int64_t>(numbers.at(1)),
      .before = static_cast<std::int64_t>(numbers.at(2)),
      .missed = static_cast<std::int64_t>(numbers.at(3))};
  for (std::size_t i = 4; i < numbers.size(); ++i) {
    state.counts.push_back(static_cast<std::int64_t>(numbers[i]));
  }
  state.keys = load_list(reader, comm, "cover.keys");
  state.waiting = load_list(reader, comm, "cover.waiting");
  state.found = load_list(reader, comm, "cover.found");
  return state;
}

/// The cover, or what an earlier run has found of it; every later save holds it.
operators::Cover cover_of(KoopmanRun& run, const models::Step& step,
                          const std::vector<spaces::Axis>& axes) {
  MPI_Comm comm = run.session().comm();
  io::Checkpoints& checkpoints = run.result().checkpoints;
  operators::CoverContinuation continuation;
  const auto take_over = [&](io::CheckpointReader& reader) {
    continuation.from = load(reader, comm);
  };
  bool fresh = true;
  if (!checkpoints.restore(cover_name, take_over)) fresh = !checkpoints.kept(cover_name, take_over);
  continuation.step = [&](const std::function<operators::CoverState()>& state) {
    checkpoints.step(cover_name,
                     [&](io::CheckpointWriter& writer) { save(writer, comm, state()); });
  };
  continuation.finished = [&, comm](operators::CoverState state) {
    checkpoints.keep([comm, state = std::move(state)](
                         io::CheckpointWriter& writer) { save(writer, comm, state); },
                     fresh);
  };
  return operators::build_cover(comm, step, axes, *run.input.cover, run.log(), continuation);
}

} // namespace

int study_cover(KoopmanRun& run, const models::Step& step, std::vector<ResultSection> more) {
  const KoopmanInput& input = run.input;
  const std::vector<spaces::Axis> axes = make_axes(step.variables(), step.parameters(), input.grid);
  operators::validate(step, axes, *input.cover);
  MPI_Comm comm = run.session().comm();
  operators::CoverInput how = *input.cover;
  // Boxes are cheap beside what is done with them; only a look at what is coming is cut short.
  constexpr std::int64_t look = 18;
  if (run.check_only()) how.depth = std::min(how.depth, look);
  base::Phase bisecting(run.log(), "cover");
  operators::Cover cover = run.check_only()
                               ? operators::build_cover(comm, step, axes, how, run.log())
                               : cover_of(run, step, axes);
  const double boxes = expected_boxes(cover, input.cover->depth);
  bisecting.finish(describe(cover));
  const std::string lacking = missing(cover, how.samples);
  if (!lacking.empty()) run.log().warning(lacking);
  const double entries = step.noisy() ? entries_per_row(comm, step, cover, *input.cover)
                                      : std::pow(2.0, step.dimension()) + 2;
  const spaces::Grid grid = operators::grid_of(comm, cover);
  if (run.check_only()) {
    run.require_room(grid, entries * static_cast<double>(grid.cells()));
    run.log().line(
        fmt::format("  about {:.3g} boxes are expected at depth {}", boxes, input.cover->depth));
    return stop_at_check(run.run);
  }
  if (input.spectrum) validate(grid.cells(), *input.spectrum);
  if (input.coarse_sets) validate(grid.cells(), *input.coarse_sets);
  if (input.coherent_sets) validate(grid.cells(), *input.coherent_sets);
  run.require_room(grid, entries * static_cast<double>(grid.cells()));
  SavedAssembly saved(run.session(), run.result().checkpoints);
  base::Phase assembly(run.log(), "assembly");
  TransferProblem problem(run.session(), step, std::move(cover), how, saved.continuation());
  saved.finish(problem);
  assembly.finish(fmt::format("{} nonzeros", problem.transfer().nonzeros));
  if (problem.transfer().largest_cut > 0) {
    run.log().line(fmt::format("  noise is cut where it leaves the cover: up to {:.2g} of a box's "
                               "probability",
                               problem.transfer().largest_cut));
  }
  if (input.stationary) validate(problem, *input.stationary, step.variables(), step.parameters());
  return study_transfer(run, problem, step.variables(), step.parameters(), {}, std::move(more));
}

} // namespace komori::analyses
