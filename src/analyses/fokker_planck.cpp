#include "analyses/fokker_planck.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "analyses/estimate.hpp"
#include "analyses/study.hpp"
#include "base/error.hpp"
#include "base/memory.hpp"
#include "config/help.hpp"
#include "config/reader.hpp"
#include "config/resolved.hpp"
#include "io/blas.hpp"
#include "io/result_file.hpp"
#include "io/xdmf.hpp"

namespace komori::analyses {
namespace {

/// What each section will hold; whether detailed balance holds is guessed from the form of the
/// model.
Workload workload_of(const FokkerPlanckInput& input, int ranks) {
  Workload load{.dimension = static_cast<int>(input.grid.size()), .cells = 1, .ranks = ranks};
  for (const auto& [name, axis] : input.grid) load.cells *= static_cast<double>(axis.cells);
  const bool full = input.model.diffusion.rank == 2 || input.model.noise.rank == 2;
  if (full) load.row_entries = 1.0 + load.dimension * (load.dimension + 1);
  load.matrix_free = !full && input.matrix != "assembled";
  const bool reversible = input.model.potential.given() && !input.model.drift.given();
  const auto method = [&](const std::string& solver, bool prefers) {
    return solver == "direct" || (solver == "auto" && prefers) ? Solve::factorisation
                                                               : Solve::multigrid;
  };
  const bool prefers = prefers_direct(load.dimension, load.cells, reversible);
  if (input.spectrum) {
    const auto pairs = static_cast<double>(input.spectrum->pairs);
    Solve solve = method(input.spectrum->solver, prefers);
    const double krylov = std::max(2 * pairs + 10, 30.0) + 2 * pairs;
    if (solve == Solve::multigrid && reversible && load.matrix_free) {
      load.sections.push_back({.solve = Solve::block, .vectors = 2, .pairs = pairs});
    } else {
      const bool blocks = solve == Solve::multigrid && reversible;
      load.sections.push_back({.solve = solve,
                               .symmetric = reversible,
                               .vectors = blocks ? 15 * (pairs + 3) : krylov,
                               .matrices = 2});
    }
  }
  if (input.stationary && reversible) load.sections.push_back({.vectors = 20});
  if (input.stationary && !reversible) {
    const Solve solve = method(input.stationary->solver, prefers);
    const bool direct = solve == Solve::factorisation;
    load.sections.push_back(
        {.solve = solve, .vectors = direct ? 15.0 : 45.0, .matrices = direct ? 2 : 3});
  }
  if (input.transitions) {
    const Solve solve = method(input.transitions->solver, prefers);
    const bool direct = solve == Solve::factorisation;
    load.sections.push_back({.solve = solve, .vectors = direct ? 15.0 : 40.0, .matrices = 2});
  }
  if (input.evolve) {
    const EvolveInput& evolve = *input.evolve;
    if (evolve.method == "chebyshev" || evolve.method == "uniformisation") {
      load.sections.push_back({.vectors = 17, .matrices = load.matrix_free ? 0 : 1});
    } else {
      const bool direct = evolution_prefers_direct(load.dimension, load.cells, reversible);
      load.sections.push_back({.solve = method(evolve.solver, direct),
                               .symmetric = reversible,
                               .vectors = 45,
                               .matrices = 2});
    }
  }
  return load;
}

void introduce_links(base::Log& log, const operators::LatticeFluxes& lattice,
                     const spaces::Grid& grid) {
  log.line(fmt::format("  full diffusion matrix: links over up to {} cells ({} offsets), all rates "
                       ">= 0{}",
                       lattice.reach(), lattice.offsets(),
                       lattice.reach() > 1 && grid.has(spaces::Boundary::reflecting)
                           ? "; first order where density meets a reflecting wall"
                           : ""));
  if (lattice.corner_cells() == 0) return;
  const double share =
      static_cast<double>(lattice.corner_cells()) / static_cast<double>(grid.cells());
  const std::string text = fmt::format(
      "in {} cells next to corners ({:.2g} % of the grid) no link along some noise fits, "
      "and it acts along the axes there",
      lattice.corner_cells(), 100 * share);
  constexpr double many = 0.05;
  if (share > many) {
    log.warning(text + "; refine the grid, or make its box larger");
  } else {
    log.line("    " + text);
  }
}

void introduce(const FokkerPlanckInput& input, Problem& problem, const Estimate& estimate) {
  base::Log& log = problem.log();
  const spaces::Grid& grid = problem.grid();
  log.line(heading(input.title, "fokker_planck"));
  for (int k = 0; k < grid.dimension(); ++k) {
    const spaces::Axis& axis = grid.axis(k);
    log.line(fmt::format("  {:<8} [{:g}, {:g}], {} cells, {}", axis.name(), axis.from(), axis.to(),
                         axis.cells(), boundary_text(axis)));
  }
  log.line(fmt::format(
      "  {} unknowns, about {:.4g} nonzeros and {} per rank, {} rank{} in blocks of "
      "{}",
      grid.cells(), estimate.nonzeros, base::bytes_text(estimate.bytes_per_rank),
      problem.session().size(), problem.session().size() == 1 ? "" : "s", blocks_text(grid)));
  log.line(fmt::format("  detailed balance {}: {}",
                       problem.reversible() ? "holds" : "does not hold",
                       problem.reversible_reason()));
  if (!problem.fluxes().axis_aligned()) introduce_links(log, problem.fluxes().lattice(), grid);
  for (int k = 0; k < grid.dimension(); ++k) {
    if (!problem.fluxes().undiffused(k)) continue;
    log.line(fmt::format("  axis {} has no diffusion: transport by {}", grid.axis(k).name(),
                         problem.fluxes().second_order_upwind()
                             ? "Fromm's scheme, second order, may lose positivity"
                             : "upwind, first order ('scheme.undiffused: second_order' for two)"));
  }
  if (io::reference_blas()) {
    log.warning("the loaded BLAS is the slow reference one; factorisations take several times "
                "longer than with OpenBLAS (Debian: libopenblas0-serial)");
  }
}

void report_monotonicity(Problem& problem, io::ResultFile& file) {
  const operators::GeneratorFacts& facts = problem.generator().facts;
  file.annotate("/grid", {{"negative_rates", facts.negative},
                          {"most_negative_rate", facts.most_negative},
                          {"generator_norm", facts.norm},
                          {"nonzeros", facts.nonzeros}});
  if (facts.negative == 0) return;
  problem.log().warning(
      fmt::format("{} off-diagonal rates are negative, the lowest {:.3e} (norm of "
                  "the operator {:.3e}): densities may fall below 0",
                  facts.negative, facts.most_negative, facts.norm));
}

/// Where ParaView finds the fields of a result.
std::vector<io::XdmfField> sidecar_fields(const FokkerPlanckInput& input, Problem& problem,
                                          const io::ResultFile& file) {
  std::vector<io::XdmfField> fields;
  const auto add = [&](const std::string& label, const std::string& dataset) {
    if (file.contains(dataset)) fields.push_back({.label = label, .dataset = dataset});
  };
  add("stationary density", "/stationary/density");
  for (const std::string& axis : problem.grid().names()) {
    add("current " + axis, "/stationary/current/" + axis);
  }
  add("committor", "/transitions/committor_forward");
  add("mean first passage time", "/transitions/mean_first_passage_time");
  if (input.spectrum) add_eigenvectors(file, fields);
  if (input.evolve && !file.shape("/evolve/density").empty()) {
    for (std::size_t i = 0; i < input.evolve->times.size(); ++i) {
      fields.push_back({.label = "density",
                        .dataset = "/evolve/density",
                        .index = static_cast<std::int64_t>(i),
                        .time = input.evolve->times[i]});
    }
  }
  return fields;
}

/// Runs the sections; returns why the run is incomplete, empty if it is not.
std::string answer(const FokkerPlanckInput& input, Problem& study, io::ResultFile& file) {
  std::string incomplete;
  const auto section = [&](const char* name, const std::function<bool()>& body) {
    const std::string problem = run_section(*study.checkpoints(), study.log(), name, body);
    if (incomplete.empty()) incomplete = problem;
  };
  if (input.stationary) {
    section("stationary", [&] { return stationary(study, *input.stationary, file); });
  }
  if (input.spectrum) {
    section("spectrum", [&] { return spectrum(study, *input.spectrum, file); });
  }
  if (input.transitions) {
    section("transitions", [&] {
      transitions(study, *input.transitions, file);
      return true;
    });
  }
  if (input.evolve) {
    section("evolve", [&] {
      evolve(study, *input.evolve, file);
      return true;
    });
  }
  return incomplete;
}

int work(Run& run) {
  base::Session& session = run.session;
  const auto input = config::read<FokkerPlanckInput>(run.input);
  const models::Sde sde(input.model);
  const Opening opening(run, input.checkpoint);
  const Workload load = workload_of(input, session.size());
  const Estimate predicted = estimate(load);
  require_memory(session.comm(), load, predicted);

  base::Phase discretisation(session.log(), "discretisation");
  Problem problem(session, sde, spaces::Grid(session.comm(), make_axes(input.model, input.grid)),
                  input.scheme, input.matrix);
  if (input.stationary) validate(problem, *input.stationary);
  if (input.spectrum) validate(problem, *input.spectrum);
  if (input.transitions) validate(problem, *input.transitions);
  if (input.evolve) validate(problem, *input.evolve);
  introduce(input, problem, predicted);
  if (run.command_line.check) {
    session.log().line(fmt::format("  about {} rank{} would suit it", predicted.suggested_ranks,
                                   predicted.suggested_ranks == 1 ? "" : "s"));
    return stop_at_check(run);
  }
  problem.generator();
  discretisation.finish(fmt::format("{} nonzeros", problem.generator().facts.nonzeros));

  const std::string resolved = config::resolved(input);
  OpenResult result(run, opening.output, resolved, opening.policy);
  problem.use(result.checkpoints);
  if (!result.resumed) write_grid(input.title, "fokker_planck", problem.grid(), result.file);
  report_monotonicity(problem, result.file);
  const std::string incomplete = answer(input, problem, result.file);

  return conclude(run,
                  {.driver = "fokker_planck",
                   .opening = opening,
                   .resolved = resolved,
                   .incomplete = incomplete,
                   .nonzeros = problem.generator().facts.nonzeros,
                   .fields = sidecar_fields(input, problem, result.file)},
                  &problem.grid(), result);
}

} // namespace

void declare(config::Declarer& declarer, FokkerPlanckInput& input) {
  using config::Need;
  declarer.text("title", input.title, {.help = "What this study is called in output and plots."});
  declarer.section("model", input.model, {.help = "The system.", .need = Need::required});
  declarer.named_sections(
      "grid", "<axis>", input.grid,
      {.help = "One axis per variable of the model, at most six.", .need = Need::required});
  declarer.choice("operator", input.matrix, {"auto", "assembled", "matrix_free"},
                  {.help =
                       "How the generator is held: assembled as a sparse matrix, or matrix_free "
                       "as coefficients on faces, from which matrices are assembled only for "
                       "what factorises or preconditions; auto: matrix_free where the scheme "
                       "allows it."});
  declarer.section("scheme", input.scheme, {.help = "The finite-volume scheme."});
  declarer.section("stationary", input.stationary, {.help = "Asks for the stationary density."});
  declarer.section("spectrum", input.spectrum, {.help = "Asks for eigenvalues of the generator."});
  declarer.section("transitions", input.transitions,
                   {.help = "Asks for passage times, committors and transition rates."});
  declarer.section("evolve", input.evolve, {.help = "Asks for the evolution of a density."});
  declarer.section("checkpoint", input.checkpoint, {.help = "When and where long phases save."});
  if (!declarer.reading()) return;
  if (!input.stationary && !input.spectrum && !input.transitions && !input.evolve) {
    declarer.reject("", "asks for nothing; add 'stationary: {}', 'spectrum: {}', 'transitions: "
                        "{...}' or 'evolve: {...}'");
  }
}

std::vector<spaces::Axis>
make_axes(const models::SdeInput& model,
          const std::vector<std::pair<std::string, spaces::AxisInput>>& grid) {
  return make_axes(model.variables, model.parameters, grid);
}

Driver fokker_planck_driver() {
  return {.name = "fokker_planck",
          .summary = "stationary density, spectrum, evolution, currents, exit and transition "
                     "statistics of a stochastic differential equation",
          .key_help = [] { return config::help<FokkerPlanckInput>().text(); },
          .option_prefixes = {"spectrum_", "stationary_", "transitions_", "evolve_", "extension_"},
          .work = work};
}

} // namespace komori::analyses
