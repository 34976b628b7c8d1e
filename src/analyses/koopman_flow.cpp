#include <cmath>

#include <fmt/format.h>

#include "analyses/integration_error.hpp"
#include "analyses/koopman_study.hpp"
#include "analyses/study.hpp"
#include "base/error.hpp"
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
  constexpr std::size_t places = 64;
  const std::vector<double> points = places_within(from, to, places);
  const std::string change = flow.change_with_time({.x = points, .count = places});
  if (change.empty()) return;
  throw base::InputError(fmt::format(
      "'{}' repeats the step of one lag, but {}; make 'model.lag' a multiple of the period, or ask "
      "for 'coherent_sets' with 'steps: 1', which takes a single step",
      section, change));
}

int study_flow(KoopmanRun& run) {
  const KoopmanInput& input = run.input;
  const models::FlowInput& model = input.model.flow;
  const models::Flow flow(model);
  linalg::require_options_used(models::OdeSolver::prefix());
  const std::vector<spaces::Axis> axes = make_axes(model.variables, model.parameters, input.grid);
  std::vector<double> from;
  std::vector<double> to;
  std::vector<double> widths;
  for (const spaces::Axis& axis : axes) {
    from.push_back(axis.from());
    to.push_back(axis.to());
    widths.push_back((axis.to() - axis.from()) / static_cast<double>(axis.cells()));
  }
  if (input.cover) {
    for (std::size_t k = 0; k < widths.size(); ++k) {
      const auto halvings =
          std::ceil(static_cast<double>(input.cover->depth) / static_cast<double>(widths.size()));
      widths[k] *= std::pow(0.5, halvings);
    }
  }
  require_same_steps(input, flow, from, to);
  const IntegrationError error = integration_error(run.session().comm(), flow, from, to, widths);
  run.remarks = [&] { report(run.log(), flow, error); };
  std::vector<ResultSection> more{{"integration", [&](io::ResultFile& file) {
                                     write_integration(flow, error, file);
                                     return true;
                                   }}};
  return input.cover ? study_cover(run, flow, std::move(more))
                     : study_step(run, flow, std::move(more));
}

} // namespace komori::analyses
