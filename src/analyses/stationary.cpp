#include "analyses/stationary.hpp"

#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "analyses/stationary_moments.hpp"
#include "base/error.hpp"
#include "operators/currents.hpp"

namespace komori::analyses {
namespace {

using base::check;

void write_field(const Problem& problem, io::ResultFile& file, const std::string& name, Vec field,
                 const std::string& meaning, const std::string& unit) {
  const base::ReadArray entries(field);
  file.write(name, entries.span(), problem.grid().slab(), {{"meaning", meaning}, {"unit", unit}});
}

/// A slowest rate this close to rounding leaves the weights of the basins undetermined.
void diagnose(Problem& problem, const StationaryDensity& result) {
  if (result.slowest_rate < 0) return;
  const double round_off = 1e-16 * problem.generator().facts.norm;
  const double uncertainty = round_off / std::max(result.slowest_rate, 1e-300);
  if (uncertainty < 1e-6) return;
  problem.log().warning(fmt::format(
      "nearly reducible: the slowest relaxation rate is about {:.2e}, so that the weights of the "
      "basins are uncertain to about {:.1e}; raise the noise, shorten the grid so that it covers "
      "one basin, or give 'potential' in place of 'drift' if the drift is a gradient",
      result.slowest_rate, std::min(uncertainty, 1.0)));
}

} // namespace

void declare(config::Declarer& declarer, StationaryInput& input) {
  declarer.choice("solver", input.solver, {"auto", "direct", "iterative"},
                  {.help = "auto: closed form where detailed balance holds, otherwise what was "
                           "measured to win at this size; direct: sparse LU; iterative: GMRES with "
                           "multigrid, falling back to direct."});
  declarer.real("tolerance", input.tolerance,
                {.help = "Largest sum |G^T m| of the cell masses m, relative to the norm of G."},
                {.min = 1e-15, .max = 1e-2});
  declarer.named_formulas("observables", "<name>", input.observables,
                          {.help = "Stationary averages of formulas of the variables."});
  declarer.boolean("current", input.current,
                   {.help = "Store the probability current and the entropy it produces."});
  declarer.boolean("error_estimate", input.error_estimate,
                   {.help = "Estimate the discretisation error of every average on two coarser "
                            "grids."});
}

void validate(const Problem& problem, const StationaryInput& input) {
  if (problem.absorbing()) {
    throw base::InputError("'stationary' asks for a stationary density, but paths leave through "
                           "the absorbing walls, so there is none; for the quasi-stationary one "
                           "use 'spectrum: {pairs: 1, sides: left}'");
  }
  for (const auto& [name, text] : input.observables) {
    const config::Formula formula(text, problem.sde().variables(), problem.sde().parameters());
    spaces::require_finite(problem.grid(), std::cref(formula),
                           fmt::format("{}: '{}'", text.origin.text(), text.path));
  }
}

bool stationary(Problem& problem, const StationaryInput& input, io::ResultFile& file) {
  base::Log& log = problem.log();
  base::Phase phase(log, "stationary");
  const StationaryDensity result = stationary_density(problem, input, problem.checkpoints());
  const bool certain = result.relative <= input.tolerance;
  phase.finish(result.method);
  diagnose(problem, result);
  write_field(problem, file, "/stationary/density", result.density.get(),
              "stationary probability per unit volume", "1/volume");

  std::vector<std::vector<std::string>> rows{
      {"residual", fmt::format("{:.2e}", result.residual)},
      {"lowest density", fmt::format("{:.3e}", result.minimum)}};
  io::Attributes facts{{"method", result.method},
                       {"residual", result.residual},
                       {"relative_residual", result.relative},
                       {"verdict", std::string(certain ? "converged" : "not converged")},
                       {"minimum", result.minimum}};
  if (result.slowest_rate >= 0) {
    facts.push_back({"slowest_rate_estimate", result.slowest_rate});
    rows.push_back({"slowest rate, about", fmt::format("{:.4g}", result.slowest_rate)});
  }
  const base::UniqueVec masses = base::duplicate(result.density.get());
  check(VecPointwiseMult(masses.get(), result.density.get(), problem.volumes()));
  for (const Moment& moment : moments(problem, input, result)) {
    io::Attributes about{{"meaning", moment.meaning}, {"unit", moment.unit}};
    std::string text = fmt::format("{:.10g}", moment.value);
    if (!moment.grid.basis.empty()) {
      const int digits = trusted_digits(std::abs(moment.value), moment.stated_error());
      about.insert(about.end(), {{"discretisation_error", moment.grid.error},
                                 {"solver_error", moment.solver},
                                 {"observed_order", moment.grid.order},
                                 {"extrapolated", moment.grid.extrapolated.real()},
                                 {"trusted_digits", static_cast<std::int64_t>(digits)},
                                 {"error_basis", moment.grid.basis}});
      text += std::abs(moment.value) <= moment.stated_error()
                  ? fmt::format("  (0 within its error of {:.1e})", moment.stated_error())
                  : fmt::format("  (error {:.1e}, {} digit{}; {})", moment.stated_error(), digits,
                                digits == 1 ? "" : "s", moment.grid.basis);
    }
    file.write_small("/stationary/" + moment.dataset, std::vector<double>{moment.value}, {1},
                     about);
    rows.push_back({moment.name, text});
  }
  if (input.current) {
    const operators::Currents currents =
        operators::currents(problem.fluxes(), result.density.get());
    for (int k = 0; k < problem.grid().dimension(); ++k) {
      const std::string& axis = problem.grid().axis(k).name();
      write_field(problem, file, "/stationary/current/" + axis,
                  currents.components[static_cast<std::size_t>(k)].get(),
                  "probability current along " + axis + " at cell centres",
                  "1/(time length^(d-1))");
      if (!problem.grid().axis(k).periodic()) continue;
      const double round = currents.circulation[static_cast<std::size_t>(k)];
      facts.push_back({"circulation_" + axis, round});
      rows.push_back({"current round " + axis, fmt::format("{:.10g}", round)});
    }
    const base::UniqueVec divergence = base::duplicate(masses.get());
    check(MatMultTranspose(problem.generator().matrix.get(), masses.get(), divergence.get()));
    check(VecScale(divergence.get(), -1));
    check(VecPointwiseDivide(divergence.get(), divergence.get(), problem.volumes()));
    write_field(problem, file, "/stationary/current_divergence", divergence.get(),
                "divergence of the stationary current, 0 up to the solver's residual",
                "1/(time volume)");
    facts.push_back({"largest_face_flux", currents.largest_face});
    rows.push_back({"largest flux through a face", fmt::format("{:.3e}", currents.largest_face)});
    facts.push_back({"entropy_production_rate", currents.entropy_production});
    rows.push_back({"entropy production rate", fmt::format("{:.8g}", currents.entropy_production)});
  }
  file.annotate("/stationary", facts);
  log.table("Stationary density", {"quantity", "value"}, rows);
  if (!certain) {
    log.warning(fmt::format("stationary: the residual {:.1e} relative to the operator is above the "
                            "tolerance {:.1e}; use 'stationary.solver: direct', or relax "
                            "'stationary.tolerance'",
                            result.relative, input.tolerance));
  }
  return certain;
}

} // namespace komori::analyses
