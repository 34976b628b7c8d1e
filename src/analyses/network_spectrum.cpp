#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "analyses/eigen_checkpoints.hpp"
#include "analyses/network_sections.hpp"
#include "analyses/saved_layer.hpp"
#include "base/error.hpp"
#include "linalg/eigen.hpp"

namespace komori::analyses {
namespace {

/// Pairs of the layer repeated on a plan's grid. `phase` names the state that is saved, `before`
/// are pairs found earlier, which go with it; may be null.
linalg::EigenPairs solve(const LayerProblem& problem, const models::NetworkLayer& layer,
                         const LayerPlan& plan, const NetworkSpectrumInput& input,
                         const std::string& phase, linalg::EigenPairs* before) {
  base::Session& session = problem.session();
  const auto space = std::make_shared<operators::LayerSpace>(session.comm(), plan.names, plan.range,
                                                             plan.cells, plan.order);
  const operators::LayerMatrix step =
      saved_layer(session, *problem.checkpoints(), phase + " matrix", layer, space, space,
                  operators::Integrand::polynomials);
  const auto pairs = static_cast<PetscInt>(input.pairs);
  const linalg::EigenRequest request{.pairs = std::min(pairs, space->grid().cells()),
                                     .tolerance = input.tolerance,
                                     .largest = true,
                                     .prefix = "spectrum_"};
  return with_checkpoints(problem.checkpoints(), space->grid(), request, phase, before,
                          [&](const linalg::EigenRequest& asked) {
                            return linalg::general_pairs(step.matrix.get(), asked, session.log());
                          });
}

} // namespace

bool layer_spectrum(NetworkProblem& problem, const NetworkStudyInput& input, io::ResultFile& file) {
  const NetworkSpectrumInput& asked = *input.spectrum;
  const auto which = static_cast<std::size_t>(asked.layer);
  const models::NetworkLayer& layer = problem.network().layers[which];
  base::Phase phase(problem.log(), "spectrum");
  const NetworkLayersInput layers = input.layers.value_or(NetworkLayersInput{});
  const std::vector<LayerPlan> plan = plan_layers(problem.network(), layers, "assembled");
  const LayerPlan own = repeated_plan(layer, layers, plan[which]);
  const LayerPlan half = coarser({own})[0];
  linalg::EigenPairs others; // of half the cells, their values
  const std::string phase_name = "spectrum";
  if (!problem.checkpoints()->pending(phase_name)) {
    others = solve(problem, layer, half, asked, "coarser spectrum", nullptr);
    others.vectors.clear();
  }
  linalg::EigenPairs pairs = solve(problem, layer, own, asked, phase_name, &others);
  const auto count = std::min(pairs.values.size(), static_cast<std::size_t>(asked.pairs));
  std::vector<double> values;
  std::vector<double> errors;
  std::vector<double> rates;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::complex<double> value = pairs.values[i];
    rates.push_back(-std::log(std::abs(value)));
    double error = std::abs(value); // where the coarser grid has no such value
    for (const std::complex<double>& other : others.values) {
      error = std::min(error, std::abs(value - other));
    }
    values.push_back(value.real());
    values.push_back(value.imag());
    errors.push_back(error);
    rows.push_back({std::to_string(i), fmt::format("{:.12g}", value.real()),
                    fmt::format("{:.12g}", value.imag()), fmt::format("{:.1e}", pairs.residuals[i]),
                    fmt::format("{:.1e}", error)});
  }
  pairs.residuals.resize(count);
  phase.finish(fmt::format("{} eigenvalues", count));
  const auto n = static_cast<hsize_t>(count);
  file.write_small("/spectrum/eigenvalues", values, {n, 2},
                   {{"meaning", "eigenvalues of M of the repeated layer, real and imaginary part"},
                    {"unit", "-"}});
  file.write_small("/spectrum/residuals", pairs.residuals, {n},
                   {{"meaning", "||M v - lambda v|| / ||v||"}, {"unit", "-"}});
  file.write_small(
      "/spectrum/discretisation_error", errors, {n},
      {{"meaning", "distance to the nearest eigenvalue of half the cells"}, {"unit", "-"}});
  file.write_small("/spectrum/rates", rates, {n},
                   {{"meaning", "decay rates -ln |lambda|"}, {"unit", "1/step"}});
  file.annotate("/spectrum", {{"time", std::string("discrete")}});
  problem.log().table(fmt::format("Step {} repeated without end", asked.layer),
                      {"", "real", "imaginary", "residual", "error of the grid"}, rows);
  if (pairs.complete()) return true;
  throw base::ConvergenceError(fmt::format("{} of {} eigenvalues converged; raise "
                                           "-spectrum_eps_ncv or -spectrum_eps_max_it",
                                           pairs.values.size(), asked.pairs));
}

} // namespace komori::analyses
