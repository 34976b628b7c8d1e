#include <cmath>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "base/error.hpp"
#include "linalg/eigen.hpp"

namespace komori::analyses {
namespace {

linalg::EigenPairs solve(base::Session& session, const models::NetworkLayer& layer,
                         const LayerPlan& plan, const NetworkSpectrumInput& input) {
  const operators::LayerSpace space(session.comm(), plan.names, plan.range, plan.cells, plan.order);
  const operators::LayerMatrix step =
      operators::assemble_layer(layer, space, space, operators::Integrand::polynomials);
  const auto pairs = static_cast<PetscInt>(input.pairs);
  const linalg::EigenRequest request{.pairs = std::min(pairs, space.grid().cells()),
                                     .tolerance = input.tolerance,
                                     .largest = true,
                                     .prefix = "spectrum_"};
  return linalg::general_pairs(step.matrix.get(), request, session.log());
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
  linalg::EigenPairs pairs = solve(problem.session(), layer, own, asked);
  const linalg::EigenPairs others = solve(problem.session(), layer, half, asked);
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
