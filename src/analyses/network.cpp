#include "analyses/network.hpp"

#include <functional>
#include <memory>

#include <fmt/format.h>

#include "analyses/estimate.hpp"
#include "analyses/network_dictionary.hpp"
#include "analyses/network_problem.hpp"
#include "analyses/network_sections.hpp"
#include "analyses/study.hpp"
#include "base/error.hpp"
#include "base/memory.hpp"
#include "config/help.hpp"
#include "config/reader.hpp"
#include "config/resolved.hpp"
#include "operators/network_file.hpp"

namespace komori::analyses {
namespace {

using base::InputError;

/// Everything about the input that can be wrong, before any work.
void validate(const models::Network& network, const NetworkStudyInput& input) {
  if (input.observable) require_mean(network, *input.observable);
  if (input.expectation) validate(network, *input.expectation);
  if (input.probability) {
    validate(network, *input.probability);
    probability_formula(network, input);
  }
  if (input.projection) kept_variables(network, *input.projection);
  if (input.density && input.density->initial.given()) {
    const config::Formula formula(input.density->initial, network.variables(0));
  }
  if (input.spectrum) {
    const auto layer = static_cast<std::size_t>(input.spectrum->layer);
    if (layer >= network.depth()) {
      throw InputError(fmt::format("'spectrum.layer' is {}, but the steps are 0 to {}", layer,
                                   network.depth() - 1));
    }
    if (network.layers[layer].neurons != network.layers[layer].inputs) {
      throw InputError(fmt::format("'spectrum.layer' is {}, whose weight is {} x {}; only a layer "
                                   "with as many neurons as inputs can be repeated",
                                   layer, network.layers[layer].neurons,
                                   network.layers[layer].inputs));
    }
  }
}

void introduce(const NetworkStudyInput& input, base::Log& log, const models::Network& network,
               const std::vector<LayerPlan>& plan, const Estimate& estimate, int ranks) {
  log.line(heading(input.title, network_name));
  for (std::size_t n = 0; n < plan.size(); ++n) {
    std::string text;
    for (std::size_t k = 0; k < plan[n].names.size(); ++k) {
      text += fmt::format("{}{} [{:g}, {:g}]", k ? ", " : "", plan[n].names[k],
                          plan[n].range[k].from, plan[n].range[k].to);
    }
    log.line(fmt::format("  layer {}: {}; {} cells of {} point{} per variable", n, text,
                         plan[n].cells.front(), plan[n].order, plan[n].order == 1 ? "" : "s"));
    if (n == network.depth()) continue;
    double kept = 1;
    for (std::size_t k = 0; k < network.layers[n].neurons; ++k) {
      kept *= 1 - network.layers[n].noise_at(k).lost();
    }
    if (kept < 1) {
      log.line(fmt::format("  layer {}: its range misses {:.2g} of the Gaussian noise", n + 1,
                           1 - kept));
    }
  }
  log.line(fmt::format("  at most {:.4g} nonzeros and {} per rank, {} rank{}", estimate.nonzeros,
                       base::bytes_text(estimate.bytes_per_rank), ranks, ranks == 1 ? "" : "s"));
}

/// What both kinds of problem need around their sections.
struct Study {
  Run& run;
  const NetworkStudyInput& input;
  const Opening& opening;
};

void entitle(const Study& study, OpenResult& result) {
  if (result.resumed) return;
  result.file.annotate("/", {{"title", study.input.title}, {"driver", std::string(network_name)}});
}

/// Runs the sections; `grid` is that of the inputs, for the record.
int carry_out(const Study& study, OpenResult& result, const std::vector<ResultSection>& sections,
              std::int64_t nonzeros, const spaces::Grid& grid) {
  const std::string incomplete = run_sections(result, study.run.session.log(), sections);
  return conclude(study.run,
                  {.driver = network_name,
                   .opening = study.opening,
                   .resolved = config::resolved(study.input),
                   .incomplete = incomplete,
                   .nonzeros = nonzeros},
                  &grid, result);
}

int on_grids(const Study& study, const models::Network& network,
             const operators::NetworkData* data) {
  base::Session& session = study.run.session;
  const NetworkStudyInput& input = study.input;
  const std::vector<LayerPlan> plan =
      plan_layers(network, input.layers.value_or(NetworkLayersInput{}), input.matrix);
  double points = 0;
  for (const LayerPlan& layer : plan) points += layer.points();
  const double nonzeros = predicted_nonzeros(network, plan);
  const Estimate estimate{.nonzeros = nonzeros,
                          .bytes_per_rank = predicted_bytes(network, plan, input, session.size())};
  introduce(input, session.log(), network, plan, estimate, session.size());
  require_memory(session.comm(), {.cells = points, .ranks = session.size()}, estimate);
  validate_on_grids(session.comm(), network, input, plan);
  if (study.run.command_line.check) {
    return stop_at_check(study.run);
  }
  OpenResult result(study.run, study.opening.output, config::resolved(input), study.opening.policy);
  base::Phase assembly(session.log(), "assembly");
  std::unique_ptr<NetworkProblem> matrices;
  std::unique_ptr<NetworkProblem> half;
  try {
    matrices = std::make_unique<NetworkProblem>(session, network, data, plan, result.checkpoints,
                                                "matrix");
    half = std::make_unique<NetworkProblem>(session, network, data, coarser(plan),
                                            result.checkpoints, "coarser matrix");
  } catch (const base::Stopped&) {
    result.checkpoints.leave();
  }
  NetworkProblem& problem = *matrices;
  NetworkProblem& coarse = *half;
  assembly.finish(fmt::format("{} nonzeros", problem.nonzeros()));
  if (problem.largest_leak() > 1e-12) {
    session.log().line(fmt::format("  up to {:.2g} of a point's probability is beyond the ranges",
                                   problem.largest_leak()));
  }
  std::vector<ResultSection> sections;
  const auto add = [&](bool wanted, const char* name, std::function<bool(io::ResultFile&)> body) {
    if (wanted) sections.push_back({name, std::move(body)});
  };
  add(data && data->labelled(), "accuracy",
      [&](io::ResultFile& file) { return accuracy(problem, file); });
  add(input.observable.has_value(), "expectation",
      [&](io::ResultFile& file) { return expectation(problem, coarse, input, file); });
  add(input.density.has_value(), "density",
      [&](io::ResultFile& file) { return density(problem, coarse, input, file); });
  add(input.probability.has_value(), "probability",
      [&](io::ResultFile& file) { return probability(problem, coarse, input, file); });
  add(input.norms.has_value(), "norms",
      [&](io::ResultFile& file) { return norms(problem, coarse, *input.norms, file); });
  add(input.projection.has_value(), "memory",
      [&](io::ResultFile& file) { return memory(problem, coarse, input, file); });
  add(input.reduction.has_value(), "reduction",
      [&](io::ResultFile& file) { return reduction(problem, input, file); });
  add(input.spectrum.has_value(), "spectrum",
      [&](io::ResultFile& file) { return layer_spectrum(problem, input, file); });
  add(input.monte_carlo.has_value(), "monte_carlo", [&](io::ResultFile& file) {
    return monte_carlo(problem, coarse, input, point_values(problem, coarse, input), file);
  });
  entitle(study, result);
  return carry_out(study, result, sections, problem.nonzeros(), problem.space(0).grid());
}

int on_dictionaries(const Study& study, const models::Network& network,
                    const operators::NetworkData* data) {
  base::Session& session = study.run.session;
  const NetworkStudyInput& input = study.input;
  base::Log& log = session.log();
  log.line(heading(input.title, network_name));
  double functions = 0;
  double products = 0;
  double before = 0;
  const auto ranges = models::ranges(network);
  for (std::size_t n = 0; n <= network.depth(); ++n) {
    const operators::LayerDictionary dictionary(network, n, ranges[n], *input.dictionary);
    const auto size = static_cast<double>(dictionary.size());
    if (input.norms && static_cast<double>(input.norms->values) > size) {
      throw InputError(fmt::format("'norms.values' is {}, but layer {} has only {} functions; ask "
                                   "for fewer values, or add functions to 'dictionary'",
                                   input.norms->values, n, dictionary.size()));
    }
    log.line(fmt::format("  layer {}: {} neurons, {} functions", n, network.width(n),
                         dictionary.size()));
    products += size * size + size * before;
    functions += size;
    before = size;
  }
  // Gram matrices of the whole and of half the paths, and one decomposition; every rank has them.
  const Estimate estimate{.nonzeros = products, .bytes_per_rank = 90e6 + 5 * 8 * products};
  const std::int64_t paths = balanced_paths(data, input.dictionary->samples);
  log.line(
      fmt::format("  {} paths, {} per rank", paths, base::bytes_text(estimate.bytes_per_rank)));
  require_memory(session.comm(), {.cells = functions, .ranks = session.size()}, estimate);
  if (study.run.command_line.check) {
    log.line("  the input is valid; nothing was run (--check)");
    return 0;
  }
  base::Phase sampling(log, "sampling");
  OpenResult result(study.run, study.opening.output, config::resolved(input), study.opening.policy);
  entitle(study, result);
  SampledChains chains = sampled_chains(session, network, data, input, &result.checkpoints);
  LayerDictionaryProblem problem(session, network, data, input, std::move(chains.whole));
  LayerDictionaryProblem half(session, network, data, input, std::move(chains.half));
  problem.use(&result.checkpoints);
  sampling.finish(fmt::format("{} paths", paths));
  std::vector<ResultSection> sections;
  const auto add = [&](bool wanted, const char* name, std::function<bool(io::ResultFile&)> body) {
    if (wanted) sections.push_back({name, std::move(body)});
  };
  add(data && data->labelled(), "accuracy",
      [&](io::ResultFile& file) { return accuracy(problem, file); });
  add(input.observable.has_value(), "expectation",
      [&](io::ResultFile& file) { return wide_expectation(problem, half, input, file); });
  add(input.norms.has_value(), "norms",
      [&](io::ResultFile& file) { return norms(problem, half, *input.norms, file); });
  add(input.projection.has_value(), "memory",
      [&](io::ResultFile& file) { return memory(problem, half, input, file); });
  add(input.reduction.has_value(), "reduction",
      [&](io::ResultFile& file) { return reduction(problem, input, file); });
  add(input.monte_carlo.has_value(), "monte_carlo",
      [&](io::ResultFile& file) { return wide_monte_carlo(problem, half, input, file); });
  // The record speaks of the functions of the inputs as cells.
  const auto size = static_cast<PetscInt>(problem.sampled().dictionaries[0].size());
  std::vector<double> edges;
  for (PetscInt i = 0; i <= size; ++i) edges.push_back(static_cast<double>(i) - 0.5);
  const spaces::Grid grid(session.comm(),
                          {spaces::Axis("function", std::move(edges), spaces::Boundary::reflecting,
                                        spaces::Boundary::reflecting)});
  return carry_out(study, result, sections, static_cast<std::int64_t>(products), grid);
}

int work(Run& run) {
  const auto input = config::read<NetworkStudyInput>(run.input);
  const Opening opening(run, input.checkpoint);
  const models::Network network = operators::load_network(run.session.comm(), input.model.network);
  validate(network, input);
  std::optional<operators::NetworkData> data;
  if (input.data) {
    data.emplace(run.session.comm(), *input.data, network);
    run.session.log().line(fmt::format("  {} rows of inputs, the last {} held out", data->rows(),
                                       data->rows() - data->fitted_rows()));
  }
  const operators::NetworkData* given = data ? &*data : nullptr;
  const Study study{.run = run, .input = input, .opening = opening};
  return input.dictionary ? on_dictionaries(study, network, given)
                          : on_grids(study, network, given);
}

} // namespace

Driver network_driver() {
  return {.name = network_name,
          .summary = "conditional expectations, densities, norms and memory of a neural network "
                     "whose layers act as linear operators",
          .key_help = [] { return config::help<NetworkStudyInput>().text(); },
          .option_prefixes = {"spectrum_", "norms_"},
          .work = work};
}

} // namespace komori::analyses
