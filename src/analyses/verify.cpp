#include "analyses/verify.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/signals.hpp"

namespace komori::analyses {
namespace {

config::FormulaArray formulas(const std::vector<std::string>& texts, const std::string& path) {
  config::FormulaArray array;
  array.rank = texts.size() > 1 ? 1 : 0;
  array.rows = texts.size();
  array.columns = 1;
  array.origin.file = "verify";
  for (const std::string& text : texts) {
    array.entries.emplace_back(text, array.origin, path);
  }
  return array;
}

models::Sde make_sde(const VerifySystem& system) {
  models::SdeInput input;
  for (const VerifyAxis& axis : system.axes) input.variables.push_back(axis.name);
  input.potential = {system.potential, {"verify", 0}, "model.potential"};
  input.drift = formulas(system.drift, "model.drift");
  input.diffusion = formulas(system.diffusion, "model.diffusion");
  if (!system.diffusion_matrix.empty()) {
    std::vector<std::string> entries;
    for (const auto& row : system.diffusion_matrix) {
      entries.insert(entries.end(), row.begin(), row.end());
    }
    input.diffusion = formulas(entries, "model.diffusion");
    input.diffusion.rank = 2;
    input.diffusion.rows = system.diffusion_matrix.size();
    input.diffusion.columns = system.diffusion_matrix.front().size();
  }
  input.convention = system.convention;
  return models::Sde(input);
}

spaces::Grid make_grid(MPI_Comm comm, const VerifySystem& system) {
  std::vector<spaces::Axis> axes;
  for (const VerifyAxis& axis : system.axes) {
    spaces::AxisInput input;
    input.from = axis.from;
    input.to = axis.to;
    input.cells = axis.cells;
    input.boundary = {axis.boundary == spaces::Boundary::absorbing  ? "absorbing"
                      : axis.boundary == spaces::Boundary::periodic ? "periodic"
                                                                    : "reflecting"};
    axes.push_back(spaces::make_axis(axis.name, input, {}));
  }
  return {comm, std::move(axes)};
}

std::vector<std::string> row_of(const Verdict& verdict) {
  return {verdict.name,
          verdict.known.quantity,
          fmt::format("{:.10g}", verdict.known.exact),
          fmt::format("{:.10g}", verdict.computed),
          fmt::format("{:.1e}", verdict.error()),
          fmt::format("{:.1e}", verdict.known.allowed),
          verdict.known.because,
          verdict.passed() ? "pass" : "FAIL"};
}

int work(Run& run) {
  base::Log& log = run.session.log();
  log.line(fmt::format("Verification against exact answers, {} rank{}", run.session.size(),
                       run.session.size() == 1 ? "" : "s"));
  base::Phase phase(log, "verify");
  const std::vector<VerifyCase> cases = verify_cases();
  std::vector<std::vector<std::string>> rows;
  std::size_t failed = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    base::stop_if_asked(run.session.comm(), "the remaining cases were not run");
    log.progress(static_cast<double>(i) / static_cast<double>(cases.size()), cases[i].name);
    log.set_level(base::Log::Level::quiet); // a table says more than every solver's progress
    const std::vector<Verdict> verdicts = verify(run.session, cases[i]);
    if (!run.command_line.quiet) log.set_level(base::Log::Level::normal);
    for (const Verdict& verdict : verdicts) {
      rows.push_back(row_of(verdict));
      if (verdict.passed()) continue;
      ++failed;
      log.error(
          fmt::format("{}, {}: {}", verdict.name, verdict.known.quantity,
                      verdict.failure.empty()
                          ? fmt::format("{:.12g} differs from {:.12g} by {:.1e}, allowed "
                                        "is {:.1e} ({})",
                                        verdict.computed, verdict.known.exact, verdict.error(),
                                        verdict.known.allowed, verdict.known.because)
                          : verdict.failure));
    }
  }
  phase.finish(fmt::format("{} cases", cases.size()));
  log.table("Exact answers",
            {"case", "quantity", "exact", "computed", "error", "allowed", "because", "verdict"},
            rows);
  if (failed == 0) {
    log.line(fmt::format("All {} numbers are right.", rows.size()));
    return static_cast<int>(base::ExitCode::done);
  }
  log.error(fmt::format("{} of {} numbers are wrong: do not trust this installation", failed,
                        rows.size()));
  return static_cast<int>(base::ExitCode::internal);
}

} // namespace

bool Verdict::passed() const {
  return failure.empty() && std::abs(error()) <= known.allowed;
}

std::vector<Verdict> verify(base::Session& session, const VerifyCase& problem) {
  std::vector<double> computed;
  std::string failure;
  try {
    const models::Sde sde = make_sde(problem.system);
    Problem discretised(session, sde, make_grid(session.comm(), problem.system),
                        problem.system.scheme);
    computed = problem.compute(discretised);
  } catch (const base::Stopped&) {
    throw;
  } catch (const base::Error& error) { // thrown on all ranks alike, so the next case can go on
    failure = error.what();
  }
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < problem.known.size(); ++i) {
    const double value =
        i < computed.size() ? computed[i] : std::numeric_limits<double>::quiet_NaN();
    verdicts.push_back(
        {.name = problem.name, .known = problem.known[i], .computed = value, .failure = failure});
  }
  return verdicts;
}

Driver verify_driver() {
  return {.name = "verify",
          .summary = "solves problems with known answers and says whether this installation gets "
                     "them right; takes no input, under a minute",
          .takes_input = config::InputFile::none,
          .key_help = {},
          .option_prefixes = {"spectrum_", "stationary_", "transitions_", "evolve_", "extension_"},
          .work = work};
}

} // namespace komori::analyses
