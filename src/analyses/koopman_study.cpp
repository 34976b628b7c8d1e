#include "analyses/koopman_study.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "analyses/cover_report.hpp"
#include "analyses/estimate.hpp"
#include "analyses/study.hpp"
#include "base/error.hpp"
#include "config/reader.hpp"
#include "config/resolved.hpp"

namespace komori::analyses {
namespace {

/// What a run holds: the matrix twice, what is made of it on the way or, where its rows are saved,
/// two numbers per entry, and the vectors of the eigensolves of both sides.
Estimate predict(const KoopmanInput& input, double cells, double nonzeros, int ranks) {
  const double pairs = input.spectrum ? static_cast<double>(input.spectrum->pairs) : 3;
  const bool factorised = input.spectrum && input.spectrum->solver == "direct";
  const double matrix = nonzeros * (sizeof(PetscScalar) + sizeof(PetscInt));
  double vectors = 3 * (1.5 * pairs + 5) + 30 + 4 * pairs;
  if (input.coarse_sets) {
    const double sets = static_cast<double>(input.coarse_sets->most()) + 2;
    vectors = std::max(vectors, 3 * sets + 30 + 8 * sets);
  }
  const bool saves = input.model.kind == "map" || input.model.kind == "flow";
  const double saved = saves ? sizeof(double) * (2 * nonzeros + 3 * cells) : 0;
  // Fill of a factorisation has no law here; ten times the matrix is a beginning.
  const double bytes =
      (factorised ? 12 : 2) * matrix + std::max(matrix, saved) + 8 * cells * vectors;
  return {.nonzeros = nonzeros, .bytes_per_rank = 90e6 + bytes / ranks};
}

/// Where ParaView finds the fields of a result.
std::vector<io::XdmfField> sidecar_fields(const io::ResultFile& file) {
  std::vector<io::XdmfField> fields;
  if (file.contains("/stationary/density")) {
    fields.push_back({.label = "stationary density", .dataset = "/stationary/density"});
  }
  add_eigenvectors(file, fields);
  return fields;
}

} // namespace

KoopmanRun::KoopmanRun(Run& its_run)
    : run(its_run), input(config::read<KoopmanInput>(run.input)), opening(run, input.checkpoint) {}

OpenResult& KoopmanRun::result() {
  if (!result_) result_.emplace(run, opening.output, config::resolved(input), opening.policy);
  return *result_;
}

void KoopmanRun::require_room(const spaces::Grid& grid, double nonzeros) const {
  const auto cells = static_cast<double>(grid.cells());
  const Estimate predicted = predict(input, cells, nonzeros, session().size());
  introduce(run, heading(input.title, koopman_name), grid, input.model.kind == "chain", predicted);
  if (remarks) remarks();
  require_memory(session().comm(),
                 {.cells = cells, .ranks = session().size(), .matrix_free = false}, predicted);
}

int carry_out(KoopmanRun& run, const KoopmanStudy& study) {
  const std::string resolved = config::resolved(run.input);
  OpenResult& result = run.result();
  study.use(result.checkpoints);
  if (!result.file.contains("/grid")) { // a checkpoint may be older than the grid
    write_grid(run.input.title, koopman_name, study.grid, result.file);
  }
  result.file.annotate("/grid", study.facts);
  const std::string incomplete = run_sections(result, run.log(), study.sections);
  return conclude(run.run,
                  {.driver = koopman_name,
                   .opening = run.opening,
                   .resolved = resolved,
                   .incomplete = incomplete,
                   .nonzeros = study.nonzeros,
                   .fields = sidecar_fields(result.file)},
                  &study.grid, result);
}

int study_transfer(KoopmanRun& run, TransferProblem& problem,
                   const std::vector<std::string>& variables,
                   const std::vector<std::pair<std::string, double>>& constants,
                   io::Attributes facts, std::vector<ResultSection> more) {
  const KoopmanInput& input = run.input;
  facts.push_back({"nonzeros", problem.transfer().nonzeros});
  facts.push_back({"largest_leak", problem.transfer().largest_leak});
  if (!problem.closed()) {
    run.log().line(fmt::format("  leaks: up to {:.4g} of a cell's probability per step",
                               problem.transfer().largest_leak));
  }
  KoopmanStudy study{.grid = problem.grid(),
                     .nonzeros = problem.transfer().nonzeros,
                     .facts = std::move(facts),
                     .use = [&](io::Checkpoints& checkpoints) { problem.use(checkpoints); }};
  if (problem.cover()) {
    study.sections.push_back({"cover", [&](io::ResultFile& file) {
                                write_cover(*problem.cover(), problem.grid(),
                                            problem.transfer().largest_cut, file);
                                return true;
                              }});
  }
  if (input.stationary) {
    study.sections.push_back({"stationary", [&](io::ResultFile& file) {
                                return stationary(problem, *input.stationary, variables, constants,
                                                  file);
                              }});
  }
  if (input.spectrum) {
    study.sections.push_back({"spectrum", [&](io::ResultFile& file) {
                                return spectrum(problem, *input.spectrum, file);
                              }});
  }
  if (input.transitions) {
    study.sections.push_back({"transitions", [&](io::ResultFile& file) {
                                transitions(problem, *input.transitions, variables, constants,
                                            file);
                                return true;
                              }});
  }
  if (input.coarse_sets && input.model.kind != "trajectory") { // data have sets of their own
    study.sections.push_back({"coarse_sets", [&](io::ResultFile& file) {
                                return coarse_sets(problem, *input.coarse_sets, file);
                              }});
  }
  if (input.coherent_sets) {
    study.sections.push_back({"coherent_sets", [&](io::ResultFile& file) {
                                return coherent_sets(problem, *input.coherent_sets, variables,
                                                     constants, file);
                              }});
  }
  for (ResultSection& section : more) study.sections.push_back(std::move(section));
  return carry_out(run, study);
}

} // namespace komori::analyses
