#include "analyses/transitions.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "analyses/solver_checkpoints.hpp"
#include "analyses/stationary.hpp"
#include "analyses/transition_system.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::check;
using config::Formula;
using config::FormulaText;

std::string key_of(const FormulaText& text) {
  return fmt::format("{}: '{}'", text.origin.text(), text.path);
}

/// 1 on the cells whose centre fulfils the formula, 0 elsewhere.
base::UniqueVec members(const TransitionSystem& system, const FormulaText& text) {
  if (!text.given()) return system.grid.vector();
  const Formula formula(text, system.variables, system.constants);
  const auto holds = [&](std::span<const double> x) { return formula(x) != 0 ? 1.0 : 0.0; };
  if (!system.sampled) spaces::require_finite(system.grid, std::cref(formula), key_of(text));
  base::UniqueVec set = system.sampled ? system.sampled(holds) : system.grid.sampled(holds);
  if (base::sum(set.get()) == 0 && system.grid.axis(0).name() == "state") {
    throw base::InputError(
        fmt::format("{} holds for none of the {} states, which are numbered from "
                    "0 to {}",
                    key_of(text), system.grid.cells(), system.grid.cells() - 1));
  }
  if (base::sum(set.get()) == 0) {
    throw base::InputError(fmt::format("{} holds for no cell of the grid; widen the condition or "
                                       "refine the grid",
                                       key_of(text)));
  }
  return set;
}

/// The linear systems of the section, one after the other; those already solved by an earlier run
/// come from its checkpoint.
class Stages {
public:
  explicit Stages(const TransitionSystem& system)
      : grid_(system.grid), checkpoints_(system.checkpoints) {
    if (!checkpoints_) return;
    checkpoints_->restore("transitions", [&](io::CheckpointReader& reader) {
      saved_ = load_state(reader, grid_, "solved");
    });
  }

  /// u is the next solution, and what comes back its residual.
  double run(Vec u, const std::function<double()>& solve) {
    if (next_ < saved_.vectors.size()) {
      check(VecCopy(saved_.vectors[next_].get(), u));
      return saved_.numbers.at(next_++);
    }
    const double residual = solve();
    if (!checkpoints_) return residual;
    ++next_;
    saved_.numbers.push_back(residual);
    saved_.vectors.push_back(base::duplicate(u));
    check(VecCopy(u, saved_.vectors.back().get()));
    checkpoints_->step("transitions", [&](io::CheckpointWriter& writer) {
      save_state(writer, grid_, "solved", saved_.view());
    });
    return residual;
  }

private:
  const spaces::Grid& grid_;
  io::Checkpoints* checkpoints_;
  OwnedState saved_;
  std::size_t next_ = 0;
};

/// Solves G u = f outside the set `fixed` (1 inside, 0 outside) with u given inside it.
class Interior {
public:
  Interior(const TransitionSystem& system, Vec fixed, const TransitionsInput& input)
      : matrix_(system.entries()), tolerance_(input.tolerance) {
    std::vector<PetscInt> numbers;
    {
      const base::ReadArray inside(fixed);
      for (std::size_t i = 0; i < inside.size(); ++i) {
        if (inside[i] == 0) numbers.push_back(system.grid.first() + static_cast<PetscInt>(i));
      }
    }
    check(ISCreateGeneral(system.grid.comm(), static_cast<PetscInt>(numbers.size()), numbers.data(),
                          PETSC_COPY_VALUES, cells_.put()));
    check(
        MatCreateSubMatrix(matrix_, cells_.get(), cells_.get(), MAT_INITIAL_MATRIX, inner_.put()));
    check(MatCreateVecs(inner_.get(), solution_.put(), right_side_.put()));
    const bool direct = input.solver == "direct" ||
                        (input.solver == "auto" && system.preferred == linalg::Method::direct);
    method_ = direct ? linalg::Method::direct : linalg::Method::iterative;
  }

  /// u holds its fixed values on entry, the solution on return; returns the relative residual.
  double solve(Vec u, Vec f) {
    check(VecISSet(u, cells_.get(), 0));
    const base::UniqueVec g = base::duplicate(u);
    check(MatMult(matrix_, u, g.get()));
    check(VecAYPX(g.get(), -1, f));
    check(VecISCopy(g.get(), cells_.get(), SCATTER_REVERSE, right_side_.get()));
    solver().solve(right_side_.get(), solution_.get());
    check(VecISCopy(u, cells_.get(), SCATTER_FORWARD, solution_.get()));
    return residual(false);
  }

  /// Likewise for G^T m = 0 outside the set.
  double solve_transposed(Vec m) {
    check(VecISSet(m, cells_.get(), 0));
    const base::UniqueVec g = base::duplicate(m);
    check(MatMultTranspose(matrix_, m, g.get()));
    check(VecScale(g.get(), -1));
    check(VecISCopy(g.get(), cells_.get(), SCATTER_REVERSE, right_side_.get()));
    solver().solve_transposed(right_side_.get(), solution_.get());
    check(VecISCopy(m, cells_.get(), SCATTER_FORWARD, solution_.get()));
    return residual(true);
  }

private:
  linalg::LinearSolver& solver() {
    if (!solver_) {
      solver_ = std::make_unique<linalg::LinearSolver>(inner_.get(), linalg::Kind::general, method_,
                                                       tolerance_, "transitions_");
    }
    return *solver_;
  }
  double residual(bool transposed) {
    const base::UniqueVec r = base::duplicate(right_side_.get());
    check(transposed ? MatMultTranspose(inner_.get(), solution_.get(), r.get())
                     : MatMult(inner_.get(), solution_.get(), r.get()));
    check(VecAXPY(r.get(), -1, right_side_.get()));
    const double scale = base::norm2(right_side_.get());
    return scale > 0 ? base::norm2(r.get()) / scale : base::norm2(r.get());
  }

  Mat matrix_;
  double tolerance_;
  linalg::Method method_ = linalg::Method::direct;
  base::UniqueIs cells_;
  base::UniqueMat inner_;
  base::UniqueVec solution_;
  base::UniqueVec right_side_;
  std::unique_ptr<linalg::LinearSolver> solver_;
};

/// Time to reach the target set or a wall: mean and standard deviation, G t = -1, G s = -2 t (plus
/// one step in discrete time).
void passage_times(const TransitionSystem& system, const TransitionsInput& input, Vec target,
                   Stages& stages, Transitions& result) {
  Interior interior(system, target, input);
  result.mean_time = system.grid.vector();
  result.time_deviation = system.grid.vector();
  const Vec mean = result.mean_time.get();
  const Vec second = result.time_deviation.get();
  const base::UniqueVec f = system.grid.vector();
  check(VecSet(f.get(), -1));
  result.residual = stages.run(mean, [&] { return interior.solve(mean, f.get()); });
  check(VecCopy(mean, f.get()));
  check(VecScale(f.get(), -2));
  check(VecShift(f.get(), system.step));
  result.residual = std::max(result.residual,
                             stages.run(second, [&] { return interior.solve(second, f.get()); }));
  const base::ReadArray m(mean);
  const base::WriteArray s(second);
  for (std::size_t i = 0; i < m.size(); ++i) s[i] = std::sqrt(std::max(s[i] - m[i] * m[i], 0.0));
}

/// Committors, reactive flux and rates between A and B.
void committors(const TransitionSystem& system, const TransitionsInput& input, Vec a, Vec b,
                Stages& stages, Transitions& result) {
  const spaces::Grid& grid = system.grid;
  const base::UniqueVec both = base::duplicate(a);
  check(VecWAXPY(both.get(), 1, a, b));
  Interior interior(system, both.get(), input);
  result.forward = base::duplicate(b);
  const Vec forward = result.forward.get();
  const base::UniqueVec zero = grid.vector();
  check(VecCopy(b, forward));
  result.residual = std::max(
      result.residual, stages.run(forward, [&] { return interior.solve(forward, zero.get()); }));
  if (system.absorbing) return; // no stationary ensemble of reactive paths

  const base::UniqueVec equilibrium = system.stationary_density();
  const base::UniqueVec masses = base::duplicate(a);
  check(VecPointwiseMult(masses.get(), equilibrium.get(), system.volumes));
  result.backward = base::duplicate(a); // masses times the backward committor, until the end
  const Vec backward = result.backward.get();
  if (system.reversible) {
    const base::ReadArray q(forward);
    const base::ReadArray m(masses.get());
    const base::WriteArray value(backward);
    for (std::size_t i = 0; i < q.size(); ++i) value[i] = m[i] * (1 - q[i]);
  } else {
    check(VecPointwiseMult(backward, masses.get(), a));
    result.residual = std::max(
        result.residual, stages.run(backward, [&] { return interior.solve_transposed(backward); }));
  }
  const double share_from_a = base::sum(backward);
  // Flux out of A: sum over i in A of m_i (G q)_i; into B: what G^T carries there.
  const base::UniqueVec change = base::duplicate(a);
  check(MatMult(system.products(), forward, change.get()));
  check(VecPointwiseMult(change.get(), change.get(), masses.get()));
  result.flux = base::dot(change.get(), a);
  check(MatMultTranspose(system.products(), backward, change.get()));
  result.flux_into_target = base::dot(change.get(), b);
  result.rate = result.flux / share_from_a;
  result.rate_backward = result.flux / (1 - share_from_a);

  result.reactive_density = base::duplicate(a);
  const Vec reactive = result.reactive_density.get();
  check(VecPointwiseMult(reactive, backward, forward));
  result.reactive_probability = base::sum(reactive);
  result.mean_path_time = result.reactive_probability / result.flux;
  check(VecPointwiseDivide(reactive, reactive, system.volumes));
  const base::ReadArray m(masses.get());
  const base::ReadArray in_a(a);
  const base::WriteArray q(backward);
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = m[i] > 0 ? q[i] / m[i] : in_a[i];
}

/// Puts what the section found into the file and on the terminal.
class Report {
public:
  Report(const TransitionSystem& system, const TransitionsInput& input, io::ResultFile& file)
      : system_(system), input_(input), file_(file) {}

  void field(const std::string& name, Vec values, const std::string& meaning,
             const std::string& unit) {
    if (values == nullptr) return;
    {
      const base::ReadArray entries(values);
      file_.write("/transitions/" + name, entries.span(), system_.grid.slab(),
                  {{"meaning", meaning}, {"unit", unit}});
    }
    if (input_.points.empty()) return;
    std::vector<double> at_points;
    for (const std::vector<double>& point : input_.points) {
      at_points.push_back(system_.grid.interpolate(values, point));
      rows_.push_back({fmt::format("{} at {}", name, spaces::place_text(system_.grid, point)),
                       fmt::format("{:.12g}", at_points.back())});
    }
    file_.write_small(
        "/transitions/points/" + name, at_points, {at_points.size()},
        {{"meaning", meaning + ", interpolated at the points asked for"}, {"unit", unit}});
  }
  void number(const std::string& name, double value) {
    facts_.push_back({name, value});
    rows_.push_back({name, fmt::format("{:.12g}", value)});
  }
  void finish() {
    file_.annotate("/transitions", facts_);
    if (!input_.points.empty()) {
      std::vector<double> flat;
      for (const auto& point : input_.points) flat.insert(flat.end(), point.begin(), point.end());
      file_.write_small("/transitions/points/places", flat,
                        {input_.points.size(), input_.points.front().size()},
                        {{"meaning", "points asked for, one per row"}, {"unit", "variables"}});
    }
    system_.log.table("Transitions", {"quantity", "value"}, rows_);
  }

private:
  const TransitionSystem& system_;
  const TransitionsInput& input_;
  io::ResultFile& file_;
  io::Attributes facts_;
  std::vector<std::vector<std::string>> rows_;
};

TransitionSystem description_of(const Problem& problem) {
  return {.log = problem.log(),
          .grid = problem.grid(),
          .volumes = problem.volumes(),
          .checkpoints = problem.checkpoints(),
          .absorbing = problem.absorbing(),
          .reversible = problem.reversible(),
          .preferred = problem.preferred_method(),
          .variables = problem.sde().variables(),
          .constants = problem.sde().parameters()};
}

TransitionSystem system_of(Problem& problem) {
  TransitionSystem system = description_of(problem);
  system.products = [&problem] { return problem.generator().matrix.get(); };
  system.entries = [&problem] { return problem.generator_entries(); };
  system.stationary_density = [&problem] {
    StationaryInput how;
    how.current = false;
    return std::move(stationary_density(problem, how).density);
  };
  return system;
}

} // namespace

void declare(config::Declarer& declarer, TransitionsInput& input) {
  declarer.formula("from", input.from,
                   {.help = "Condition for the start set A, e.g. x < -0.7, at cell centres."});
  declarer.formula("to", input.to,
                   {.help = "Condition for the target set B; may be left out where walls absorb."});
  declarer.real_rows("points", input.points,
                     {.help = "Points at which passage times and committors are reported.",
                      .unit = "of the variables"});
  declarer.choice("solver", input.solver, {"auto", "direct", "iterative"},
                  {.help = "direct: sparse LU; iterative: GMRES with multigrid."});
  declarer.real("tolerance", input.tolerance,
                {.help = "Relative residual of the iterative solver."},
                {.min = 1e-15, .max = 1e-2});
}

void validate(const TransitionSystem& system, const TransitionsInput& input) {
  if (!input.to.given() && !system.absorbing) {
    throw base::InputError("'transitions' needs 'to' (the target set), or a grid with an absorbing "
                           "wall; add e.g. 'to: x > 0.7'");
  }
  const base::UniqueVec a = members(system, input.from);
  const base::UniqueVec b = members(system, input.to);
  if (base::dot(a.get(), b.get()) > 0) {
    throw base::InputError(fmt::format("{} and {} share cells; the two sets must not overlap",
                                       key_of(input.from), key_of(input.to)));
  }
  if (base::sum(b.get()) >= system.grid.cells()) {
    throw base::InputError(fmt::format("{} holds for every cell of the grid", key_of(input.to)));
  }
  if (system.sampled && !input.points.empty()) {
    throw base::InputError("'transitions.points' are for grids, not for the boxes of a cover; "
                           "remove them");
  }
  const base::UniqueVec field = system.grid.vector();
  for (const std::vector<double>& point : input.points) {
    if (static_cast<int>(point.size()) != system.grid.dimension()) {
      throw base::InputError(fmt::format("'transitions.points' has a point of {} numbers, but the "
                                         "model has {} variables",
                                         point.size(), system.grid.dimension()));
    }
    system.grid.interpolate(field.get(), point);
  }
}

Transitions compute_transitions(const TransitionSystem& system, const TransitionsInput& input) {
  Transitions result;
  const base::UniqueVec a = members(system, input.from);
  const base::UniqueVec b = members(system, input.to);
  Stages stages(system);
  passage_times(system, input, b.get(), stages, result);
  if (input.from.given() && input.to.given()) {
    committors(system, input, a.get(), b.get(), stages, result);
  }
  return result;
}

void transitions(const TransitionSystem& system, const TransitionsInput& input,
                 io::ResultFile& file) {
  base::Phase phase(system.log, "transitions");
  const Transitions found = compute_transitions(system, input);
  phase.finish("sets are unions of cells");
  Report report(system, input, file);
  report.field("mean_first_passage_time", found.mean_time.get(),
               "mean time until the set 'to' or an absorbing wall is first reached", "time");
  report.field("first_passage_time_deviation", found.time_deviation.get(),
               "standard deviation of the first passage time", "time");
  report.field("committor_forward", found.forward.get(), "probability to reach B before A", "-");
  report.field("committor_backward", found.backward.get(), "probability to have come from A last",
               "-");
  report.field("reactive_density", found.reactive_density.get(),
               "probability density of being on the way from A to B", "1/volume");
  if (found.backward) {
    report.number("flux", found.flux);
    report.number("flux_into_target", found.flux_into_target);
    report.number("rate", found.rate);
    report.number("rate_backward", found.rate_backward);
    report.number("reactive_probability", found.reactive_probability);
    report.number("mean_transition_path_time", found.mean_path_time);
  }
  report.number("relative_residual", found.residual);
  report.finish();
}

void validate(const Problem& problem, const TransitionsInput& input) {
  validate(description_of(problem), input);
}

Transitions compute_transitions(Problem& problem, const TransitionsInput& input) {
  return compute_transitions(system_of(problem), input);
}

void transitions(Problem& problem, const TransitionsInput& input, io::ResultFile& file) {
  transitions(system_of(problem), input, file);
}

} // namespace komori::analyses
