#include "analyses/koopman.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "analyses/estimate.hpp"
#include "analyses/problem.hpp"
#include "analyses/spectrum.hpp"
#include "analyses/stationary.hpp"
#include "analyses/study.hpp"
#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/memory.hpp"
#include "config/help.hpp"
#include "config/reader.hpp"
#include "config/resolved.hpp"
#include "operators/connectivity.hpp"

namespace komori::analyses {
namespace {

constexpr const char* driver_name = "koopman";

/// What a run holds: the matrix twice, and the vectors of the eigensolves of both sides.
Estimate predict(const KoopmanInput& input, double cells, double nonzeros, int ranks) {
  const double pairs = input.spectrum ? static_cast<double>(input.spectrum->pairs) : 3;
  const bool factorised = input.spectrum && input.spectrum->solver == "direct";
  const double matrix = nonzeros * (sizeof(PetscScalar) + sizeof(PetscInt));
  const double vectors = 3 * (1.5 * pairs + 5) + 30 + 4 * pairs;
  // Fill of a factorisation has no law here; ten times the matrix is a beginning.
  const double bytes = (factorised ? 13 : 3) * matrix + 8 * cells * vectors;
  return {.nonzeros = nonzeros, .bytes_per_rank = 90e6 + bytes / ranks};
}

void introduce(const KoopmanInput& input, base::Session& session, const spaces::Grid& grid,
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

/// Where ParaView finds the fields of a result.
std::vector<io::XdmfField> sidecar_fields(const io::ResultFile& file) {
  std::vector<io::XdmfField> fields;
  if (file.contains("/stationary/density")) {
    fields.push_back({.label = "stationary density", .dataset = "/stationary/density"});
  }
  add_eigenvectors(file, fields);
  return fields;
}

/// One study: the parts of a run that depend on the kind of the model.
struct Study {
  const spaces::Grid& grid;
  std::int64_t nonzeros = 0;
  io::Attributes facts{};
  std::function<void(io::Checkpoints&)> use;
  std::function<bool(io::ResultFile&)> stationary;
  std::function<bool(io::ResultFile&)> spectrum;
};

/// Everything around the sections: file, checkpoints, record.
int carry_out(Run& run, const KoopmanInput& input, const std::string& output,
              const io::CheckpointPolicy& policy, std::chrono::system_clock::time_point started,
              double libraries, const Study& study) {
  const std::string resolved = config::resolved(input);
  OpenResult result(run, output, resolved, policy);
  study.use(result.checkpoints);
  if (!result.resumed) write_grid(input.title, driver_name, study.grid, result.file);
  result.file.annotate("/grid", study.facts);
  std::string incomplete;
  const auto section = [&](const char* name, const std::function<bool(io::ResultFile&)>& body) {
    const std::string problem =
        run_section(result.checkpoints, run.session.log(), name, [&] { return body(result.file); });
    if (incomplete.empty()) incomplete = problem;
  };
  if (input.stationary) section("stationary", study.stationary);
  if (input.spectrum) section("spectrum", study.spectrum);
  return conclude(run,
                  {.driver = driver_name,
                   .output = output,
                   .resolved = resolved,
                   .incomplete = incomplete,
                   .started = started,
                   .library_bytes = libraries,
                   .nonzeros = study.nonzeros,
                   .fields = sidecar_fields(result.file)},
                  study.grid, result);
}

/// Says whether a chain is irreducible; warns where it is not.
void report_connectivity(TransferProblem& problem, io::Attributes& facts) {
  const operators::Connectivity found =
      operators::connectivity(problem.matrix(), problem.transposed());
  facts.push_back({"irreducible", std::int64_t{found.irreducible()}});
  if (found.irreducible()) {
    problem.log().line("  irreducible: every state leads to every other");
    return;
  }
  problem.log().warning(fmt::format(
      "the chain is reducible: state 0 does not lead to {} of {} states, and {} states do not lead "
      "to it",
      found.unreachable, problem.grid().cells(), found.dead_ends));
}

int work(Run& run) {
  const auto started = std::chrono::system_clock::now();
  base::Session& session = run.session;
  const double libraries = base::mean(session.comm(), base::peak_resident_bytes());
  const auto input = config::read<KoopmanInput>(run.input);
  const bool check_only = run.command_line.check;
  const std::string output = result_name(run);
  if (!check_only) {
    io::ResultFile::require_writable(session.comm(), output, run.command_line.overwrite);
  }
  const io::CheckpointPolicy policy =
      checkpoint_policy(session.comm(), input.checkpoint, run.command_line, output);
  const auto stop_at_check = [&] {
    session.log().line("  the input is valid; nothing was run (--check)");
    return 0;
  };
  const auto require_room = [&](const spaces::Grid& grid, double nonzeros) {
    const auto cells = static_cast<double>(grid.cells());
    const Estimate predicted = predict(input, cells, nonzeros, session.size());
    introduce(input, session, grid, predicted);
    require_memory(session.comm(), {.cells = cells, .ranks = session.size()}, predicted);
  };
  const auto go = [&](TransferProblem& problem, const std::vector<std::string>& variables,
                      const std::vector<std::pair<std::string, double>>& constants,
                      io::Attributes facts) {
    facts.push_back({"nonzeros", problem.transfer().nonzeros});
    facts.push_back({"largest_leak", problem.transfer().largest_leak});
    if (!problem.closed()) {
      session.log().line(fmt::format("  leaks: up to {:.4g} of a cell's probability per step",
                                     problem.transfer().largest_leak));
    }
    return carry_out(
        run, input, output, policy, started, libraries,
        {.grid = problem.grid(),
         .nonzeros = problem.transfer().nonzeros,
         .facts = std::move(facts),
         .use = [&](io::Checkpoints& checkpoints) { problem.use(checkpoints); },
         .stationary =
             [&](io::ResultFile& file) {
               return stationary(problem, *input.stationary, variables, constants, file);
             },
         .spectrum =
             [&](io::ResultFile& file) { return spectrum(problem, *input.spectrum, file); }});
  };

  if (input.model.kind == "chain") {
    base::Phase assembly(session.log(), "assembly");
    const operators::ChainSource source(session.comm(), input.model.chain);
    if (input.spectrum) validate(source.states(), *input.spectrum);
    const std::vector<std::string> variables{"state"};
    TransferProblem problem(session, source, input.model.chain.lag);
    if (input.stationary) validate(problem.grid(), *input.stationary, variables, {});
    require_room(problem.grid(), static_cast<double>(problem.transfer().nonzeros));
    io::Attributes facts{{"matrix", std::string(problem.rates() ? "rates" : "probabilities")}};
    report_connectivity(problem, facts);
    if (check_only) return stop_at_check();
    assembly.finish(fmt::format("{} nonzeros", problem.transfer().nonzeros));
    return go(problem, variables, {}, std::move(facts));
  }
  if (input.model.kind == "map") {
    const models::MapInput& model = input.model.map;
    const models::Map map(model);
    const operators::UlamInput ulam = input.ulam.value_or(operators::UlamInput{});
    spaces::Grid grid(session.comm(), make_axes(model.variables, model.parameters, input.grid));
    operators::validate(map, grid, ulam);
    if (input.spectrum) validate(grid.cells(), *input.spectrum);
    if (input.stationary) validate(grid, *input.stationary, model.variables, model.parameters);
    require_room(grid,
                 operators::entries_per_row(map, grid, ulam) * static_cast<double>(grid.cells()));
    if (check_only) return stop_at_check();
    base::Phase assembly(session.log(), "assembly");
    TransferProblem problem(session, map, std::move(grid), ulam);
    assembly.finish(fmt::format("{} nonzeros", problem.transfer().nonzeros));
    return go(problem, model.variables, model.parameters, {});
  }

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
  base::Phase discretisation(session.log(), "discretisation");
  Problem problem(
      session, sde,
      spaces::Grid(session.comm(), make_axes(model.variables, model.parameters, input.grid)),
      input.scheme.value_or(operators::SchemeInput{}));
  if (input.stationary) validate(problem, density);
  if (input.spectrum) validate(problem, pairs);
  require_room(problem.grid(),
               static_cast<double>(problem.grid().cells()) * (2 * problem.grid().dimension() + 1));
  if (check_only) return stop_at_check();
  const std::int64_t nonzeros = problem.generator().facts.nonzeros;
  discretisation.finish(fmt::format("{} nonzeros", nonzeros));
  return carry_out(
      run, input, output, policy, started, libraries,
      {.grid = problem.grid(),
       .nonzeros = nonzeros,
       .facts = {{"nonzeros", nonzeros}, {"generator_norm", problem.generator().facts.norm}},
       .use = [&](io::Checkpoints& checkpoints) { problem.use(checkpoints); },
       .stationary = [&](io::ResultFile& file) { return stationary(problem, density, file); },
       .spectrum = [&](io::ResultFile& file) { return spectrum(problem, pairs, file); }});
}

} // namespace

void declare(config::Declarer& declarer, KoopmanInput& input) {
  using config::Need;
  declarer.text("title", input.title, {.help = "What this study is called in output and plots."});
  declarer.section("model", input.model, {.help = "The system.", .need = Need::required});
  declarer.named_sections("grid", "<axis>", input.grid,
                          {.help = "One axis per variable of the model, at most six; none for a "
                                   "chain, whose states are cells already."});
  declarer.section("ulam", input.ulam,
                   {.help = "How the matrix of a map on the grid is made (Ulam's method)."});
  declarer.section("scheme", input.scheme, {.help = "The finite-volume scheme, for an sde."});
  declarer.section("stationary", input.stationary, {.help = "Asks for the stationary density."});
  declarer.section("spectrum", input.spectrum, {.help = "Asks for eigenvalues of the operator."});
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
  if (input.ulam && kind != "map") {
    declarer.reject("ulam", fmt::format("belongs to a model of kind 'map', but 'model.kind' is "
                                        "'{}'; remove it",
                                        kind));
  }
  if (input.scheme && kind != "sde") {
    declarer.reject("scheme", fmt::format("belongs to a model of kind 'sde', but 'model.kind' is "
                                          "'{}'; remove it",
                                          kind));
  }
  if (!input.stationary && !input.spectrum) {
    declarer.reject("", "asks for nothing; add 'stationary: {}' or 'spectrum: {}'");
  }
}

Driver koopman_driver() {
  return {.name = driver_name,
          .summary = "spectra, eigenfunctions and stationary densities of the Koopman and transfer "
                     "operators of maps, Markov chains and stochastic differential equations",
          .key_help = [] { return config::help<KoopmanInput>().text(); },
          .option_prefixes = {"spectrum_", "stationary_", "extension_"},
          .work = work};
}

} // namespace komori::analyses
