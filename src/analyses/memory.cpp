#include "analyses/memory.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "analyses/problem.hpp"
#include "base/error.hpp"

namespace komori::analyses {

void declare(config::Declarer& declarer, MemoryTimesInput& input) {
  declarer.real(
      "to", input.to,
      {.help = "Longest time of the kernel.", .unit = "time", .need = config::Need::required},
      config::Range::positive());
  declarer.integer("steps", input.steps, {.help = "Equal steps up to it."},
                   {.min = 1, .max = 100000});
  declarer.real("adaptive", input.adaptive,
                {.help = "In place of equal steps: as many times as straight lines between them "
                         "need to follow the kernel to this share of its largest value; 0: equal "
                         "steps."},
                {.min = 0, .max = 0.5});
}

void declare(config::Declarer& declarer, MemoryInput& input) {
  declarer.choice("inner_product", input.inner_product, {"stationary", "lebesgue"},
                  {.help = "Weight of averages and of the projection: the stationary density, or "
                           "the volume."});
  declarer.integer("lags", input.lags,
                   {.help =
                        "Discrete time: the last l of the memory matrices Omega_0, Omega_1, ...; "
                        "0: 10.",
                    .unit = "steps"},
                   {.min = 0, .max = 100000});
  declarer.real("cut", input.cut,
                {.help = "Discrete time: later Omega_l whose norms all stay below this share of "
                         "that of Omega_0 are left out."},
                {.min = 0, .max = 1});
  declarer.section("times", input.times,
                   {.help = "Continuous time: when the kernel is asked for; without it streaming "
                            "and rates alone."});
  declarer.reals("laplace", input.laplace,
                 {.help = "Arguments of the kernel's Laplace transform.", .unit = "1/time"},
                 config::Range::positive());
  declarer.integer(
      "rates", input.rates,
      {.help = "Slowest eigenvalues of the orthogonal dynamics; 0: none. A time series alone "
               "has none."},
      {.min = 0, .max = 10000});
  declarer.real("tolerance", input.tolerance,
                {.help = "Largest error of the kernel relative to its later values, and of "
                         "eigenvalues relative to the norm of the operator."},
                {.min = 1e-14, .max = 1e-2});
  declarer.real("accuracy", input.accuracy,
                {.help = "The error of the propagator for which the shortest sufficient memory is "
                         "sought."},
                {.min = 1e-12, .max = 1});
  declarer.real("smoothing", input.smoothing,
                {.help =
                     "Of a time series: width over which the kernel is smoothed by a penalty on "
                     "its second differences; 0: it is not.",
                 .unit = "time"},
                config::Range::at_least(0));
  declarer.choice("solver", input.solver, {"auto", "direct", "iterative"},
                  {.help = "How linear systems are solved: by a sparse factorisation, or by Krylov "
                           "iteration with algebraic multigrid."});
  if (declarer.reading()) input.origin = declarer.origin("");
}

Mat MemorySystem::matrix_with_entries() const {
  return entries != nullptr ? entries : problem->generator_entries();
}

void validate(const MemorySystem& system, const MemoryInput& input) {
  const auto refuse = [&](const char* key, const char* why) {
    throw base::InputError(fmt::format("{}: 'memory.{}' {}", input.origin.text(), key, why));
  };
  if (system.discrete && input.times) {
    refuse("times", "is for continuous time, but the model moves in steps; use 'lags'");
  }
  if (system.discrete && !input.laplace.empty()) {
    refuse("laplace", "is for continuous time, but the model moves in steps; remove it");
  }
  if (!system.discrete && input.lags > 0) {
    refuse("lags", "is for discrete time, but the model moves in continuous time; use 'times: {to: "
                   "10, steps: 200}'");
  }
  if (input.smoothing > 0) {
    refuse("smoothing", "is for a time series, but the kernel of an operator has no noise; remove "
                        "it");
  }
  if (!system.discrete && input.cut > 0) {
    refuse("cut", "is for discrete time, but the model moves in continuous time; remove it");
  }
}

MemoryResult compute_memory(MemorySystem& system, const operators::ProjectionInput& projection,
                            const operators::Names& names, const MemoryInput& input) {
  base::Log& log = system.log();
  system.projection = &projection;
  system.names = &names;
  MemoryResult result;
  const operators::Resolved resolved =
      operators::resolve(system.grid, projection, names, system.weights.get(), system.conserved);
  log.line(fmt::format("  projection: {}", resolved.text));
  if (projection.kind == "observables") {
    log.line(fmt::format("  least independent observable: {:.3g} of its norm is its own",
                         resolved.independence));
  }
  result.discrete = system.discrete;
  result.lag = system.lag;
  result.parts = resolved.parts;
  result.closed = resolved.closed;
  result.labels = resolved.labels;
  result.accuracy = input.accuracy;
  if (!system.discrete) { // of two products with L
    result.rounding = std::pow(64 * std::numeric_limits<double>::epsilon() * system.norm, 2);
  }
  // Rates first: they are few numbers, which every save of the kernel carries along.
  const bool rates_known = system.checkpoints && system.checkpoints->pending("memory kernel");
  if (input.rates > 0 && !rates_known) {
    base::Phase phase(log, "memory rates");
    memory_rates(system, resolved, input, result);
    phase.finish(result.solver);
  }
  {
    base::Phase phase(log, "memory kernel");
    if (system.discrete) {
      discrete_memory(system, resolved, input, result);
    } else {
      continuous_memory(system, resolved, input, result);
    }
    phase.finish(system.discrete ? fmt::format("{} lags", result.omega.size())
                                 : fmt::format("{} times", result.times.size()));
  }
  judge(result);
  result.projection = projection.kind;
  result.inner_product = input.inner_product;
  result.rank = resolved.projection->rank();
  result.independence = resolved.independence;
  return result;
}

bool memory(MemorySystem& system, const operators::ProjectionInput& projection,
            const operators::Names& names, const MemoryInput& input, io::ResultFile& file,
            const std::string& group, const std::string& title) {
  const MemoryResult result = compute_memory(system, projection, names, input);
  write(result, file, group);
  report(result, system.log(), title);
  return result.complete;
}

} // namespace komori::analyses
