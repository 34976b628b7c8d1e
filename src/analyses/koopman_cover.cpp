#include <array>
#include <cmath>

#include <fmt/format.h>

#include "analyses/cover_report.hpp"
#include "analyses/koopman_study.hpp"
#include "analyses/study.hpp"

namespace komori::analyses {
namespace {

/// What the matrix will hold, from a cover a few bisections short of the whole one.
double expected_boxes(const operators::Cover& shallow, std::int64_t depth) {
  const auto last = static_cast<double>(shallow.total);
  const std::int64_t missing = depth - shallow.tree.depth();
  return last * std::pow(growth(shallow), static_cast<double>(missing));
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
  operators::Cover cover = operators::build_cover(comm, step, axes, how, run.log());
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
  run.require_room(grid, entries * static_cast<double>(grid.cells()));
  base::Phase assembly(run.log(), "assembly");
  TransferProblem problem(run.session(), step, std::move(cover), how);
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
