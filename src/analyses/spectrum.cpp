#include "analyses/spectrum.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "analyses/eigenfunctions.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

/// Eigenvalue estimates that differ by less than this many digits of the operator's norm are
/// rounding.
constexpr double round_off = 1e-15;

/// Pairs up the eigenvalues of two grids: real with real and complex with complex, in order, since
/// refinement moves neighbours alike. Entries of `coarse` past its end stand for "none".
std::vector<std::size_t> partners(const std::vector<std::complex<double>>& fine,
                                  const std::vector<std::complex<double>>& coarse) {
  std::vector<std::size_t> partner;
  std::array<std::size_t, 2> next{0, 0};
  for (const std::complex<double>& value : fine) {
    const bool complex = value.imag() != 0;
    std::size_t& j = next[complex ? 1 : 0];
    while (j < coarse.size() && (coarse[j].imag() != 0) != complex) ++j;
    partner.push_back(j < coarse.size() ? j++ : coarse.size());
  }
  return partner;
}

/// |lambda_h - lambda_H| / ((H/h)^p - 1), Richardson's estimate from one coarser grid.
std::vector<double> estimate_errors(Problem& problem, const SpectrumInput& input,
                                    const Spectrum& fine) {
  std::vector<double> errors(fine.values.size(), std::numeric_limits<double>::quiet_NaN());
  const auto coarse_problem = problem.coarsened(2, 4);
  const PetscInt cells = coarse_problem->grid().cells();
  if (cells == problem.grid().cells()) return errors;
  SpectrumInput coarse_input = input;
  coarse_input.sides = "right";
  coarse_input.pairs = std::min<std::int64_t>(input.pairs + 2, cells);
  const Spectrum coarse = compute_spectrum(*coarse_problem, coarse_input);

  const double ratio =
      std::pow(static_cast<double>(problem.grid().cells()) / static_cast<double>(cells),
               1.0 / problem.grid().dimension());
  const double denominator = std::pow(ratio, discretisation_order(problem)) - 1;
  const std::vector<std::size_t> partner = partners(fine.values, coarse.values);
  for (std::size_t i = 0; i < fine.values.size(); ++i) {
    if (partner[i] == coarse.values.size()) continue;
    const double distance = std::abs(fine.values[i] - coarse.values[partner[i]]);
    errors[i] = distance / denominator + round_off * fine.norm;
  }
  return errors;
}

std::vector<std::string> judge(const Problem& problem, const SpectrumInput& input,
                               const Spectrum& s) {
  std::vector<std::string> verdicts;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const double backward = s.residuals[i] / s.norm;
    const double size = std::abs(s.values[i]);
    const bool stationary = i == 0 && !problem.absorbing();
    const bool lost_in_rounding = !stationary && size < 100 * round_off * s.norm;
    const bool grid_too_coarse = !stationary && s.discretisation_error[i] > 0.1 * size;
    if (backward > 10 * input.tolerance) {
      verdicts.emplace_back("not converged");
    } else if (backward > input.tolerance || lost_in_rounding || grid_too_coarse) {
      verdicts.emplace_back("suspect");
    } else {
      verdicts.emplace_back("converged");
    }
  }
  return verdicts;
}

void write(const Problem& problem, const SpectrumInput& input, const Spectrum& s,
           io::ResultFile& file) {
  const auto n = static_cast<hsize_t>(s.values.size());
  std::vector<double> values;
  std::vector<double> rates;
  for (const std::complex<double>& value : s.values) {
    values.push_back(value.real());
    values.push_back(value.imag());
    rates.push_back(-value.real());
  }
  file.write_small("/spectrum/eigenvalues", values, {n, 2},
                   {{"meaning", "eigenvalues of the generator, real and imaginary part, slowest "
                                "(largest real part) first"},
                    {"unit", "1/time"}});
  file.write_small("/spectrum/rates", rates, {n},
                   {{"meaning", "decay rates -Re(lambda)"}, {"unit", "1/time"}});
  file.write_small("/spectrum/residuals", s.residuals, {n},
                   {{"meaning", "||A x - lambda x|| / ||x|| computed apart from the solver"},
                    {"unit", "1/time"},
                    {"operator", problem.reversible() ? "symmetrised generator" : "generator"},
                    {"operator_norm", s.norm}});
  file.write_small("/spectrum/discretisation_error", s.discretisation_error, {n},
                   {{"meaning", "error of the eigenvalue from the grid, estimated with a grid of "
                                "half as many cells per axis; NaN where not estimated"},
                    {"unit", "1/time"},
                    {"order", static_cast<double>(discretisation_order(problem))}});
  file.write_strings("/spectrum/verdict", s.verdicts,
                     {{"meaning", "converged | suspect | not converged"}, {"unit", "-"}});
  const auto write_vectors = [&](const std::string& name, const std::vector<base::UniqueVec>& set,
                                 const std::string& meaning, const std::string& unit) {
    if (set.empty()) return;
    io::Slab slab = problem.grid().slab();
    std::vector<hsize_t> shape = slab.shape;
    shape.insert(shape.begin(), n);
    file.create(name, shape,
                {{"meaning", meaning + "; a complex pair holds its real, then its imaginary part"},
                 {"unit", unit}});
    for (std::size_t i = 0; i < set.size(); ++i) {
      const base::ReadArray entries(set[i].get());
      file.write_leading(name, static_cast<hsize_t>(i), entries.span(), slab);
    }
  };
  write_vectors("/spectrum/right", s.right,
                "right eigenfunctions of the generator (Koopman), largest modulus 1", "-");
  write_vectors("/spectrum/left", s.left,
                "left eigenfunctions (densities of the Fokker-Planck operator)", "1/volume");
  file.annotate("/spectrum", {{"solver", s.solver},
                              {"iterations", static_cast<std::int64_t>(s.iterations)},
                              {"tolerance", input.tolerance},
                              {"coverage", s.coverage},
                              {"asked", input.pairs}});
}

void print(base::Log& log, const Spectrum& s) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const std::complex<double> value = s.values[i];
    const double rate = -value.real();
    rows.push_back({std::to_string(i), fmt::format("{:.10g}", value.real()),
                    value.imag() == 0 ? "" : fmt::format("{:+.10g}", value.imag()),
                    rate > 100 * round_off * s.norm ? fmt::format("{:.6g}", 1 / rate) : "-",
                    fmt::format("{:.1e}", s.residuals[i]),
                    std::isfinite(s.discretisation_error[i])
                        ? fmt::format("{:.1e}", s.discretisation_error[i])
                        : "-",
                    s.verdicts[i]});
  }
  log.table("Spectrum of the generator",
            {"#", "Re lambda", "Im lambda", "time scale", "residual", "grid error", "verdict"},
            rows);
}

} // namespace

void declare(config::Declarer& declarer, SpectrumInput& input) {
  using config::Range;
  declarer.integer("pairs", input.pairs,
                   {.help = "Eigenpairs wanted; one more is given where that keeps a complex pair "
                            "whole."},
                   Range::between(1, 10000));
  declarer.real("tolerance", input.tolerance,
                {.help = "Largest residual of a pair, relative to the norm of the operator."},
                {.min = 1e-15, .max = 1e-2});
  declarer.choice("sides", input.sides, {"right", "left", "both"},
                  {.help = "Eigenvectors to store: right (functions), left (densities) or both."});
  declarer.choice_or_real("target", input.target, {"slowest"},
                          {.help = "Which eigenvalues: the slowest (largest real part), or those "
                                   "nearest to a number.",
                           .unit = "1/time"});
  declarer.choice("solver", input.solver, {"auto", "direct", "iterative"},
                  {.help = "direct: sparse factorisation; iterative: multigrid preconditioning; "
                           "auto: what was measured to win at this size."});
  declarer.boolean("error_estimate", input.error_estimate,
                   {.help = "Estimate each eigenvalue's discretisation error on a coarser grid."});
}

void validate(const Problem& problem, const SpectrumInput& input) {
  if (input.pairs > problem.grid().cells()) {
    throw base::InputError(fmt::format("'spectrum.pairs' is {}, but the grid has only {} cells; "
                                       "ask for fewer pairs or refine the grid",
                                       input.pairs, problem.grid().cells()));
  }
  const bool near_value = input.target.word.empty();
  if (near_value && input.solver == "iterative" && problem.reversible()) {
    throw base::InputError("'spectrum.solver' is 'iterative', but eigenvalues near a number inside "
                           "the spectrum need 'direct'");
  }
}

bool spectrum(Problem& problem, const SpectrumInput& input, io::ResultFile& file) {
  base::Log& log = problem.log();
  base::Phase phase(log, "spectrum");
  Spectrum result = compute_spectrum(problem, input);
  result.discretisation_error.assign(result.values.size(),
                                     std::numeric_limits<double>::quiet_NaN());
  phase.finish(fmt::format("{} pairs, {} iterations, {}", result.values.size(), result.iterations,
                           result.solver));
  if (!result.coverage.empty()) log.line("    " + result.coverage);
  if (input.error_estimate && !result.values.empty()) {
    base::Phase coarse(log, "spectrum errors");
    result.discretisation_error = estimate_errors(problem, input, result);
    coarse.finish("from a grid of half as many cells per axis");
  }
  result.verdicts = judge(problem, input, result);
  write(problem, input, result, file);
  print(log, result);
  if (result.complete) return true;
  log.warning(fmt::format("spectrum: {} of {} pairs converged; raise -spectrum_eps_max_it or "
                          "-spectrum_eps_ncv, relax 'spectrum.tolerance', or choose "
                          "'spectrum.solver: {}'",
                          result.values.size(), input.pairs,
                          input.solver == "direct" ? "iterative" : "direct"));
  return false;
}

} // namespace komori::analyses
