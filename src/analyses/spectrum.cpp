#include "analyses/spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "analyses/eigenfunctions.hpp"
#include "analyses/spectrum_errors.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

/// Eigenvalue estimates that differ by less than this many digits of the operator's norm are
/// rounding.
constexpr double round_off = 1e-15;

std::vector<std::string> judge(const Problem& problem, const SpectrumInput& input,
                               const Spectrum& s) {
  std::vector<std::string> verdicts;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const double backward = s.residuals[i] / s.norm;
    const double size = std::abs(s.values[i]);
    const bool stationary = i == 0 && !problem.absorbing();
    const bool lost_in_rounding = !stationary && size < 100 * round_off * s.norm;
    const bool grid_too_coarse = !stationary && s.stated_error(i) > 0.1 * size;
    if (backward > 10 * input.tolerance) {
      verdicts.emplace_back("not converged");
    } else if (backward > input.tolerance || lost_in_rounding || grid_too_coarse || s.missing > 0) {
      verdicts.emplace_back("suspect");
    } else {
      verdicts.emplace_back("converged");
    }
  }
  return verdicts;
}

bool estimated(const Spectrum& s) {
  return s.grid_errors.size() == s.values.size() && !s.values.empty();
}

/// Digits of eigenvalue i that can be trusted, -1 for one that is 0 on paper or without estimate.
int digits_of(const Spectrum& s, std::size_t i) {
  const bool lost = std::abs(s.values[i]) < 100 * round_off * s.norm;
  return lost || !std::isfinite(s.stated_error(i))
             ? -1
             : trusted_digits(std::abs(s.values[i]), s.stated_error(i));
}

void write_errors(const Spectrum& s, io::ResultFile& file) {
  if (!estimated(s)) return;
  const auto n = static_cast<hsize_t>(s.values.size());
  std::vector<double> orders;
  std::vector<double> digits;
  std::vector<double> limits;
  std::vector<std::string> bases;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const GridError& error = s.grid_errors[i];
    orders.push_back(error.order);
    digits.push_back(digits_of(s, i));
    limits.insert(limits.end(), {error.extrapolated.real(), error.extrapolated.imag()});
    bases.push_back(error.basis);
  }
  file.write_small("/spectrum/observed_order", orders, {n},
                   {{"meaning", "order of convergence seen on three grids; NaN where they show "
                                "none"},
                    {"unit", "-"}});
  file.write_small("/spectrum/extrapolated", limits, {n, 2},
                   {{"meaning", "eigenvalues extrapolated to cells of width 0, real and imaginary "
                                "part; NaN where the order does not hold"},
                    {"unit", "1/time"}});
  file.write_small(
      "/spectrum/trusted_digits", digits, {n},
      {{"meaning", "decimal digits of the eigenvalue that solver and grid error leave; "
                   "-1 where it is 0 up to rounding or its error not known"},
       {"unit", "-"}});
  file.write_strings("/spectrum/error_basis", bases,
                     {{"meaning", "what the estimate of the grid error rests on"}, {"unit", "-"}});
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
  file.write_small("/spectrum/solver_error", s.solver_error, {n},
                   {{"meaning", "error of the eigenvalue from the solver"},
                    {"unit", "1/time"},
                    {"basis", s.solver_error_basis}});
  file.write_small("/spectrum/discretisation_error", s.discretisation_error, {n},
                   {{"meaning", "error of the eigenvalue from the grid, estimated by Richardson's "
                                "rule with grids of a half and a quarter as many cells per axis; "
                                "NaN where not estimated"},
                    {"unit", "1/time"},
                    {"order", static_cast<double>(discretisation_order(problem))}});
  write_errors(s, file);
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
                              {"audit", s.audit},
                              {"missing", static_cast<std::int64_t>(s.missing)},
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
                    digits_of(s, i) >= 0 ? std::to_string(digits_of(s, i)) : "-", s.verdicts[i]});
  }
  log.table(
      "Spectrum of the generator",
      {"#", "Re lambda", "Im lambda", "time scale", "residual", "grid error", "digits", "verdict"},
      rows);
  if (!estimated(s)) return;
  constexpr std::size_t most_lines = 12;
  for (std::size_t i = 0; i < std::min(most_lines, s.values.size()); ++i) {
    const int digits = digits_of(s, i);
    if (digits < 0 || s.values[i].imag() < 0) continue;
    // One figure more than can be trusted, as a reader would write it down.
    const auto text = [](std::complex<double> value, int figures) {
      return value.imag() == 0 ? fmt::format("{:#.{}g}", value.real(), figures)
                               : fmt::format("{:#.{}g} +- {:#.{}g} i", value.real(), figures,
                                             std::abs(value.imag()), figures);
    };
    const std::complex<double> limit = s.grid_errors[i].extrapolated;
    log.line(fmt::format("  eigenvalue {}: {} ({} digit{}, error {:.1e}{}; {})", i,
                         text(s.values[i], std::max(digits, 1) + 1), digits, digits == 1 ? "" : "s",
                         s.stated_error(i),
                         std::isfinite(limit.real())
                             ? fmt::format(", extrapolated {}", text(limit, digits + 3))
                             : "",
                         s.grid_errors[i].basis));
  }
}

/// Drops all but the first `count` eigenvalues, keeping pairs whole.
void keep_first(Spectrum& s, std::size_t count) {
  if (s.values.size() <= count) return;
  if (count > 0 && s.values[count - 1].imag() > 0) ++count;
  s.values.resize(count);
  s.residuals.resize(count);
  if (s.right.size() > count) s.right.resize(count);
  if (s.left.size() > count) s.left.resize(count);
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
                   {.help =
                        "Estimate each eigenvalue's discretisation error on two coarser grids, and "
                        "count whether copies of multiple ones are missing."});
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

Spectrum certified_spectrum(Problem& problem, const SpectrumInput& input) {
  base::Log& log = problem.log();
  base::Phase phase(log, "spectrum");
  Spectrum result = compute_spectrum(problem, input);
  const auto take_stock = [&] {
    result.solver_error = solver_errors(problem, result, result.solver_error_basis);
    result.discretisation_error.assign(result.values.size(),
                                       std::numeric_limits<double>::quiet_NaN());
  };
  take_stock();
  phase.finish(fmt::format("{} pairs, {} iterations, {}", result.values.size(), result.iterations,
                           result.solver));
  if (!result.coverage.empty()) log.line("    " + result.coverage);
  if (!input.error_estimate || result.values.empty()) return result;
  base::Phase errors(log, "spectrum errors");
  Audit audit = audit_multiplicities(problem, input, result);
  if (audit.missing > 0) {
    log.line(fmt::format("    {}: searching again for more", audit.text));
    SpectrumInput wider = input;
    wider.pairs = std::min<std::int64_t>(input.pairs + audit.missing + 4, problem.grid().cells());
    Spectrum again = compute_spectrum(problem, wider);
    keep_first(again, static_cast<std::size_t>(input.pairs));
    again.coverage = result.coverage;
    result = std::move(again);
    take_stock();
    audit = audit_multiplicities(problem, input, result);
  }
  result.audit = audit.text;
  result.missing = audit.missing;
  result.counted = audit.done;
  estimate_grid_errors(problem, input, result);
  errors.finish("from grids of a half and a quarter as many cells per axis");
  return result;
}

bool spectrum(Problem& problem, const SpectrumInput& input, io::ResultFile& file) {
  base::Log& log = problem.log();
  Spectrum result = certified_spectrum(problem, input);
  result.verdicts = judge(problem, input, result);
  write(problem, input, result, file);
  print(log, result);
  if (!result.audit.empty() && result.missing == 0) log.line("  " + result.audit);
  if (result.missing > 0) {
    log.warning(fmt::format("spectrum: {}; ask for more 'spectrum.pairs', or another "
                            "'spectrum.solver'",
                            result.audit));
  }
  if (result.complete) return true;
  log.warning(fmt::format("spectrum: {} of {} pairs converged; raise -spectrum_eps_max_it or "
                          "-spectrum_eps_ncv, relax 'spectrum.tolerance', or choose "
                          "'spectrum.solver: {}'",
                          result.values.size(), input.pairs,
                          input.solver == "direct" ? "iterative" : "direct"));
  return false;
}

} // namespace komori::analyses
