#include <cmath>

#include "analyses/integration_error.hpp"
#include "analyses/koopman_study.hpp"
#include "analyses/study.hpp"
#include "linalg/solver.hpp"

namespace komori::analyses {
namespace {

/// A section that takes every step to be like the first; empty if there is none.
std::string repeating_section(const KoopmanInput& input) {
  if (input.stationary) return "stationary";
  if (input.spectrum) return "spectrum";
  if (input.pseudospectrum) return "pseudospectrum";
  if (input.modes) return "modes";
  if (input.transitions) return "transitions";
  if (input.coarse_sets) return "coarse_sets";
  if (input.coherent_sets && input.coherent_sets->steps > 1) return "coherent_sets.steps";
  return "";
}

} // namespace

void require_same_steps(const KoopmanInput& input, const models::Flow& flow,
                        const std::vector<double>& from, const std::vector<double>& to) {
  const std::string section = repeating_section(input);
  if (section.empty()) return;
  require_same_steps(section, flow, from, to,
                     ", or ask for 'coherent_sets' with 'steps: 1', which takes a single step");
}

int study_flow(KoopmanRun& run) {
  const KoopmanInput& input = run.input;
  const models::FlowInput& model = input.model.flow;
  const models::Flow flow(model);
  linalg::require_options_used(models::OdeSolver::prefix());
  const std::vector<spaces::Axis> axes = make_axes(model.variables, model.parameters, input.grid);
  FlowRange range(axes);
  if (input.cover) {
    for (double& width : range.widths) {
      const auto halvings =
          std::ceil(static_cast<double>(input.cover->depth) / static_cast<double>(axes.size()));
      width *= std::pow(0.5, halvings);
    }
  }
  require_same_steps(input, flow, range.from, range.to);
  const IntegrationError error =
      integration_error(run.session().comm(), flow, range.from, range.to, range.widths);
  run.remarks = [&] { report(run.log(), flow, error); };
  std::vector<ResultSection> more{{"integration", [&](io::ResultFile& file) {
                                     write_integration(flow, error, file);
                                     return true;
                                   }}};
  return input.cover ? study_cover(run, flow, std::move(more))
                     : study_step(run, flow, std::move(more));
}

} // namespace komori::analyses
