#include "models/ode_solver.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <petscts.h>

#include "base/error.hpp"
#include "base/petsc.hpp"

namespace komori::models {
namespace {

using base::check;
using UniqueTs = base::Handle<TS, TSDestroy>;

/// What exceeds this has no square, and is as good as infinite.
constexpr double beyond = 1e100;

std::string place_text(const std::vector<std::string>& names, std::span<const double> x,
                       std::size_t count, std::size_t i) {
  std::string text;
  for (std::size_t k = 0; k < names.size(); ++k) {
    text += fmt::format("{}{} = {:.6g}", k ? ", " : "", names[k], x[k * count + i]);
  }
  return text;
}

/// Makes the error of a step the largest of all points, not their mean, unless the user does.
void bound_every_point(const std::string& prefix) {
  const std::string key = "-" + prefix + "ts_adapt_wnormtype";
  PetscBool given = PETSC_FALSE;
  check(PetscOptionsHasName(nullptr, nullptr, key.c_str(), &given));
  if (!given) check(PetscOptionsSetValue(nullptr, key.c_str(), "infinity"));
}

} // namespace

/// The solver for lists of one length.
class OdeSolver::Lists {
public:
  Lists(const TimedFormulas& field, const std::vector<std::string>& names,
        const OdeControl& control, std::size_t count)
      : field_(field), names_(names), control_(control), count_(count) {
    const auto size = static_cast<PetscInt>(names.size() * count);
    check(VecCreateSeq(PETSC_COMM_SELF, size, state_.put()));
    check(TSCreate(PETSC_COMM_SELF, ts_.put()));
    TS ts = ts_.get();
    check(TSSetOptionsPrefix(ts, prefix()));
    check(TSSetProblemType(ts, TS_NONLINEAR));
    check(TSSetType(ts, TSRK));
    check(TSRKSetType(ts, control.type.c_str()));
    check(TSSetTolerances(ts, control.atol, nullptr, control.rtol, nullptr));
    check(TSSetMaxSteps(ts, static_cast<PetscInt>(control.most_steps)));
    check(TSSetMaxStepRejections(ts, 60)); // down to any step that has a meaning
    check(TSSetExactFinalTime(ts, TS_EXACTFINALTIME_MATCHSTEP));
    check(TSSetErrorIfStepFails(ts, PETSC_FALSE));
    check(TSSetRHSFunction(ts, nullptr, &Lists::evaluate, this));
    check(TSSetApplicationContext(ts, this));
    check(TSSetFunctionDomainError(ts, &Lists::in_domain));
    check(TSSetPreStep(ts, &Lists::before_step));
    check(TSSetPreStage(ts, &Lists::before_stage));
    check(TSSetPostStep(ts, &Lists::after_step));
    TSAdapt adapt = nullptr;
    check(TSGetAdapt(ts, &adapt));
    check(TSAdaptSetType(adapt, TSADAPTBASIC));
    bound_every_point(prefix());
    check(TSSetFromOptions(ts));
    check(TSSetSolution(ts, state_.get()));
  }

  void follow(double start, double end, std::span<const double> from, std::span<double> images) {
    TS ts = ts_.get();
    std::vector<double> begun(from.begin(), from.end()); // images may take its place
    {
      const base::WriteArray state(state_.get());
      std::copy(begun.begin(), begun.end(), state.span().begin());
    }
    constexpr double first_step = 1.0 / 16; // of the whole; a wrong one is mended at once
    undefined_ = false;
    check(TSSetTime(ts, start));
    check(TSSetMaxTime(ts, end));
    check(TSSetStepNumber(ts, 0));
    check(TSSetConvergedReason(ts, TS_CONVERGED_ITERATING));
    check(TSSetTimeStep(ts, (end - start) * first_step));
    check(TSRestartStep(ts));
    check(TSSolve(ts, state_.get()));
    TSConvergedReason reason = TS_CONVERGED_ITERATING;
    check(TSGetConvergedReason(ts, &reason));
    const base::ReadArray state(state_.get());
    if (reason != TS_CONVERGED_TIME || undefined_) {
      throw base::InputError(failure(start, end, reason, begun, state.span()));
    }
    std::copy(state.span().begin(), state.span().end(), images.begin());
  }

private:
  static PetscErrorCode evaluate(TS, PetscReal t, Vec x, Vec f, void* context) {
    return base::guarded([&] {
      auto& self = *static_cast<Lists*>(context);
      const base::ReadArray state(x);
      const base::WriteArray values(f);
      self.field_.evaluate(t, {.x = state.span(), .count = self.count_}, values.span());
      if (bounded(values.span())) return;
      self.undefined_ = true;
      // After the last stage nobody asks for the domain before norms are taken, which have to be
      // finite, and large enough for the step to be refused.
      for (double& value : values.span()) {
        if (!(std::abs(value) < beyond)) value = beyond;
      }
    });
  }
  /// A step is taken again, shorter, where the field had no value or the state none.
  static PetscErrorCode in_domain(TS ts, PetscReal, Vec x, PetscBool* accept) {
    return base::guarded([&] {
      Lists& self = of(ts);
      const base::ReadArray state(x);
      *accept = !self.undefined_ && bounded(state.span()) ? PETSC_TRUE : PETSC_FALSE;
      self.undefined_ = false;
    });
  }
  static Lists& of(TS ts) {
    Lists* self = nullptr;
    check(TSGetApplicationContext(ts, static_cast<void*>(&self)));
    return *self;
  }
  /// PETSc goes back to where a rejected step began by subtracting the step from where it led,
  /// which leaves nothing of the state where that is far away: it is kept, and put back.
  static PetscErrorCode before_step(TS ts) {
    return base::guarded([&] {
      Lists& self = of(ts);
      const base::ReadArray state(self.state_.get());
      self.step_from_.assign(state.span().begin(), state.span().end());
    });
  }
  static PetscErrorCode before_stage(TS ts, PetscReal) {
    return base::guarded([&] {
      const Lists& self = of(ts);
      const base::WriteArray state(self.state_.get());
      std::copy(self.step_from_.begin(), self.step_from_.end(), state.span().begin());
    });
  }
  /// The last stage of a step that was accepted lies where the next one begins.
  static PetscErrorCode after_step(TS ts) {
    return base::guarded([&] {
      if (of(ts).undefined_) check(TSSetConvergedReason(ts, TS_CONVERGED_USER));
    });
  }
  static bool bounded(std::span<const double> values) {
    return std::all_of(values.begin(), values.end(),
                       [](double value) { return std::abs(value) < beyond; });
  }

  std::string failure(double start, double end, TSConvergedReason reason,
                      std::span<const double> from, std::span<const double> state) {
    PetscReal t = start;
    PetscReal step = 0;
    PetscInt steps = 0;
    check(TSGetTime(ts_.get(), &t));
    check(TSGetTimeStep(ts_.get(), &step));
    check(TSGetStepNumber(ts_.get(), &steps));
    // The point to blame is the one that moves fastest for what is asked of its accuracy.
    std::vector<double> speed(state.size());
    field_.evaluate(t, {.x = state, .count = count_}, speed);
    std::size_t worst = 0;
    double highest = -1;
    bool undefined = false;
    for (std::size_t i = 0; i < count_ && !undefined; ++i) {
      for (std::size_t k = 0; k < names_.size(); ++k) {
        const double f = speed[k * count_ + i];
        const double allowed = control_.atol + control_.rtol * std::abs(state[k * count_ + i]);
        undefined = undefined || !std::isfinite(f);
        if (!undefined && std::abs(f) / allowed <= highest) continue;
        highest = std::abs(f) / allowed;
        worst = i;
        if (undefined) break;
      }
    }
    const std::string what =
        undefined ? "'model.drift' is not finite there"
        : reason == TS_CONVERGED_ITS || steps >= control_.most_steps
            ? fmt::format("'model.most_steps' ({}) are used up, the last of length {:.3g}",
                          control_.most_steps, step)
            : fmt::format("steps of length {:.3g} still fail", step);
    return fmt::format(
        "the flow cannot be followed from {} at t = {:g} beyond t = {:.6g}, where it "
        "has come to {}: {}; keep such places out of the grid, shorten 'model.lag' "
        "(until t = {:g}), or loosen 'model.rtol' ({:g}) or raise "
        "'model.most_steps' if the equation is merely stiff",
        place_text(names_, from, count_, worst), start, t, place_text(names_, state, count_, worst),
        what, end, control_.rtol);
  }

  const TimedFormulas& field_;
  const std::vector<std::string>& names_;
  const OdeControl& control_;
  std::size_t count_;
  base::UniqueVec state_;
  UniqueTs ts_;
  std::vector<double> step_from_; ///< where the step under way began
  bool undefined_ = false;        ///< the field had no value since the last look
};

OdeSolver::OdeSolver(const TimedFormulas& field, std::vector<std::string> names,
                     const OdeControl& control)
    : field_(field), names_(std::move(names)), control_(control) {
  of_size(1); // options are read, whether there will be points or not
}

OdeSolver::~OdeSolver() = default;

OdeSolver::Lists& OdeSolver::of_size(std::size_t count) {
  std::unique_ptr<Lists>& lists = lists_[count];
  if (!lists) lists = std::make_unique<Lists>(field_, names_, control_, count);
  return *lists;
}

void OdeSolver::follow(double start, double end, const spaces::Points& points,
                       std::span<double> images) {
  if (points.count == 0) return;
  of_size(points.count).follow(start, end, points.x, images);
}

} // namespace komori::models
