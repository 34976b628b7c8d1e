#include "analyses/mori_zwanzig.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "analyses/estimate.hpp"
#include "analyses/memory_series.hpp"
#include "analyses/memory_systems.hpp"
#include "analyses/study.hpp"
#include "base/memory.hpp"
#include "config/help.hpp"
#include "config/reader.hpp"
#include "config/resolved.hpp"

namespace komori::analyses {
namespace {

constexpr const char* driver_name = "mori_zwanzig";

/// What a run holds at its peak: matrices, Krylov vectors of rates and kernel, a factorisation.
Estimate predict(const MoriZwanzigInput& input, const MemoryStudy& study, int ranks) {
  const int dimension = study.grid().dimension();
  const auto cells = static_cast<double>(study.grid().cells());
  const double nonzeros = study.nonzeros();
  const bool steps = input.model.kind != "sde" && !input.memory.times;
  const auto functions = static_cast<double>(input.projection.observables.entries.size());
  const double krylov = std::max(3.0 * static_cast<double>(input.memory.rates), 30.0) + 60;
  const double matrix = nonzeros * (sizeof(PetscScalar) + sizeof(PetscInt));
  // Fill of a factorisation in two dimensions, as measured; in more there is no law.
  const double fill = steps || study.swept_axis() ? 0
                      : dimension == 1            ? 4
                      : dimension == 2            ? 30
                                                  : 60;
  // GMRES's vectors and the sweeps' factors, of two systems: both poles, or both sides.
  const double iteration = study.swept_axis() ? 110 : 0;
  const double bytes = (3 + fill) * matrix + 8 * cells * (krylov + iteration + 6 * functions + 20);
  return {.nonzeros = nonzeros, .bytes_per_rank = 90e6 + bytes / ranks};
}

/// The memory of an operator alone.
int study_operator(Run& run, const MoriZwanzigInput& input, const Opening& opening) {
  base::Session& session = run.session;
  MemoryStudy study(session, input);
  const auto cells = static_cast<double>(study.grid().cells());
  const Estimate predicted = predict(input, study, session.size());
  introduce(run, heading(input.title, driver_name), study.grid(), input.model.kind == "chain",
            predicted);
  study.remark();
  require_memory(session.comm(), {.cells = cells, .ranks = session.size()}, predicted);
  study.require_sound();
  if (run.command_line.check) return stop_at_check(run);
  const std::string resolved = config::resolved(input);
  OpenResult result(run, opening.output, resolved, opening.policy);
  if (!result.resumed) write_grid(input.title, driver_name, study.grid(), result.file);
  study.use(result.checkpoints);
  std::vector<ResultSection> sections{
      {"memory", [&](io::ResultFile& file) { return study.memory(file); }}};
  for (ResultSection& section : study.more()) sections.push_back(std::move(section));
  const std::string incomplete = run_sections(result, session.log(), sections);
  return conclude(run,
                  {.driver = driver_name,
                   .opening = opening,
                   .resolved = resolved,
                   .incomplete = incomplete,
                   .nonzeros = static_cast<std::int64_t>(study.nonzeros())},
                  &study.grid(), result);
}

/// The memory of a time series, and where there is a grid that of the operator fitted to it.
int study_series(Run& run, const MoriZwanzigInput& input, const Opening& opening) {
  base::Session& session = run.session;
  const models::TrajectoryInput& model = input.model.trajectory;
  const operators::TrajectorySource source(session.comm(), model);
  const operators::Names names{model.variables, model.parameters};
  SeriesMemory series(session, source, input.projection, names, input.memory, input.bootstrap);
  session.log().line(heading(input.title, driver_name));
  introduce_data(session.log(), source);
  Estimate predicted{.nonzeros = 0, .bytes_per_rank = series.bytes()};
  std::optional<MemoryStudy> study;
  double cells = 0;
  if (!input.grid.empty()) {
    study.emplace(session, input, &source);
    cells = static_cast<double>(study->grid().cells());
    const Estimate fitted = predict(input, *study, session.size());
    predicted.nonzeros = fitted.nonzeros;
    predicted.bytes_per_rank = std::max(predicted.bytes_per_rank, fitted.bytes_per_rank);
  }
  session.log().line(
      fmt::format("  about {} per rank", base::bytes_text(predicted.bytes_per_rank)));
  require_memory(session.comm(), {.cells = cells, .ranks = session.size()}, predicted);
  if (study) study->require_sound();
  series.require_sound();
  if (run.command_line.check) return stop_at_check(run);
  const std::string resolved = config::resolved(input);
  OpenResult result(run, opening.output, resolved, opening.policy);
  std::vector<ResultSection> sections{
      {"memory", [&](io::ResultFile& file) { return series.memory(file); }}};
  if (study) {
    if (!result.resumed) write_grid(input.title, driver_name, study->grid(), result.file);
    result.file.annotate("/grid", study->facts());
    study->use(result.checkpoints);
    sections.push_back({"memory_operator", [&](io::ResultFile& file) {
                          return study->memory(file, "memory_operator",
                                               "Memory of the operator fitted to the data");
                        }});
  } else if (!result.resumed) {
    result.file.annotate("/", {{"title", input.title}, {"driver", std::string(driver_name)}});
  }
  const std::string incomplete = run_sections(result, session.log(), sections);
  return conclude(run,
                  {.driver = driver_name,
                   .opening = opening,
                   .resolved = resolved,
                   .incomplete = incomplete,
                   .nonzeros = study ? static_cast<std::int64_t>(study->nonzeros()) : -1},
                  study ? &study->grid() : nullptr, result);
}

int work(Run& run) {
  const auto input = config::read<MoriZwanzigInput>(run.input);
  const Opening opening(run, input.checkpoint);
  return input.model.kind == "trajectory" ? study_series(run, input, opening)
                                          : study_operator(run, input, opening);
}

} // namespace

void declare(config::Declarer& declarer, MoriZwanzigInput& input) {
  using config::Need;
  declarer.text("title", input.title, {.help = "What this study is called in output and plots."});
  declarer.section("model", input.model, {.help = "The system.", .need = Need::required});
  declarer.named_sections("grid", "<axis>", input.grid,
                          {.help = "One axis per variable of the model, at most six; none for a "
                                   "chain, whose states are cells already. With a trajectory it "
                                   "asks for the memory of the transfer matrix counted on it, too, "
                                   "under /memory_operator."});
  declarer.section(
      "ulam", input.ulam,
      {.help = "How the matrix of a map or flow on the grid is made (Ulam's method)."});
  declarer.section("scheme", input.scheme, {.help = "The finite-volume scheme, for an sde."});
  declarer.section("counts", input.counts,
                   {.help =
                        "How the transitions of a trajectory between cells of 'grid' are made a "
                        "matrix."});
  declarer.section("bootstrap", input.bootstrap,
                   {.help = "Confidence bands of a trajectory's memory, from samples of its "
                            "blocks."});
  declarer.section("projection", input.projection,
                   {.help = "What is seen of the system.", .need = Need::required});
  declarer.section("memory", input.memory,
                   {.help = "What is asked of its memory.", .need = Need::required});
  declarer.section("checkpoint", input.checkpoint, {.help = "When and where long phases save."});
  if (!declarer.reading()) return;
  const std::string& kind = input.model.kind;
  const bool data = kind == "trajectory";
  if (!data || !input.grid.empty()) check_grid(declarer, kind, !input.grid.empty());
  check_kind(declarer, "ulam", input.ulam.has_value(), kind, {"map", "flow"});
  check_kind(declarer, "scheme", input.scheme.has_value(), kind, {"sde"});
  check_kind(declarer, "counts", input.counts.has_value(), kind, {"trajectory"});
  check_kind(declarer, "bootstrap", input.bootstrap.has_value(), kind, {"trajectory"});
  if (data && input.counts && input.grid.empty()) {
    declarer.reject("counts", "belongs to a grid, on which transitions are counted; add 'grid', or "
                              "remove it");
  }
  if (data && !input.grid.empty() && input.memory.times) {
    declarer.reject("grid", "asks for the operator fitted to the data, which moves in steps of the "
                            "lag; use 'memory.lags' in place of 'memory.times', or remove 'grid'");
  }
}

Driver mori_zwanzig_driver() {
  return {
      .name = driver_name,
      .summary =
          "memory kernels of what is seen of a stochastic differential equation, a map, "
          "a flow, a Markov chain or a time series, and their decay rates as eigenvalues of the "
          "orthogonal dynamics",
      .key_help = [] { return config::help<MoriZwanzigInput>().text(); },
      .option_prefixes = {"memory_", "rates_", "stationary_"},
      .work = work};
}

} // namespace komori::analyses
