#include "linalg/exponential.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/signals.hpp"
#include "linalg/recurrence.hpp"
#include "linalg/series_weights.hpp"

namespace komori::linalg {
namespace {

using base::check;

constexpr double unit_round_off = std::numeric_limits<double>::epsilon() / 2;

/// States summed at the same time from one Chebyshev recurrence; each is a vector of memory.
constexpr std::size_t largest_group = 8;

/// Sums several series over one sequence of vectors and hands each out when it is complete.
class Sums {
public:
  Sums(std::vector<SeriesWeights> weights, std::size_t first_index, const ExponentialOutput& output)
      : weights_(std::move(weights)), sums_(weights_.size()), first_index_(first_index),
        output_(output) {}

  std::int64_t last() const { return weights_.back().last(); }
  bool done() const { return next_ == weights_.size(); }

  /// Takes x_0; errors[j] goes out with sum j.
  void begin(Vec x, const std::vector<double>& errors) {
    for (const RunningSum& running : over(0, 1, x)) {
      check(VecAXPY(running.sum, running.weights[0], x));
    }
    finish_up_to(0, errors);
  }

  /// The sums that take part of x_k, ..., x_(k + count - 1), and how much. Vectors are laid out as
  /// `like`.
  const std::vector<RunningSum>& over(std::int64_t k, int count, Vec like) {
    running_.clear();
    for (std::size_t j = next_; j < weights_.size() && weights_[j].first < k + count; ++j) {
      if (k > weights_[j].last()) continue;
      RunningSum& running = running_.emplace_back(RunningSum{.sum = sum(j, like)});
      for (int i = 0; i < count; ++i) {
        running.weights[static_cast<std::size_t>(i)] = weights_[j].at(k + i);
      }
    }
    return running_;
  }
  /// Terms from x_k on until the next sum is complete.
  std::int64_t terms_left(std::int64_t k) const { return weights_[next_].last() - k + 1; }
  /// Hands out the sums that x_k completed.
  void finish_up_to(std::int64_t k, const std::vector<double>& errors) {
    while (!done() && weights_[next_].last() <= k) finish(errors);
  }

  /// All x from x_k on are x: completes the sums.
  void add_rest(std::int64_t k, Vec x, const std::vector<double>& errors) {
    while (!done()) {
      const SeriesWeights& series = weights_[next_];
      double rest = 0;
      for (std::int64_t i = std::max(k, series.first); i <= series.last(); ++i) {
        rest += series.at(i);
      }
      check(VecAXPY(sum(next_, x), rest, x));
      finish(errors);
    }
  }

  void save(SolverState& state) const {
    state.numbers.push_back(static_cast<double>(next_));
    for (const base::UniqueVec& sum : sums_) {
      state.numbers.push_back(sum ? 1 : 0);
      if (sum) state.vectors.push_back(sum.get());
    }
  }
  void load(StateReader& state) {
    next_ = static_cast<std::size_t>(state.count());
    for (base::UniqueVec& sum : sums_) {
      if (state.count() != 0) sum = state.vector();
    }
  }

  /// The last sum, kept as the start of what follows.
  base::UniqueVec take_last() { return std::move(sums_.back()); }

private:
  Vec sum(std::size_t j, Vec like) {
    if (!sums_[j]) {
      sums_[j] = base::duplicate(like);
      check(VecSet(sums_[j].get(), 0));
    }
    return sums_[j].get();
  }
  void finish(const std::vector<double>& errors) {
    output_(first_index_ + next_, sums_[next_].get(), errors[next_]);
    if (next_ + 1 < sums_.size()) sums_[next_] = base::UniqueVec();
    ++next_;
  }

  std::vector<SeriesWeights> weights_;
  std::vector<base::UniqueVec> sums_;
  std::vector<RunningSum> running_;
  std::size_t first_index_;
  std::size_t next_ = 0;
  const ExponentialOutput& output_;
};

/// Share of the tolerance that may be cut off a series: the cut errs twice (the rest is scaled up),
/// and half of the tolerance is left to rounding.
constexpr double cut = 0.25;

std::size_t groups_of(std::size_t times) {
  return std::max<std::size_t>(1, (times + largest_group - 1) / largest_group);
}

/// Progress and saving, every so many products.
class Pace {
public:
  Pace(MPI_Comm comm, base::Log& log, const Continuation& continuation, std::int64_t total)
      : comm_(comm), log_(log), continuation_(continuation), total_(total) {}
  /// Products until a report is due, at most `count`.
  int until_due(int count) const {
    return static_cast<int>(std::min<std::int64_t>(count, interval - done_ % interval));
  }
  /// Counts products, no more than until then; returns whether a report is due.
  bool count(int products) {
    done_ += products;
    return done_ % interval == 0;
  }
  void report(const std::function<SolverState()>& state) {
    log_.progress(static_cast<double>(done_) / static_cast<double>(std::max(total_, done_)),
                  fmt::format("product {} of {}", done_, total_));
    if (continuation_.step) {
      continuation_.step(state);
    } else {
      base::stop_if_asked(comm_, "the evolution is incomplete");
    }
  }
  std::int64_t done() const { return done_; }
  void resume_at(std::int64_t done) { done_ = done; }

private:
  static constexpr std::int64_t interval = 32;
  MPI_Comm comm_;
  base::Log& log_;
  const Continuation& continuation_;
  std::int64_t total_;
  std::int64_t done_ = 0;
};

/// Steps to take at once for x_k: none beyond a report or the end of a sum.
int steps_from(std::int64_t k, const Recurrence& recurrence, const Sums& sums, const Pace& pace) {
  const auto left = std::min<std::int64_t>(recurrence.at_once(), sums.terms_left(k));
  return pace.until_due(static_cast<int>(left));
}

MPI_Comm comm_of(Mat matrix) {
  return PetscObjectComm(reinterpret_cast<PetscObject>(matrix));
}

double norm1(Vec x) {
  PetscReal norm = 0;
  check(VecNorm(x, NORM_1, &norm));
  return norm;
}

/// The weighted measure of any error is at most this times its 2-norm.
double measure_of_2_norm(Vec start, Vec weight) {
  if (weight != nullptr) return base::norm2(weight);
  PetscInt size = 0;
  check(VecGetSize(start, &size));
  return std::sqrt(static_cast<double>(size));
}

} // namespace

std::int64_t chebyshev_products(double norm, const std::vector<double>& times, double relative) {
  std::int64_t total = 0;
  double from = 0;
  const double share = relative / static_cast<double>(groups_of(times.size()));
  for (std::size_t g = 0; g < times.size(); g += largest_group) {
    const double to = times[std::min(g + largest_group, times.size()) - 1];
    total += static_cast<std::int64_t>(bessel_length(0.5 * norm * (to - from), cut * share)) + 1;
    from = to;
  }
  return total;
}

std::int64_t uniformisation_products(double rate, const std::vector<double>& times,
                                     double relative) {
  const double z = times.empty() ? 0 : rate * times.back();
  const double tail = std::min(cut * relative, 0.5);
  return static_cast<std::int64_t>(z + std::sqrt(2 * z * std::log(2 / tail))) + 1;
}

double series_rounding(std::int64_t products) {
  return 4 * unit_round_off * std::sqrt(static_cast<double>(products) + 1);
}

ExponentialReport chebyshev(Mat matrix, double norm, Vec start, const ExponentialRequest& request,
                            const ExponentialOutput& output, base::Log& log) {
  const std::vector<double>& times = request.times;
  ExponentialReport report{.solver = "Chebyshev series"};
  std::optional<StateReader> saved;
  if (request.continuation.from) saved.emplace(*request.continuation.from);
  // Saved, because sums over another number of ranks round differently.
  const double scale =
      saved ? saved->number() : measure_of_2_norm(start, request.weight) * base::norm2(start);
  const double relative = scale > 0 ? std::min(request.tolerance / scale, 1.0) : 1.0;
  const double tail = cut * relative / static_cast<double>(groups_of(times.size()));
  const std::int64_t total = chebyshev_products(norm, times, relative);
  if (const double rounding = series_rounding(total) * scale; rounding > 0.5 * request.tolerance) {
    throw base::ConvergenceError(fmt::format(
        "Chebyshev series: rounding alone errs by about {:.1e}, more than the tolerance {:.1e}, "
        "because the start is {:.1e} times larger in the symmetrised measure than in total mass; "
        "choose shift_invert or uniformisation, or a larger tolerance",
        rounding, request.tolerance, scale));
  }

  Pace pace(comm_of(matrix), log, request.continuation, total);
  base::UniqueVec current = base::duplicate(start);
  base::UniqueVec previous = base::duplicate(start);
  const Recurrence recurrence(matrix, start);
  base::UniqueVec first = base::duplicate(start);
  check(VecCopy(start, first.get()));
  double accumulated = 0;    // errors before this group of times
  std::int64_t products = 0; // likewise
  std::size_t g = 0;
  if (saved) {
    g = static_cast<std::size_t>(saved->count());
    accumulated = saved->number();
    products = saved->count();
    pace.resume_at(saved->count());
  }
  double from = g > 0 ? times[g - 1] : 0;
  for (; g < times.size(); g += largest_group) {
    const std::size_t end = std::min(g + largest_group, times.size());
    std::vector<SeriesWeights> weights;
    std::vector<double> errors;
    for (std::size_t j = g; j < end; ++j) {
      weights.push_back(bessel_weights(0.5 * norm * (times[j] - from), tail));
      errors.push_back(accumulated + 2 * weights.back().tail * scale +
                       series_rounding(products + weights.back().last()) * scale);
    }
    const double before = accumulated;
    accumulated += 2 * weights.back().tail * scale;
    // T_0 = 1, T_1 = x, T_(k+1) = 2 x T_k - T_(k-1) at x = 1 - 2 A / norm.
    Sums sums(std::move(weights), g, output);
    std::int64_t k = 1;
    if (saved) {
      k = saved->count() + 1;
      sums.load(*saved);
      current = saved->vector();
      previous = saved->vector();
      saved.reset();
    } else {
      check(VecCopy(first.get(), current.get()));
      check(VecSet(previous.get(), 0));
      sums.begin(current.get(), errors);
    }
    while (!sums.done()) {
      // Where steps are taken together depends on k and on what was done alone: a run that goes on
      // from a saved state takes the same ones.
      const int steps = k == 1 ? 1 : steps_from(k, recurrence, sums, pace);
      const ThreeTerms terms{.product = (k == 1 ? -2 : -4) / norm,
                             .current = k == 1 ? 1.0 : 2.0,
                             .previous = k == 1 ? 0.0 : -1.0};
      recurrence.take({.terms = terms,
                       .previous = previous.get(),
                       .current = current.get(),
                       .steps = steps,
                       .sums = sums.over(k, steps, current.get())});
      if (steps == 1) std::swap(current, previous);
      k += steps;
      sums.finish_up_to(k - 1, errors);
      if (!pace.count(steps) || sums.done()) continue;
      pace.report([&] {
        SolverState state;
        state.numbers = {scale,
                         static_cast<double>(g),
                         before,
                         static_cast<double>(products),
                         static_cast<double>(pace.done()),
                         static_cast<double>(k - 1)};
        sums.save(state);
        state.vectors.push_back(current.get());
        state.vectors.push_back(previous.get());
        return state;
      });
    }
    first = sums.take_last();
    from = times[end - 1];
    products = pace.done();
  }
  report.products = pace.done();
  return report;
}

ExponentialReport uniformisation(Mat matrix, double rate, Vec start,
                                 const ExponentialRequest& request, const ExponentialOutput& output,
                                 base::Log& log) {
  const std::vector<double>& times = request.times;
  ExponentialReport report{.solver = "uniformisation"};
  std::optional<StateReader> saved;
  if (request.continuation.from) saved.emplace(*request.continuation.from);
  const double scale = saved ? saved->number() : norm1(start);
  // A quarter of the tolerance is left to the powers becoming stationary.
  const double tail = scale > 0 ? std::min(0.5 * cut * request.tolerance / scale, 0.5) : 0.5;
  std::vector<SeriesWeights> weights;
  std::vector<double> errors;
  for (const double time : times) {
    weights.push_back(poisson_weights(rate * time, tail));
    errors.push_back(2 * weights.back().tail * scale +
                     series_rounding(weights.back().last()) * scale);
  }
  Sums sums(std::move(weights), 0, output);
  const std::int64_t total = sums.last();
  if (const double rounding = series_rounding(total) * scale; rounding > 0.5 * request.tolerance) {
    throw base::ConvergenceError(
        fmt::format("uniformisation: rounding of {} products alone errs by about {:.1e}, more than "
                    "the tolerance {:.1e}; choose shift_invert, or a larger tolerance",
                    total, rounding, request.tolerance));
  }
  Pace pace(comm_of(matrix), log, request.continuation, total);
  base::UniqueVec current = base::duplicate(start);
  base::UniqueVec next = base::duplicate(start);
  std::int64_t k = 1;
  if (saved) {
    k = saved->count() + 1;
    pace.resume_at(k - 1);
    sums.load(*saved);
    current = saved->vector();
  } else {
    check(VecCopy(start, current.get()));
    sums.begin(current.get(), errors);
  }
  check(VecSet(next.get(), 0));
  const Recurrence recurrence(matrix, start);
  while (!sums.done()) {
    const int steps = steps_from(k, recurrence, sums, pace);
    recurrence.take({.terms = {.product = 1 / rate, .current = 1, .previous = 0},
                     .previous = next.get(),
                     .current = current.get(),
                     .steps = steps,
                     .sums = sums.over(k, steps, current.get())});
    if (steps == 1) std::swap(current, next);
    k += steps;
    sums.finish_up_to(k - 1, errors);
    if (!pace.count(steps) || sums.done()) continue;
    pace.report([&] {
      SolverState state{.numbers = {scale, static_cast<double>(k - 1)}};
      sums.save(state);
      state.vectors.push_back(current.get());
      return state;
    });
    // Powers do not grow in L1, so whatever follows moves by at most this.
    check(VecAXPY(next.get(), -1, current.get()));
    const double rest = norm1(next.get()) * static_cast<double>(total - k + 1);
    if (rest > 0.25 * request.tolerance) continue;
    for (double& error : errors) error += rest;
    sums.add_rest(k, current.get(), errors);
  }
  report.products = pace.done();
  return report;
}

} // namespace komori::linalg
