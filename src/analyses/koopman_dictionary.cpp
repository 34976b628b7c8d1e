#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "analyses/counted_chain.hpp"
#include "analyses/dictionary_bands.hpp"
#include "analyses/dictionary_problem.hpp"
#include "analyses/dictionary_spectrum.hpp"
#include "analyses/estimate.hpp"
#include "analyses/integration_error.hpp"
#include "analyses/koopman_study.hpp"
#include "analyses/modes.hpp"
#include "analyses/pseudospectrum.hpp"
#include "analyses/study.hpp"
#include "base/memory.hpp"
#include "linalg/solver.hpp"

namespace komori::analyses {
namespace {

/// Where eigenfunctions are shown unless the input says so: the interval of the functions, four
/// standard deviations of a normal measure, or what samples cover.
spaces::Grid default_grid(const DictionaryProblem& problem) {
  constexpr std::array<PetscInt, spaces::max_dimension> cells{256, 64, 24, 12, 8, 6};
  const auto& variables = problem.names().variables;
  const spaces::Draw points = spaces::drawn(problem.samples(), 2000);
  std::vector<spaces::Axis> axes;
  for (std::size_t k = 0; k < variables.size(); ++k) {
    const spaces::Extent& extent = problem.extents()[k];
    double from = extent.from;
    double to = extent.to;
    if (extent.normal) {
      from = extent.centre - 4 * extent.scale;
      to = extent.centre + 4 * extent.scale;
    } else if (!extent.given) {
      from = to = points.front()[k];
      for (const std::vector<double>& point : points) {
        from = std::min(from, point[k]);
        to = std::max(to, point[k]);
      }
      if (!(to > from)) {
        from -= 0.5;
        to += 0.5;
      }
    }
    const PetscInt n = cells[variables.size() - 1];
    std::vector<double> edges;
    for (PetscInt i = 0; i <= n; ++i) {
      edges.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(n));
    }
    const auto boundary =
        extent.periodic ? spaces::Boundary::periodic : spaces::Boundary::reflecting;
    axes.emplace_back(variables[k], std::move(edges), boundary, boundary);
  }
  return {problem.comm(), std::move(axes)};
}

spaces::Grid output_grid(const DictionaryProblem& problem, const KoopmanInput& input) {
  if (input.grid.empty()) return default_grid(problem);
  return {problem.comm(),
          make_axes(problem.names().variables, problem.names().constants, input.grid)};
}

/// What a study of a dictionary holds and computes.
struct Size {
  double bytes = 0; ///< of the busiest rank
  double flops = 0; ///< of the pass, all ranks
};

Size predict(const DictionaryProblem& problem, const spaces::Grid& grid) {
  const auto n = static_cast<double>(problem.dictionary().size());
  const double columns = 2 * n + static_cast<double>(problem.observables().size());
  const auto block = static_cast<double>(operators::GramPass::block);
  const auto samples = static_cast<double>(problem.samples().count());
  // Sums, a block of values and one to add up images, Gram matrices, the matrix and its vectors.
  const double doubles = columns * columns + 2 * block * columns + 3 * n * n + 12 * n * n;
  const double fields = static_cast<double>(grid.local_cells()) * 2 * n;
  return {.bytes = 90e6 + 8 * (doubles + fields),
          .flops = samples * operators::GramPass::flops(problem.dictionary().size(),
                                                        problem.observables().size())};
}

void introduce(const KoopmanRun& run, const DictionaryProblem& problem, const Size& size) {
  const KoopmanInput& input = run.input;
  base::Log& log = run.log();
  log.line(heading(input.title, koopman_name));
  const spaces::Dictionary& dictionary = problem.dictionary();
  log.line(
      fmt::format("  {} functions: {}, {}{}", dictionary.size(), dictionary.name(0),
                  dictionary.size() > 1 ? dictionary.name(1) : "",
                  dictionary.size() > 2 ? ", ..., " + dictionary.name(dictionary.size() - 1) : ""));
  log.line(fmt::format("  {}, {:.3g} evaluation{} of the dictionary each", problem.samples().text(),
                       problem.action().evaluations() + 1, "s"));
  if (problem.pairs()) introduce_data(log, problem.pairs()->source());
  log.line(fmt::format("  about {:.3g} GFlop for Gram matrices and {} per rank, {} rank{}",
                       size.flops / 1e9, base::bytes_text(size.bytes), run.session().size(),
                       run.session().size() == 1 ? "" : "s"));
}

/// A flow with what its integration is worth, over the places that the samples cover.
struct FlowStudy {
  FlowStudy(const KoopmanRun& run, const DictionaryProblem& problem) : flow(run.input.model.flow) {
    linalg::require_options_used(models::OdeSolver::prefix());
    const spaces::Draw points = spaces::drawn(problem.samples(), 2000);
    std::vector<double> from = points.front();
    std::vector<double> to = from;
    for (const std::vector<double>& point : points) {
      for (std::size_t k = 0; k < point.size(); ++k) {
        from[k] = std::min(from[k], point[k]);
        to[k] = std::max(to[k], point[k]);
      }
    }
    require_same_steps(run.input, flow, from, to);
    error = integration_error(problem.comm(), flow, from, to, std::vector<double>(from.size()));
  }
  models::Flow flow;
  IntegrationError error{};
};

} // namespace

int study_dictionary(KoopmanRun& run) {
  const KoopmanInput& input = run.input;
  DictionaryProblem problem(run.session(), input.model, *input.dictionary,
                            input.sampling.value_or(spaces::SamplingInput{}),
                            input.modes ? input.modes->observables : Observables{},
                            input.bootstrap.value_or(BootstrapInput{.samples = 0}));
  if (input.modes) validate(problem, *input.modes);
  if (input.time_scales) (void)lags_of(problem.pairs()->source(), *input.time_scales);
  const spaces::Grid grid = output_grid(problem, input);
  const Size size = predict(problem, grid);
  introduce(run, problem, size);
  require_memory(run.session().comm(),
                 {.cells = static_cast<double>(grid.cells()), .ranks = run.session().size()},
                 {.bytes_per_rank = size.bytes});
  // Every rank looks at the same first samples: most mistakes show there.
  const auto first = std::min<std::int64_t>(operators::GramPass::block, problem.samples().count());
  operators::PointBlock block;
  operators::sample_block(problem.pass(), 0, static_cast<std::size_t>(first), block);
  std::optional<FlowStudy> flow;
  if (input.model.kind == "flow") {
    flow.emplace(run, problem);
    report(run.log(), flow->flow, flow->error);
  }
  if (run.check_only()) return stop_at_check(run.run);
  KoopmanStudy study{.grid = grid, .nonzeros = -1, .use = [&](io::Checkpoints& checkpoints) {
                       problem.use(checkpoints);
                     }};
  study.sections.push_back(
      {"gram", [&](io::ResultFile& file) { return gram_section(problem, file); }});
  if (input.spectrum) {
    study.sections.push_back({"spectrum", [&](io::ResultFile& file) {
                                return dictionary_spectrum_section(problem, *input.spectrum, grid,
                                                                   file);
                              }});
  }
  if (input.time_scales) {
    study.sections.push_back({"time_scales", [&](io::ResultFile& file) {
                                return dictionary_time_scales(problem, *input.time_scales, file);
                              }});
  }
  if (input.pseudospectrum) {
    study.sections.push_back({"pseudospectrum", [&](io::ResultFile& file) {
                                return pseudospectrum_section(problem, *input.pseudospectrum, file);
                              }});
  }
  if (input.modes) {
    study.sections.push_back({"modes", [&](io::ResultFile& file) {
                                return modes_section(problem, *input.modes, file);
                              }});
  }
  if (flow) {
    study.sections.push_back({"integration", [&](io::ResultFile& file) {
                                write_integration(flow->flow, flow->error, file);
                                return true;
                              }});
  }
  return carry_out(run, study);
}

} // namespace komori::analyses
