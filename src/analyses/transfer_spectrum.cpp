#include "analyses/transfer_spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "config/wording.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;

constexpr double round_off = 1e-15;
/// An eigenvalue that rounding may have moved by more than this share of itself says nothing.
constexpr double meaningless = 0.01;

/// |mu_h - mu_H| / (2^p - 1) for the nearest eigenvalue of a grid half as fine.
std::vector<double> estimate_errors(const TransferProblem& problem,
                                    const TransferSpectrumInput& input,
                                    const TransferSpectrum& fine) {
  std::vector<double> errors(fine.values.size(), std::numeric_limits<double>::quiet_NaN());
  const auto coarse_problem = problem.coarsened();
  if (!coarse_problem) return errors;
  TransferSpectrumInput coarse_input = input;
  coarse_input.sides = "right";
  coarse_input.conditions = false;
  const std::int64_t more = std::max<std::int64_t>(4, input.pairs / 2);
  coarse_input.pairs = std::min<std::int64_t>(input.pairs + more, coarse_problem->grid().cells());
  const TransferSpectrum coarse = compute_spectrum(*coarse_problem, coarse_input);
  const double denominator = std::pow(2.0, problem.order()) - 1;
  for (std::size_t i = 0; i < fine.values.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Complex& value : coarse.values) {
      nearest = std::min(nearest, std::abs(value - fine.values[i]));
    }
    if (std::isfinite(nearest)) errors[i] = nearest / denominator + round_off * problem.norm();
  }
  return errors;
}

void judge(const TransferProblem& problem, const TransferSpectrumInput& input,
           TransferSpectrum& s) {
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const double modulus = std::abs(s.values[i]);
    const double backward = s.residuals[i] / problem.norm();
    const double moved = std::isnan(s.uncertainty[i]) ? 0 : s.uncertainty[i];
    const double of_grid = std::isnan(s.discretisation_error[i]) ? 0 : s.discretisation_error[i];
    const double of_paths = std::isnan(s.sampling_error[i]) ? 0 : s.sampling_error[i];
    bool rounding = false;
    double slope = 1; // |d rate / d eigenvalue|
    double rate = 0;
    if (problem.rates()) {
      rate = -s.values[i].real();
    } else {
      rounding = modulus <= 1e-14 || moved >= meaningless * modulus;
      rate = rounding ? std::numeric_limits<double>::quiet_NaN()
                      : -std::log(modulus) / problem.lag() + 0.0;
      slope = rounding ? 0 : 1 / (modulus * problem.lag());
    }
    // The eigenvalue 1 of a closed system is known; others must be known well enough for a rate.
    const double still = problem.rates() ? 100 * round_off * problem.norm() : 1e-12 / problem.lag();
    const bool stationary =
        problem.closed() && static_cast<std::int64_t>(i) < s.parts && std::abs(rate) <= still;
    const double open = slope * (moved + of_grid + of_paths); // of the rate
    const bool vague = !stationary && open > std::max(0.1 * std::abs(rate), still);
    s.rates.push_back(rate);
    // Rounding must not make a long time of none.
    const bool decays = rate > std::max(still, slope * moved);
    s.time_scales.push_back(decays ? 1 / rate : std::numeric_limits<double>::quiet_NaN());
    if (backward > 10 * input.tolerance) {
      s.verdicts.emplace_back("not converged");
    } else if (backward > input.tolerance || rounding || vague) {
      s.verdicts.emplace_back("suspect");
    } else {
      s.verdicts.emplace_back("converged");
    }
  }
}

void write(const TransferProblem& problem, const TransferSpectrumInput& input,
           const TransferSpectrum& s, io::ResultFile& file) {
  const auto n = static_cast<hsize_t>(s.values.size());
  std::vector<double> values;
  for (const Complex& value : s.values) {
    values.push_back(value.real());
    values.push_back(value.imag());
  }
  const std::string unit = problem.rates() ? "1/time" : "-";
  const std::string name = problem.rates() ? "matrix of rates" : "transfer matrix of one step";
  file.write_small(
      "/spectrum/eigenvalues", values, {n, 2},
      {{"meaning", "eigenvalues of the " + name + ", real and imaginary part, slowest first"},
       {"unit", unit}});
  file.write_small("/spectrum/rates", s.rates, {n},
                   {{"meaning", std::string(problem.rates() ? "decay rates -Re(lambda)"
                                                            : "decay rates -ln|mu|/lag") +
                                    "; NaN where rounding decides the eigenvalue"},
                    {"unit", std::string("1/time")}});
  file.write_small(
      "/spectrum/time_scales", s.time_scales, {n},
      {{"meaning", std::string("implied time scales 1/rate; NaN where nothing decays, or no faster "
                               "than rounding")},
       {"unit", std::string("time")}});
  file.write_small(
      "/spectrum/residuals", s.residuals, {n},
      {{"meaning", std::string("||P x - mu x|| / ||x|| computed apart from the solver")},
       {"unit", unit},
       {"operator", name},
       {"operator_norm", problem.norm()}});
  file.write_small("/spectrum/condition", s.condition, {n},
                   {{"meaning", std::string("1/|y^H x| of left and right vectors of norm 1; of the "
                                            "spaces where eigenvalues coincide")},
                    {"unit", std::string("-")}});
  file.write_small("/spectrum/uncertainty", s.uncertainty, {n},
                   {{"meaning", std::string("how far rounding and the residual may have moved the "
                                            "eigenvalue")},
                    {"unit", unit}});
  file.write_small(
      "/spectrum/discretisation_error", s.discretisation_error, {n},
      {{"meaning", std::string("error of the eigenvalue from the grid, estimated with "
                               "half as many cells per axis; NaN where not estimated")},
       {"unit", unit},
       {"order", static_cast<double>(problem.order())}});
  if (problem.draws() > 0) {
    file.write_small(
        "/spectrum/sampling_error", s.sampling_error, {n},
        {{"meaning", std::string("standard error of the eigenvalue because transitions "
                                 "are drawn; NaN where not estimated")},
         {"unit", unit},
         {"draws", problem.draws()}});
  }
  file.write_strings("/spectrum/verdict", s.verdicts,
                     {{"meaning", std::string("converged | suspect | not converged")},
                      {"unit", std::string("-")}});
  const auto write_vectors = [&](const std::string& dataset,
                                 const std::vector<base::UniqueVec>& set,
                                 const std::string& meaning, const std::string& of) {
    if (set.empty()) return;
    const io::Slab slab = problem.grid().slab();
    std::vector<hsize_t> shape = slab.shape;
    shape.insert(shape.begin(), n);
    file.create(dataset, shape,
                {{"meaning", meaning + "; a complex pair holds its real, then its imaginary part"},
                 {"unit", of}});
    for (std::size_t i = 0; i < set.size(); ++i) {
      const base::ReadArray entries(set[i].get());
      file.write_leading(dataset, static_cast<hsize_t>(i), entries.span(), slab);
    }
  };
  write_vectors("/spectrum/right", s.right,
                "right eigenfunctions (of the Koopman operator), largest modulus 1", "-");
  write_vectors("/spectrum/left", s.left,
                "left eigenfunctions (densities of the transfer operator), integral of the modulus "
                "1; NaN where rounding decides the eigenvalue and the transposed has none near",
                "1/volume");
  file.annotate("/spectrum", {{"solver", s.solver},
                              {"iterations", static_cast<std::int64_t>(s.iterations)},
                              {"tolerance", input.tolerance},
                              {"coverage", s.coverage},
                              {"asked", input.pairs},
                              {"time", std::string(problem.rates() ? "continuous" : "discrete")},
                              {"lag", problem.lag()}});
}

std::string shown(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "-";
}

void print(const TransferProblem& problem, const TransferSpectrum& s) {
  const bool drawn = problem.draws() > 0;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const Complex value = s.values[i];
    rows.push_back({std::to_string(i), fmt::format("{:.10g}", value.real()),
                    value.imag() == 0 ? "" : fmt::format("{:+.10g}", value.imag()),
                    shown(s.time_scales[i], "{:.6g}"), fmt::format("{:.1e}", s.residuals[i]),
                    shown(s.condition[i], "{:.1e}"), shown(s.discretisation_error[i], "{:.1e}"),
                    s.verdicts[i]});
    if (drawn) rows.back().insert(rows.back().end() - 1, shown(s.sampling_error[i], "{:.1e}"));
  }
  std::vector<std::string> header{"#",        "Re",        "Im",         "time scale",
                                  "residual", "condition", "grid error", "verdict"};
  if (drawn) header.insert(header.end() - 1, "sampling error");
  problem.log().table(problem.rates() ? "Spectrum of the matrix of rates"
                                      : "Spectrum of the transfer matrix",
                      header, rows);
}

} // namespace

void declare(config::Declarer& declarer, TransferSpectrumInput& input) {
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
                          {.help = "Which eigenvalues: the slowest (largest modulus of a map's or "
                                   "chain's step, largest real part of rates), or those nearest to "
                                   "a number."});
  declarer.choice("solver", input.solver, {"auto", "direct", "iterative"},
                  {.help = "iterative: products with the operator alone; direct: a sparse "
                           "factorisation, which finds what lies next to 1 (or 0 of rates, or the "
                           "target); auto: the former, and the latter where that is too slow."});
  declarer.boolean("error_estimate", input.error_estimate,
                   {.help = "Estimate each eigenvalue's discretisation error on a coarser grid."});
  declarer.boolean("conditions", input.conditions,
                   {.help = "Solve for both sides, to tell eigenvalues that rounding decides; of "
                            "maps and chains."});
  declarer.real("residual_threshold", input.residual_threshold,
                {.help = "Of a dictionary: the largest residual, as a share of the eigenvalue's "
                         "modulus, of a pair that is not suspect."},
                Range::between(0, 10));
  declarer.choice("filter", input.filter, {"none", "residual"},
                  {.help = "Of a dictionary: residual leaves out suspect pairs."});
  if (declarer.reading()) input.origin = declarer.origin("pairs");
}

void validate(std::int64_t states, const TransferSpectrumInput& input) {
  if (input.pairs <= states) return;
  config::fail(input.origin, fmt::format("'spectrum.pairs' is {}, but there are only {} cells or "
                                         "states; ask for fewer pairs",
                                         input.pairs, states));
}

TransferSpectrum judged_spectrum(TransferProblem& problem, const TransferSpectrumInput& input) {
  base::Phase phase(problem.log(), "spectrum");
  TransferSpectrum result = compute_spectrum(problem, input);
  result.discretisation_error.assign(result.values.size(),
                                     std::numeric_limits<double>::quiet_NaN());
  phase.finish(fmt::format("{} pairs, {} iterations, {}", result.values.size(), result.iterations,
                           result.solver));
  if (!result.coverage.empty()) problem.log().line("    " + result.coverage);
  if (input.error_estimate && problem.order() > 0 && !result.values.empty()) {
    base::Phase coarse(problem.log(), "spectrum errors");
    result.discretisation_error = estimate_errors(problem, input, result);
    coarse.finish("from a grid of half as many cells per axis");
  }
  judge(problem, input, result);
  return result;
}

bool spectrum(TransferProblem& problem, const TransferSpectrumInput& input, io::ResultFile& file) {
  const TransferSpectrum result = judged_spectrum(problem, input);
  write(problem, input, result, file);
  print(problem, result);
  const auto none = std::count_if(result.rates.begin(), result.rates.end(),
                                  [](double rate) { return std::isnan(rate); });
  if (none > 0) {
    problem.log().warning(fmt::format(
        "spectrum: {} eigenvalue{} decided by rounding (condition times rounding is as large as "
        "{}); no decay rate is reported for {}",
        none, none == 1 ? " is" : "s are", none == 1 ? "it" : "they", none == 1 ? "it" : "them"));
  }
  if (result.complete) return true;
  problem.log().warning(fmt::format(
      "spectrum: {} of {} pairs converged; raise -spectrum_eps_max_it or -spectrum_eps_ncv, relax "
      "'spectrum.tolerance', or choose 'spectrum.solver: {}'",
      result.values.size(), input.pairs, input.solver == "direct" ? "iterative" : "direct"));
  return false;
}

} // namespace komori::analyses
