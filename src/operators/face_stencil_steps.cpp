/// Recurrences with face stencils, a line of cells at a time.
#include <algorithm>
#include <deque>
#include <tuple>

#include "operators/face_stencil.hpp"

namespace komori::operators {
namespace {

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// What a step needs on a line of cells, arrays beginning at its first cell; axis `outer` is the
/// line's own.
struct Line {
  std::size_t outer = 0;
  std::array<const double*, spaces::max_dimension> up{};
  std::array<const double*, spaces::max_dimension> down{};
  std::array<const double*, spaces::max_dimension> above{}; ///< neighbours; not for the own axis
  std::array<const double*, spaces::max_dimension> below{};
  const double* diagonal = nullptr;
  const double* own = nullptr;
  linalg::ThreeTerms terms;
};

/// The value after the one in `next`, at a cell whose neighbours on the line are given.
[[gnu::always_inline]] inline double stepped(const Line& line, std::size_t outer, std::size_t j,
                                             double lower, double upper, double next) {
  double sum =
      line.diagonal[j] * line.own[j] - line.up[outer][j] * upper - line.down[outer][j] * lower;
  for (std::size_t k = 0; k < outer; ++k) {
    sum -= line.up[k][j] * line.above[k][j] + line.down[k][j] * line.below[k][j];
  }
  return line.terms.current * line.own[j] + line.terms.product * sum + line.terms.previous * next;
}

template <std::size_t outer>
[[gnu::always_inline]] inline void step_between(const Line& given, double* __restrict next,
                                                std::size_t begin, std::size_t end) {
  const Line line = given; // so that its pointers can stay in registers
  for (std::size_t j = begin; j < end; ++j) {
    next[j] = stepped(line, outer, j, line.own[j - 1], line.own[j + 1], next[j]);
  }
}

/// Cells within a line, by the widest vectors of the processor whose arithmetic is the same.
#ifdef __x86_64__
[[gnu::target_clones("avx2", "default")]]
#endif
void step_inside(const Line& line, double* __restrict next, std::size_t begin, std::size_t end) {
  switch (line.outer) {
  case 0:
    return step_between<0>(line, next, begin, end);
  case 1:
    return step_between<1>(line, next, begin, end);
  case 2:
    return step_between<2>(line, next, begin, end);
  case 3:
    return step_between<3>(line, next, begin, end);
  case 4:
    return step_between<4>(line, next, begin, end);
  default:
    return step_between<5>(line, next, begin, end);
  }
}

#ifdef __x86_64__
[[gnu::target_clones("avx2", "default")]]
#endif
void add(double* __restrict sum, double weight, const double* x, std::size_t begin,
         std::size_t end) {
  for (std::size_t j = begin; j < end; ++j) sum[j] += weight * x[j];
}

#ifdef __x86_64__
[[gnu::target_clones("avx2", "default")]]
#endif
void add(double* __restrict sum, double first, const double* x, double second, const double* y,
         std::size_t begin, std::size_t end) {
  for (std::size_t j = begin; j < end; ++j) sum[j] = sum[j] + first * x[j] + second * y[j];
}

} // namespace

/// Steps under way.
struct FaceStencil::Recurring {
  struct Sum {
    double* entries = nullptr;
    std::array<double, linalg::most_steps> weights{};
  };
  /// x_(k+1) over x_(k-1) in `next`, from x_k in `current`.
  double* next = nullptr;
  double* current = nullptr;
  linalg::ThreeTerms terms;
  bool transposed = false;
  const std::vector<Sum>* sums = nullptr; ///< to be added to; null: later
  bool second = false;                    ///< sums take both steps
};

void FaceStencil::step(const Recurring& of, const Run& run, Part part) const {
  if (part.begin >= part.end) return;
  const std::size_t n = run.cells;
  const int last = grid_.dimension() - 1;
  Line line;
  line.outer = at(last);
  for (int k = 0; k <= last; ++k) {
    std::tie(line.up[at(k)], line.down[at(k)]) = coefficients(run, k, of.transposed);
  }
  line.above = run.above;
  line.below = run.below;
  line.diagonal = diagonal_.data() + run.first;
  line.own = of.current + run.first;
  line.terms = of.terms;
  line.terms.product *= sign_;
  double* const next = of.next + run.first;
  const double* const before = ghosts_.beyond(last, 0);
  const double* const after = ghosts_.beyond(last, 1);
  // The ends of a line find their neighbours elsewhere.
  const double lowest = before ? before[run.line] : 0;
  const double highest = after ? after[run.line] : 0;
  if (part.begin == 0) {
    next[0] = stepped(line, line.outer, 0, lowest, n > 1 ? line.own[1] : highest, next[0]);
  }
  step_inside(line, next, std::max<std::size_t>(part.begin, 1), std::min(part.end, n - 1));
  if (part.end == n && n > 1) {
    next[n - 1] = stepped(line, line.outer, n - 1, line.own[n - 2], highest, next[n - 1]);
  }
  if (of.sums == nullptr) return;
  for (const Recurring::Sum& sum : *of.sums) {
    double* const entries = sum.entries + run.first;
    if (of.second) { // `own` is the first of the two
      add(entries, sum.weights[0], line.own, sum.weights[1], next, part.begin, part.end);
    } else {
      add(entries, sum.weights[0], next, part.begin, part.end);
    }
  }
}

FaceStencil::Part FaceStencil::inner_part(const Run& run) const {
  if (run.needs_ghosts) return {};
  const int last = grid_.dimension() - 1;
  const std::size_t begin = ghosts_.beyond(last, 0) != nullptr ? 1 : 0;
  const std::size_t end = run.cells - (ghosts_.beyond(last, 1) != nullptr ? 1 : 0);
  return {begin, std::max(begin, end)};
}

/// The cells that need ghosts.
void FaceStencil::border(const Recurring& of) const {
  for (Run run = first_run(); run.cells > 0; go_on(run)) {
    locate(run, of.current);
    const Part inner = inner_part(run);
    if (inner.begin >= inner.end) {
      step(of, run, {0, run.cells});
    } else {
      step(of, run, {0, inner.begin});
      step(of, run, {inner.end, run.cells});
    }
  }
}

void FaceStencil::one_step(const Recurring& of) {
  ghosts_.begin(of.current);
  for (Run run = first_run(); run.cells > 0; go_on(run)) {
    locate(run, of.current);
    step(of, run, inner_part(run));
  }
  ghosts_.end();
  border(of);
}

void FaceStencil::two_steps(const Recurring& of) {
  Recurring first = of;
  first.sums = nullptr;
  Recurring second = of;
  std::swap(second.current, second.next);
  second.second = true;
  ghosts_.begin(first.current);
  ghosts_.end();
  border(first);
  ghosts_.begin(first.next); // sends what is final and will not change
  // A cell's second step needs the first one of all its neighbours, the farthest of which lie one
  // layer of axis 0 ahead; and no first step still to be taken needs the value it overwrites.
  const std::size_t ahead = grid_.dimension() == 1 || diagonal_.empty()
                                ? 0
                                : static_cast<std::size_t>(stride_[0]) / first_run().cells;
  Run behind = first_run();
  for (Run run = first_run(); run.cells > 0; go_on(run)) {
    locate(run, first.current);
    step(first, run, inner_part(run));
    if (run.line < ahead) continue;
    locate(behind, second.current);
    step(second, behind, inner_part(behind));
    go_on(behind);
  }
  for (; behind.cells > 0; go_on(behind)) {
    locate(behind, second.current);
    step(second, behind, inner_part(behind));
  }
  ghosts_.end();
  border(second);
}

void FaceStencil::advance(const linalg::RecurrenceSteps& steps, bool transposed) {
  const base::WriteArray previous(steps.previous);
  const base::WriteArray current(steps.current);
  std::deque<base::WriteArray> arrays;
  std::vector<Recurring::Sum> sums;
  for (const linalg::RunningSum& running : steps.sums) {
    sums.push_back({arrays.emplace_back(running.sum).span().data(), running.weights});
  }
  const Recurring of{.next = previous.span().data(),
                     .current = current.span().data(),
                     .terms = steps.terms,
                     .transposed = transposed,
                     .sums = &sums};
  if (steps.steps == 1) {
    one_step(of);
  } else {
    two_steps(of);
  }
}

} // namespace komori::operators
