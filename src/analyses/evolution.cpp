#include "analyses/evolution.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "analyses/solver_checkpoints.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::check;

std::string place_of(const config::FormulaText& text) {
  return fmt::format("{}: '{}'", text.origin.text(), text.path);
}

/// "wall x lower" as a dataset: "x_lower".
std::string dataset_name(std::string wall) {
  std::replace(wall.begin(), wall.end(), ' ', '_');
  return wall;
}

/// Measures, keeps and stores the states as they come.
class Recorder {
public:
  Recorder(Problem& problem, const EvolveInput& input, io::ResultFile& file)
      : problem_(problem), input_(input), file_(file), density_(problem.grid().vector()) {
    const models::Sde& sde = problem.sde();
    for (const auto& [name, text] : input.observables) {
      const config::Formula formula(text, sde.variables(), sde.parameters());
      observables_.push_back(problem.grid().sampled(std::cref(formula)));
    }
    if (!input.density || file.contains("/evolve/density")) return;
    std::vector<hsize_t> shape = problem.grid().slab().shape;
    shape.insert(shape.begin(), input.times.size());
    file.create("/evolve/density", shape,
                {{"meaning", std::string("probability per unit volume at /evolve/times")},
                 {"unit", std::string("1/volume")}});
  }

  void add(std::size_t index, Vec masses, double error) {
    EvolveRecord record{.time = input_.times[index], .mass = base::sum(masses), .error = error};
    {
      const base::ReadArray mass(masses);
      for (std::size_t i = 0; i < mass.size(); ++i) record.negative -= std::min(mass[i], 0.0);
    }
    MPI_Allreduce(MPI_IN_PLACE, &record.negative, 1, MPI_DOUBLE, MPI_SUM, problem_.comm());
    check(VecPointwiseDivide(density_.get(), masses, problem_.volumes()));
    check(VecMin(density_.get(), nullptr, &record.minimum));
    for (const base::UniqueVec& values : observables_) {
      record.observables.push_back(base::dot(values.get(), masses));
    }
    if (problem_.absorbing()) record.walls = operators::wall_fluxes(problem_.fluxes(), masses);
    if (input_.density) {
      const base::ReadArray entries(density_.get());
      file_.write_leading("/evolve/density", index, entries.span(), problem_.grid().slab());
    }
    records_.push_back(std::move(record));
  }

  const std::vector<EvolveRecord>& records() const { return records_; }

  /// The records as a list of numbers, and back.
  std::vector<double> numbers() const {
    std::vector<double> all{static_cast<double>(records_.size())};
    for (const EvolveRecord& r : records_) {
      all.insert(all.end(), {r.time, r.mass, r.negative, r.minimum, r.error});
      all.insert(all.end(), r.observables.begin(), r.observables.end());
      for (const auto& [wall, flux] : r.walls) all.push_back(flux);
    }
    return all;
  }
  void restore(const std::vector<double>& numbers) {
    const linalg::SolverState list{.numbers = numbers};
    linalg::StateReader reader(list);
    const std::int64_t count = reader.count();
    const auto walls = operators::wall_fluxes(problem_.fluxes(), problem_.volumes()); // their names
    for (std::int64_t i = 0; i < count; ++i) {
      EvolveRecord record;
      for (double* value :
           {&record.time, &record.mass, &record.negative, &record.minimum, &record.error}) {
        *value = reader.number();
      }
      record.observables = reader.numbers(observables_.size());
      if (problem_.absorbing()) {
        for (const auto& [wall, flux] : walls) record.walls.emplace_back(wall, reader.number());
      }
      records_.push_back(std::move(record));
    }
  }

private:
  Problem& problem_;
  const EvolveInput& input_;
  io::ResultFile& file_;
  base::UniqueVec density_;
  std::vector<base::UniqueVec> observables_;
  std::vector<EvolveRecord> records_;
};

void write(const EvolveInput& input, const std::vector<EvolveRecord>& records,
           io::ResultFile& file) {
  const std::size_t count = input.times.size();
  const auto column = [&](const std::string& name, const std::string& meaning,
                          const std::string& unit, const auto& value) {
    std::vector<double> values(count, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < records.size(); ++i) values[i] = value(records[i]);
    file.write_small("/evolve/" + name, values, {count}, {{"meaning", meaning}, {"unit", unit}});
  };
  file.write_small("/evolve/times", input.times, {count},
                   {{"meaning", std::string("output times")}, {"unit", std::string("time")}});
  column("mass", "total probability left", "-", [](const EvolveRecord& r) { return r.mass; });
  column("escaped", "probability that has left through absorbing walls, 1 - mass", "-",
         [](const EvolveRecord& r) { return 1 - r.mass; });
  column("minimum", "lowest density; below 0 only by numerical error", "1/volume",
         [](const EvolveRecord& r) { return r.minimum; });
  column("negative_mass", "probability in cells below 0, as a positive number", "-",
         [](const EvolveRecord& r) { return r.negative; });
  column("error_estimate",
         "bound or estimate of sum |error of the cell masses|, time stepping only", "-",
         [](const EvolveRecord& r) { return r.error; });
  for (std::size_t k = 0; k < input.observables.size(); ++k) {
    const auto& [name, text] = input.observables[k];
    column("observables/" + name,
           fmt::format("integral of ({}) times the density, not divided by the mass", text.text),
           "-", [&](const EvolveRecord& r) { return r.observables[k]; });
  }
  if (records.empty()) return;
  for (std::size_t k = 0; k < records.front().walls.size(); ++k) {
    const std::string wall = records.front().walls[k].first;
    column("wall_flux/" + dataset_name(wall),
           fmt::format("probability leaving through the absorbing wall {}", wall), "1/time",
           [&](const EvolveRecord& r) { return r.walls[k].second; });
  }
}

void print(base::Log& log, const EvolveInput& input, const std::vector<EvolveRecord>& records) {
  std::vector<std::string> header{"time", "mass"};
  for (const auto& [name, text] : input.observables) header.push_back(name);
  if (!records.empty()) {
    for (const auto& [wall, flux] : records.front().walls) header.push_back("flux " + wall);
  }
  header.insert(header.end(), {"lowest density", "error"});
  std::vector<std::vector<std::string>> rows;
  for (const EvolveRecord& r : records) {
    std::vector<std::string> row{fmt::format("{:.6g}", r.time), fmt::format("{:.10g}", r.mass)};
    for (const double value : r.observables) row.push_back(fmt::format("{:.10g}", value));
    for (const auto& [wall, flux] : r.walls) row.push_back(fmt::format("{:.6e}", flux));
    row.push_back(fmt::format("{:.3e}", r.minimum));
    row.push_back(fmt::format("{:.1e}", r.error));
    rows.push_back(std::move(row));
  }
  log.table("Evolution", header, rows);
}

constexpr std::array<const char*, 3> methods{"chebyshev", "shift_invert", "uniformisation"};

std::vector<double> numbers_of(const EvolveChoice& choice) {
  const auto* const method = std::find(methods.begin(), methods.end(), choice.method);
  return {static_cast<double>(method - methods.begin()), choice.symmetrised ? 1.0 : 0.0,
          choice.solver == linalg::Method::direct ? 1.0 : 0.0};
}

EvolveChoice choice_of(const std::vector<double>& numbers) {
  return {.method = methods.at(static_cast<std::size_t>(numbers.at(0))),
          .symmetrised = numbers.at(1) != 0,
          .solver = numbers.at(2) != 0 ? linalg::Method::direct : linalg::Method::iterative,
          .reason = "as in the run that is resumed"};
}

/// What the records show against the claims made for them.
void judge(Problem& problem, const EvolveChoice& choice, const std::vector<EvolveRecord>& records) {
  base::Log& log = problem.log();
  const bool monotone = problem.generator().facts.negative == 0;
  for (const EvolveRecord& r : records) {
    // The rows of the operator sum to 0 only up to rounding, and so long as r.time lasts.
    const double round_off = 1e-10 + 1e-15 * problem.generator().facts.norm * r.time;
    const double allowed =
        choice.solver == linalg::Method::iterative ? round_off + r.error : round_off;
    if (!problem.absorbing() && std::abs(r.mass - 1) > allowed) {
      log.warning(fmt::format("evolve: the total probability at time {:.6g} is off by {:.1e} "
                              "although no wall absorbs; lower 'evolve.tolerance' or use "
                              "'evolve.solver: direct'",
                              r.time, r.mass - 1));
      break;
    }
  }
  for (const EvolveRecord& r : records) {
    if (monotone && r.negative > std::max(r.error, 1e-14)) {
      log.warning(fmt::format("evolve: cells below 0 hold a probability of {:.1e} at time {:.6g}, "
                              "more than the error estimated ({:.1e}); use 'evolve.method: "
                              "uniformisation', which stays positive",
                              -r.negative, r.time, r.error));
      break;
    }
  }
}

/// Says so where the grid hardly resolves the start.
void warn_if_narrow(Problem& problem, const EvolveInput& input, Vec masses) {
  if (!input.formula.given()) return;
  const double norm = base::norm2(masses);
  const double cells = 1 / (norm * norm);
  if (cells >= std::pow(3, problem.grid().dimension())) return;
  problem.log().warning(fmt::format(
      "evolve: the initial density rests on about {:.1f} cells, too few to sample its shape; "
      "refine the grid, widen the density, or use 'initial: {{point: [...]}}'",
      cells));
}

} // namespace

void declare(config::Declarer& declarer, EvolveInput& input) {
  using config::Need;
  declarer.formula_or_section(
      "initial", input.formula, input.initial,
      {.help = "Density at time 0 up to a factor: a formula of the variables, taken at the cell "
               "centres, or a section with 'point' or 'file'.",
       .unit = "any",
       .need = Need::required});
  declarer.reals("times", input.times,
                 {.help = "When to record, increasing.", .unit = "time", .need = Need::required},
                 config::Range::at_least(0));
  declarer.named_formulas("observables", "<name>", input.observables,
                          {.help = "Formulas of the variables to integrate with the density at "
                                   "every time (not divided by the mass)."});
  declarer.real("tolerance", input.tolerance,
                {.help = "Largest error of the time evolution: sum of the absolute errors of all "
                         "cell masses."},
                {.min = 1e-13, .max = 1e-1});
  declarer.choice("method", input.method, {"auto", "chebyshev", "shift_invert", "uniformisation"},
                  {.help = "chebyshev: series, where detailed balance holds; shift_invert: Krylov "
                           "space of the resolvent, for long times; uniformisation: positive "
                           "series, for short times; auto: the least estimated work."});
  declarer.choice("solver", input.solver, {"auto", "direct", "iterative"},
                  {.help = "Linear systems of shift_invert: sparse factorisation, or multigrid."});
  declarer.boolean("density", input.density, {.help = "Store the density at every time."});
  if (!declarer.reading()) return;
  if (input.times.empty()) declarer.reject("times", "is empty; give at least one time");
  for (std::size_t i = 1; i < input.times.size(); ++i) {
    if (input.times[i] > input.times[i - 1]) continue;
    declarer.reject("times", fmt::format("must increase, but {:g} is followed by {:g}",
                                         input.times[i - 1], input.times[i]));
  }
}

void validate(const Problem& problem, const EvolveInput& input) {
  const models::Sde& sde = problem.sde();
  for (const auto& [name, text] : input.observables) {
    const config::Formula formula(text, sde.variables(), sde.parameters());
    spaces::require_finite(problem.grid(), std::cref(formula), place_of(text));
  }
  if (input.method == "chebyshev" && !problem.reversible()) {
    throw base::InputError(fmt::format(
        "'evolve.method' is 'chebyshev', which needs detailed balance, but {}; choose 'auto', "
        "'shift_invert' or 'uniformisation'",
        problem.reversible_reason()));
  }
  for (int k = 0; k < problem.grid().dimension(); ++k) {
    if (input.method != "uniformisation" || !problem.fluxes().undiffused(k)) continue;
    if (!problem.fluxes().second_order_upwind()) continue;
    throw base::InputError("'evolve.method' is 'uniformisation', which needs rates >= 0, but "
                           "'scheme.undiffused: second_order' makes some negative; choose 'upwind' "
                           "there, or 'evolve.method: shift_invert'");
  }
  (void)initial_masses(problem, input);
}

void evolve(Problem& problem, const EvolveInput& input, io::ResultFile& file) {
  base::Log& log = problem.log();
  base::Phase phase(log, "evolution");
  const base::UniqueVec masses = initial_masses(problem, input);
  warn_if_narrow(problem, input, masses.get());
  EvolveChoice choice = choose_method(problem, input, masses.get());
  Recorder recorder(problem, input, file);
  linalg::Continuation continuation;
  OwnedState saved;
  linalg::SolverState resumed;
  if (io::Checkpoints* checkpoints = problem.checkpoints()) {
    checkpoints->restore("evolve", [&](io::CheckpointReader& reader) {
      // What is best may depend on the number of ranks; a state belongs to one method.
      choice = choice_of(reader.numbers("choice"));
      recorder.restore(reader.numbers("records"));
      saved = load_state(reader, problem.grid(), "solver");
      resumed = saved.view();
      continuation.from = &resumed;
    });
    continuation.step = [&, checkpoints](const std::function<linalg::SolverState()>& state) {
      checkpoints->step("evolve", [&](io::CheckpointWriter& writer) {
        writer.numbers("choice", numbers_of(choice));
        writer.numbers("records", recorder.numbers());
        save_state(writer, problem.grid(), "solver", state());
      });
    };
  }
  log.line(fmt::format("    {}: {}", choice.method, choice.reason));
  const auto finish = [&](const std::string& problem_text, const io::Attributes& facts) {
    write(input, recorder.records(), file);
    io::Attributes all{
        {"method", choice.method},
        {"reason", choice.reason},
        {"symmetrised", static_cast<std::int64_t>(choice.symmetrised)},
        {"tolerance", input.tolerance},
        {"reached", static_cast<std::int64_t>(recorder.records().size())},
        {"verdict", std::string(problem_text.empty() ? "converged" : "not converged")}};
    if (!problem_text.empty()) all.push_back({"problem", problem_text});
    all.insert(all.end(), facts.begin(), facts.end());
    file.annotate("/evolve", all);
    print(log, input, recorder.records());
    judge(problem, choice, recorder.records());
  };
  try {
    const linalg::ExponentialReport report = propagate(
        problem, input, choice, masses.get(),
        [&](std::size_t index, Vec state, double error) { recorder.add(index, state, error); },
        continuation);
    phase.finish(report.solves > 0
                     ? fmt::format("{} times, {} solves, {} factorisations, {}", input.times.size(),
                                   report.solves, report.factorisations, report.solver)
                     : fmt::format("{} times, {} products, {}", input.times.size(), report.products,
                                   report.solver));
    finish("", {{"solver", report.solver},
                {"products", report.products},
                {"solves", report.solves},
                {"factorisations", report.factorisations},
                {"inner_iterations", report.iterations},
                {"krylov_spaces", report.spaces}});
  } catch (const base::ConvergenceError& error) {
    phase.finish("not converged");
    finish(error.what(), {});
    throw;
  }
}

} // namespace komori::analyses
