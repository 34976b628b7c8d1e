#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/signals.hpp"
#include "linalg/exponential.hpp"
#include "linalg/projected_exponential.hpp"

namespace komori::linalg {
namespace {

using base::check;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// gamma / time: measured to need the fewest solves at tolerances of 1e-6 to 1e-10. Oscillating
/// modes want smaller ones.
constexpr double gamma_share_symmetric = 0.1;
constexpr double gamma_share_general = 0.05;
/// Output times within this ratio share one space: gamma is then at most its root from the best.
constexpr double widest_ratio = 100;
/// A factorisation is kept while its gamma is within this factor of the best.
constexpr double gamma_slack = 4;
/// Dimensions between two states whose distance estimates the error.
constexpr std::size_t lag = 3;

/// (I - gamma M)^-1 for changing gamma.
class Resolvent {
public:
  Resolvent(Mat matrix, Kind kind, const ExponentialRequest& request, ExponentialReport& report)
      : matrix_(matrix), kind_(kind), request_(request), report_(report) {}

  double gamma() const { return gamma_; }
  double accuracy() const { return accuracy_; }
  /// Keeps the factorisation at hand if its gamma is near enough to `wanted`. `accuracy` is the
  /// relative residual that new iterative solvers aim at.
  void prepare(double wanted, double accuracy) {
    if (solver_ && wanted < gamma_slack * gamma_ && gamma_ < gamma_slack * wanted) return;
    solver_.reset();
    gamma_ = wanted;
    accuracy_ = accuracy;
    if (!shifted_) {
      check(MatDuplicate(matrix_, MAT_COPY_VALUES, shifted_.put()));
    } else {
      check(MatCopy(matrix_, shifted_.get(), SAME_NONZERO_PATTERN));
    }
    const bool definite = kind_ == Kind::positive_definite;
    check(MatScale(shifted_.get(), definite ? gamma_ : -gamma_));
    check(MatShift(shifted_.get(), 1));
    if (definite) check(MatSetOption(shifted_.get(), MAT_SPD, PETSC_TRUE));
    solver_ = std::make_unique<LinearSolver>(shifted_.get(), kind_, request_.method, accuracy,
                                             request_.prefix);
    ++report_.factorisations;
  }
  /// x = (I - gamma M)^-1 b, refined until the residual is below `target` times b or improves no
  /// more. Returns its size. Sizes are norms in which the semigroup does not grow: 1-norm, or
  /// 2-norm for symmetric matrices.
  double apply(Vec b, Vec x, double target) {
    const PetscInt before = solver_->iterations();
    if (!residual_) {
      residual_ = base::duplicate(b);
      correction_ = base::duplicate(b);
    }
    solver_->solve(b, x);
    ++report_.solves;
    double size = residual(b, x);
    for (int round = 0; round < 3 && size > target * norm(b); ++round) {
      solver_->solve(residual_.get(), correction_.get());
      ++report_.solves;
      check(VecAXPY(x, 1, correction_.get()));
      const double refined = residual(b, x);
      const bool stalls = refined > 0.5 * size;
      size = refined;
      if (stalls) break;
    }
    report_.iterations += solver_->iterations() - before;
    return size;
  }

private:
  double norm(Vec x) const {
    PetscReal norm = 0;
    check(VecNorm(x, kind_ == Kind::general ? NORM_1 : NORM_2, &norm));
    return norm;
  }
  /// residual_ = b - (I - gamma M) x; its size.
  double residual(Vec b, Vec x) {
    check(MatMult(shifted_.get(), x, residual_.get()));
    check(VecAYPX(residual_.get(), -1, b));
    return norm(residual_.get());
  }

  Mat matrix_;
  Kind kind_;
  const ExponentialRequest& request_;
  ExponentialReport& report_;
  base::UniqueMat shifted_;
  base::UniqueVec residual_;
  base::UniqueVec correction_;
  std::unique_ptr<LinearSolver> solver_;
  double gamma_ = 0;
  double accuracy_ = 0;
};

/// An orthonormal Krylov basis, grown one solve at a time, and the states it holds.
class Space {
public:
  Space(Resolvent& resolvent, Vec start, bool symmetric, double target)
      : resolvent_(resolvent), start_(start), target_(target) {
    base::UniqueVec first = base::duplicate(start);
    residuals_.push_back(resolvent_.apply(start, first.get(), target_));
    check(VecAXPY(first.get(), -1, start));
    const double beta = base::norm2(first.get());
    exhausted_ = beta <= 1e-15 * base::norm2(start);
    if (!exhausted_) check(VecScale(first.get(), 1 / beta));
    basis_.push_back(std::move(first));
    small_ = std::make_unique<ProjectedExponential>(resolvent_.gamma(), beta, symmetric);
    beta_ = beta;
  }
  /// A space that was saved.
  Space(Resolvent& resolvent, Vec start, bool symmetric, StateReader& saved)
      : resolvent_(resolvent), start_(start), target_(saved.number()), beta_(saved.number()),
        dimension_(static_cast<std::size_t>(saved.count())), exhausted_(saved.count() != 0) {
    small_ = std::make_unique<ProjectedExponential>(resolvent_.gamma(), beta_, symmetric);
    residuals_ = saved.numbers(dimension_ + 1);
    for (std::size_t k = 0; k < dimension_; ++k) {
      columns_.push_back(saved.numbers(k + 2));
      small_->add_column(columns_.back());
    }
    for (std::size_t k = 0; k <= dimension_; ++k) basis_.push_back(saved.vector());
  }
  void save(SolverState& state) const {
    std::vector<double>& numbers = state.numbers;
    numbers.insert(numbers.end(),
                   {target_, beta_, static_cast<double>(dimension_), exhausted_ ? 1.0 : 0.0});
    numbers.insert(numbers.end(), residuals_.begin(), residuals_.end());
    for (const std::vector<double>& column : columns_) {
      numbers.insert(numbers.end(), column.begin(), column.end());
    }
    for (const base::UniqueVec& vector : basis_) state.vectors.push_back(vector.get());
  }

  /// Dimension of the space.
  std::size_t dimension() const { return dimension_; }
  /// The space holds the states exactly: it cannot grow.
  bool exhausted() const { return exhausted_; }

  /// Adds one dimension by modified Gram-Schmidt in blocks, twice.
  void grow() {
    const std::size_t k = dimension_;
    base::UniqueVec next = base::duplicate(start_);
    residuals_.push_back(resolvent_.apply(basis_[k].get(), next.get(), target_));
    std::vector<Vec> raw = handles(k + 1);
    std::vector<double> column(k + 2, 0.0);
    std::vector<PetscScalar> dots(k + 1);
    for (int pass = 0; pass < 2; ++pass) {
      check(VecMDot(next.get(), static_cast<PetscInt>(k + 1), raw.data(), dots.data()));
      for (std::size_t i = 0; i <= k; ++i) {
        column[i] += dots[i];
        dots[i] = -dots[i];
      }
      check(VecMAXPY(next.get(), static_cast<PetscInt>(k + 1), dots.data(), raw.data()));
    }
    column[k + 1] = base::norm2(next.get());
    double size = 0;
    for (const double entry : column) size = std::max(size, std::abs(entry));
    exhausted_ = column[k + 1] <= 1e-14 * size;
    if (!exhausted_) check(VecScale(next.get(), 1 / column[k + 1]));
    small_->add_column(column);
    columns_.push_back(std::move(column));
    basis_.push_back(std::move(next));
    ++dimension_;
  }

  /// c(time) in the space of the first `dimension` vectors.
  std::vector<double> coefficients(double time, std::size_t dimension) const {
    return small_->coefficients(time, dimension);
  }

  /// Bound of what the residuals of the solves do to the state at `time`: it obeys the equation
  /// with a defect (r_0 + sum c_k r_k) / gamma - sum c_k' r_k.
  double error_of_solves(const std::vector<double>& coefficients, double time) const {
    double sum = residuals_.front();
    for (std::size_t i = 0; i < coefficients.size(); ++i) {
      sum += std::abs(coefficients[i]) * residuals_[i + 1];
    }
    return (time / resolvent_.gamma() + 1) * sum;
  }

  /// sum_i coefficients[i] v_i, added to `into`.
  void combine(const std::vector<double>& coefficients, Vec into) const {
    std::vector<Vec> raw = handles(coefficients.size());
    check(VecMAXPY(into, static_cast<PetscInt>(raw.size()), coefficients.data(), raw.data()));
  }

private:
  std::vector<Vec> handles(std::size_t count) const {
    std::vector<Vec> raw;
    for (std::size_t i = 0; i < count; ++i) raw.push_back(basis_[i].get());
    return raw;
  }

  Resolvent& resolvent_;
  Vec start_;
  double target_;
  std::vector<base::UniqueVec> basis_;
  std::vector<double> residuals_; ///< of the solve for the first vector, and of those that follow
  std::unique_ptr<ProjectedExponential> small_;
  std::vector<std::vector<double>> columns_; ///< of the projected resolvent
  double beta_ = 0;
  std::size_t dimension_ = 0;
  bool exhausted_ = false;
};

bool finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

constexpr const char* interrupted = "the evolution is incomplete";

/// The whole evolution: Krylov spaces one after the other.
class Evolution {
public:
  Evolution(Mat matrix, Kind kind, Vec start, const ExponentialRequest& request,
            const ExponentialOutput& output, base::Log& log)
      : symmetric_(kind == Kind::positive_definite), request_(request), output_(output), log_(log),
        resolvent_(matrix, kind, request, report_), state_(base::duplicate(start)),
        work_(base::duplicate(start)) {
    check(VecCopy(start, state_.get()));
    if (request.continuation.from) saved_.emplace(*request.continuation.from);
    start_size_ = saved_ ? saved_->number() : measure(start);
    if (symmetric_ && request.weight != nullptr) {
      largest_measure_ = base::norm2(request.weight);
    } else if (symmetric_) {
      PetscInt rows = 0;
      check(VecGetSize(start, &rows));
      largest_measure_ = std::sqrt(static_cast<double>(rows));
    }
  }

  ExponentialReport run() {
    const std::vector<double>& times = request_.times;
    if (saved_) {
      load();
    } else {
      for (; next_ < times.size() && times[next_] == 0; ++next_) output_(next_, state_.get(), 0);
    }
    double& longest = longest_;
    while (next_ < times.size()) {
      const Plan plan = make_plan();
      const double share = std::max(plan.steps.back() / (times.back() - now_), 1.0 / 32);
      const double reached = advance(plan, 0.85 * share * (request_.tolerance - accumulated_));
      const double first = plan.steps.front();
      if (reached >= first) {
        longest = std::isfinite(longest) ? std::max(longest, 2 * reached) : infinity;
      } else {
        // A space made for a shorter step reaches farther than what this one still held.
        longest = reached > 0 ? first / 2 : first / 16;
      }
      if (longest < 1e-7 * times.back()) give_up();
    }
    report_.solver = fmt::format("{}, {} solves", name(),
                                 request_.method == Method::direct ? "direct" : "multigrid");
    return report_;
  }

private:
  /// Steps from now that one space shall serve: to the next output times, or one short of them.
  struct Plan {
    std::vector<double> steps;
    bool to_outputs = true;
  };

  const char* name() const { return symmetric_ ? "shift-invert Lanczos" : "shift-invert Arnoldi"; }
  MPI_Comm comm() const { return PetscObjectComm(reinterpret_cast<PetscObject>(state_.get())); }

  Plan make_plan() const {
    const std::vector<double>& times = request_.times;
    const double first = times[next_] - now_;
    const double pieces = std::ceil(first / longest_ * (1 - 1e-9));
    if (pieces > 1) return {{first / pieces}, false};
    Plan plan;
    for (std::size_t j = next_; j < times.size(); ++j) {
      const double step = times[j] - now_;
      if (j > next_ && (step > widest_ratio * first || step > longest_)) break;
      plan.steps.push_back(step);
    }
    return plan;
  }

  /// Builds a space, hands out the states it holds to within `budget`, and moves on to the last of
  /// them. Returns how far it came: 0, part of the first step, or one of the steps.
  double advance(const Plan& plan, double budget) {
    const std::vector<double>& steps = plan.steps;
    const double share = symmetric_ ? gamma_share_symmetric : gamma_share_general;
    const double gamma = share * std::sqrt(steps.front() * steps.back());
    // Each vector carries the residual of its solve for a time of steps / gamma; together they
    // shall take a tenth of the budget.
    const double target =
        std::clamp(0.02 * budget / ((steps.back() / gamma + 1) * start_size_), 1e-15, 1e-4);
    std::optional<Space> made;
    if (saved_ && saved_->count() != 0) {
      made.emplace(resolvent_, state_.get(), symmetric_, *saved_);
    } else {
      saved_.reset();
      pause(nullptr);
      resolvent_.prepare(gamma, 0.05 * target);
      made.emplace(resolvent_, state_.get(), symmetric_, target);
      ++report_.spaces;
    }
    saved_.reset();
    Space& space = *made;
    const auto most = static_cast<std::size_t>(request_.dimension);
    while (space.dimension() < most && !space.exhausted()) {
      space.grow();
      if (space.dimension() > lag) {
        double worst = estimate(space, steps.front());
        if (worst <= budget && steps.size() > 1) worst = estimate(space, steps.back());
        log_.iteration(name(), static_cast<int>(space.dimension()), static_cast<int>(next_), worst);
        if (worst <= budget) break;
      }
      pause(&space);
    }
    double reached = 0;
    double error = 0;
    double now = now_;
    for (const double step : steps) {
      const double estimated = estimate(space, step);
      if (!(estimated <= budget)) break;
      reached = step;
      now = now_ + step;
      error = estimated + form(space, step);
      if (!plan.to_outputs) break;
      now = request_.times[next_];
      require_solves(accumulated_ + error - estimated);
      output_(next_++, work_.get(), accumulated_ + error);
    }
    for (int halvings = 1; reached == 0 && halvings <= 6; ++halvings) {
      const double step = std::ldexp(steps.front(), -halvings);
      const double estimated = estimate(space, step);
      if (!(estimated <= std::ldexp(budget, -halvings))) continue;
      reached = step;
      now = now_ + step;
      error = estimated + form(space, step);
    }
    if (reached == 0) return 0;
    form(space, reached); // estimates have used work_ since
    std::swap(state_, work_);
    now_ = now;
    accumulated_ += error;
    return reached;
  }

  /// Between two steps, in the middle of a space or before one.
  void pause(const Space* space) {
    if (!request_.continuation.step) {
      base::stop_if_asked(comm(), interrupted);
      return;
    }
    request_.continuation.step([&] {
      SolverState state;
      // HDF5 and humans alike are happier with a plain number than with infinity.
      const double longest = std::isfinite(longest_) ? longest_ : 0;
      const auto number = [](auto count) { return static_cast<double>(count); };
      state.numbers = {start_size_,
                       number(next_),
                       now_,
                       accumulated_,
                       longest,
                       resolvent_.gamma(),
                       resolvent_.accuracy(),
                       number(report_.solves),
                       number(report_.factorisations),
                       number(report_.iterations),
                       number(report_.spaces),
                       space ? 1.0 : 0.0};
      state.vectors.push_back(state_.get());
      if (space) space->save(state);
      return state;
    });
  }
  /// Takes up what `pause` saved, but for the space.
  void load() {
    next_ = static_cast<std::size_t>(saved_->count());
    now_ = saved_->number();
    accumulated_ = saved_->number();
    const double longest = saved_->number();
    if (longest > 0) longest_ = longest;
    const double gamma = saved_->number();
    const double accuracy = saved_->number();
    report_.solves = saved_->count();
    report_.factorisations = saved_->count();
    report_.iterations = saved_->count();
    report_.spaces = saved_->count();
    state_ = saved_->vector();
    // The same resolvent as before, although the plan might now ask for a slightly better one.
    if (gamma > 0) resolvent_.prepare(gamma, accuracy);
  }

  /// work_ = state_ + V c(step). Returns the error that the solves leave in it.
  double form(const Space& space, double step) {
    const std::vector<double> coefficients = space.coefficients(step, space.dimension());
    check(VecCopy(state_.get(), work_.get()));
    space.combine(coefficients, work_.get());
    return largest_measure_ * space.error_of_solves(coefficients, step);
  }

  /// Distance of the state from the one of `lag` dimensions less. The error of the smaller space is
  /// about that; several dimensions between them keep a chance agreement or slow convergence from
  /// passing for accuracy.
  double estimate(const Space& space, double step) {
    const std::size_t k = space.dimension();
    const std::vector<double> now = space.coefficients(step, k);
    if (space.exhausted()) return finite(now) ? 0 : infinity;
    return k > lag ? distance(space, now, space.coefficients(step, k - lag)) : infinity;
  }

  double distance(const Space& space, std::vector<double> a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < b.size(); ++i) a[i] -= b[i];
    if (!finite(a)) return infinity;
    check(VecSet(work_.get(), 0));
    space.combine(a, work_.get());
    return measure(work_.get());
  }

  /// sum_i weight_i |x_i|. Overwrites work_.
  double measure(Vec x) {
    PetscReal norm = 0;
    if (request_.weight != nullptr) {
      check(VecPointwiseMult(work_.get(), x, request_.weight));
      x = work_.get();
    }
    check(VecNorm(x, NORM_1, &norm));
    return norm;
  }

  void require_solves(double error) const {
    if (error <= request_.tolerance) return;
    throw base::ConvergenceError(fmt::format(
        "{}: the residuals of the linear solves leave an error of {:.1e} at time {:.6g}, more than "
        "the tolerance {:.1e}; choose {}, or a larger tolerance",
        name(), error, request_.times[next_], request_.tolerance,
        request_.method == Method::direct ? "a shorter time" : "direct solves"));
  }

  [[noreturn]] void give_up() const {
    throw base::ConvergenceError(
        fmt::format("{}: not even steps of {:.1e} of the time reach the tolerance {:.1e} at time "
                    "{:.6g} (errors "
                    "so far {:.1e}); choose uniformisation or direct solves, or a larger tolerance",
                    name(), 1e-7, request_.tolerance, now_, accumulated_));
  }

  bool symmetric_;
  const ExponentialRequest& request_;
  const ExponentialOutput& output_;
  base::Log& log_;
  ExponentialReport report_;
  Resolvent resolvent_;
  base::UniqueVec state_;
  base::UniqueVec work_;
  std::optional<StateReader> saved_; ///< what is left to take up
  std::size_t next_ = 0;             ///< the first output time not reached
  double longest_ = infinity;        ///< step that the last short steps allow
  double now_ = 0;
  double start_size_ = 0;
  double largest_measure_ = 1; ///< of anything whose norm in `Resolvent::apply` is 1
  /// Error estimates of the spaces so far; the semigroup does not make them grow.
  double accumulated_ = 0;
};

} // namespace

std::int64_t shift_invert_spaces(const std::vector<double>& times) {
  std::int64_t spaces = 0;
  double now = 0;
  for (std::size_t j = 0; j < times.size(); ++spaces) {
    const double first = times[j] - now;
    std::size_t last = j;
    while (last + 1 < times.size() && times[last + 1] - now <= widest_ratio * first) ++last;
    if (times[j] == 0) --spaces;
    now = times[last];
    j = last + 1;
  }
  return spaces;
}

ExponentialReport shift_invert(Mat matrix, Kind kind, Vec start, const ExponentialRequest& request,
                               const ExponentialOutput& output, base::Log& log) {
  return Evolution(matrix, kind, start, request, output, log).run();
}

} // namespace komori::linalg
