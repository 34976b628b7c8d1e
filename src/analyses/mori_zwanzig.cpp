#include "analyses/mori_zwanzig.hpp"

#include <chrono>

#include <fmt/format.h>

#include "analyses/estimate.hpp"
#include "analyses/memory_systems.hpp"
#include "analyses/study.hpp"
#include "base/collective.hpp"
#include "base/memory.hpp"
#include "config/help.hpp"
#include "config/reader.hpp"
#include "config/resolved.hpp"

namespace komori::analyses {
namespace {

constexpr const char* driver_name = "mori_zwanzig";

/// What a run holds at its peak: matrices, Krylov vectors of rates and kernel, a factorisation.
Estimate predict(const MoriZwanzigInput& input, int dimension, double cells, double nonzeros,
                 int ranks) {
  const bool steps = input.model.kind != "sde" && !input.memory.times;
  const auto functions = static_cast<double>(input.projection.observables.entries.size());
  const double krylov = std::max(3.0 * static_cast<double>(input.memory.rates), 30.0) + 60;
  const double matrix = nonzeros * (sizeof(PetscScalar) + sizeof(PetscInt));
  // Fill of a factorisation in two dimensions, as measured; in more there is no law.
  const double fill = steps ? 0 : dimension == 1 ? 4 : dimension == 2 ? 30 : 60;
  const double bytes = (3 + fill) * matrix + 8 * cells * (krylov + 6 * functions + 20);
  return {.nonzeros = nonzeros, .bytes_per_rank = 90e6 + bytes / ranks};
}

void introduce(const MoriZwanzigInput& input, base::Session& session, const spaces::Grid& grid,
               const Estimate& estimate) {
  base::Log& log = session.log();
  log.line(fmt::format("{} ({})", input.title.empty() ? "Untitled" : input.title, driver_name));
  if (input.model.kind == "chain") {
    log.line(fmt::format("  Markov chain of {} states", grid.cells()));
  } else {
    for (const spaces::Axis& axis : grid.axes()) {
      log.line(fmt::format("  {:<8} [{:g}, {:g}], {} cells, {}", axis.name(), axis.from(),
                           axis.to(), axis.cells(), boundary_text(axis)));
    }
  }
  log.line(fmt::format("  {} unknowns, about {:.4g} nonzeros and {} per rank, {} rank{} in blocks "
                       "of {}",
                       grid.cells(), estimate.nonzeros, base::bytes_text(estimate.bytes_per_rank),
                       session.size(), session.size() == 1 ? "" : "s", blocks_text(grid)));
}

int work(Run& run) {
  const auto started = std::chrono::system_clock::now();
  base::Session& session = run.session;
  const double libraries = base::mean(session.comm(), base::peak_resident_bytes());
  const auto input = config::read<MoriZwanzigInput>(run.input);
  const std::string output = result_name(run);
  if (!run.command_line.check) {
    io::ResultFile::require_writable(session.comm(), output, run.command_line.overwrite);
  }
  const io::CheckpointPolicy policy =
      checkpoint_policy(session.comm(), input.checkpoint, run.command_line, output);

  MemoryStudy study(session, input);
  const auto cells = static_cast<double>(study.grid().cells());
  const Estimate predicted =
      predict(input, study.grid().dimension(), cells, study.nonzeros(), session.size());
  introduce(input, session, study.grid(), predicted);
  require_memory(session.comm(), {.cells = cells, .ranks = session.size()}, predicted);
  study.require_sound();
  if (run.command_line.check) {
    session.log().line("  the input is valid; nothing was run (--check)");
    return 0;
  }
  const std::string resolved = config::resolved(input);
  OpenResult result(run, output, resolved, policy);
  if (!result.resumed) write_grid(input.title, driver_name, study.grid(), result.file);
  study.use(result.checkpoints);
  const std::string incomplete = run_section(result.checkpoints, session.log(), "memory",
                                             [&] { return study.memory(result.file); });
  return conclude(run,
                  {.driver = driver_name,
                   .output = output,
                   .resolved = resolved,
                   .incomplete = incomplete,
                   .started = started,
                   .library_bytes = libraries,
                   .nonzeros = static_cast<std::int64_t>(study.nonzeros())},
                  study.grid(), result);
}

} // namespace

void declare(config::Declarer& declarer, MoriZwanzigInput& input) {
  using config::Need;
  declarer.text("title", input.title, {.help = "What this study is called in output and plots."});
  declarer.section("model", input.model, {.help = "The system.", .need = Need::required});
  declarer.named_sections("grid", "<axis>", input.grid,
                          {.help = "One axis per variable of the model, at most six; none for a "
                                   "chain, whose states are cells already."});
  declarer.section("ulam", input.ulam,
                   {.help = "How the matrix of a map on the grid is made (Ulam's method)."});
  declarer.section("scheme", input.scheme, {.help = "The finite-volume scheme, for an sde."});
  declarer.section("projection", input.projection,
                   {.help = "What is seen of the system.", .need = Need::required});
  declarer.section("memory", input.memory,
                   {.help = "What is asked of its memory.", .need = Need::required});
  declarer.section("checkpoint", input.checkpoint, {.help = "When and where long phases save."});
  if (!declarer.reading()) return;
  const std::string& kind = input.model.kind;
  const bool chain = kind == "chain";
  if (chain && !input.grid.empty()) {
    declarer.reject("grid", "does not belong to a model of kind 'chain'; remove it");
  }
  if (!chain && input.grid.empty()) {
    declarer.reject("", fmt::format("'grid' is missing; a model of kind '{}' needs an axis for "
                                    "every variable, e.g. 'grid: {{x: {{from: 0, to: 1, cells: "
                                    "128}}}}'",
                                    kind));
  }
  const auto belongs = [&](const char* key, bool given, const char* to) {
    if (given && kind != to) {
      declarer.reject(key, fmt::format("belongs to a model of kind '{}', but 'model.kind' is '{}'; "
                                       "remove it",
                                       to, kind));
    }
  };
  belongs("ulam", input.ulam.has_value(), "map");
  belongs("scheme", input.scheme.has_value(), "sde");
}

Driver mori_zwanzig_driver() {
  return {.name = driver_name,
          .summary = "memory kernels of what is seen of a stochastic differential equation, a map "
                     "or a Markov chain, and their decay rates as eigenvalues of the orthogonal "
                     "dynamics",
          .key_help = [] { return config::help<MoriZwanzigInput>().text(); },
          .option_prefixes = {"memory_", "rates_", "stationary_"},
          .work = work};
}

} // namespace komori::analyses
