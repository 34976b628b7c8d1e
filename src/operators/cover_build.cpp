/// How the boxes of a cover are found.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/signals.hpp"
#include "operators/box_images.hpp"
#include "operators/cover.hpp"
#include "operators/key_range.hpp"

namespace komori::operators {
namespace {

using Keys = std::vector<std::int64_t>;
using Stage = CoverState::Stage;

/// What has been asked of this rank by all, each once.
Keys merged(const std::vector<Keys>& lists) {
  Keys keys;
  for (const Keys& list : lists) keys.insert(keys.end(), list.begin(), list.end());
  sort_unique(keys);
  return keys;
}

/// Boxes of `reached` that are not among `keys`; both ascending, of the same range. Local.
Keys beyond(const Keys& reached, const Keys& keys) {
  Keys fresh;
  std::set_difference(reached.begin(), reached.end(), keys.begin(), keys.end(),
                      std::back_inserter(fresh));
  return fresh;
}

/// Goes from state to state; every one of them can be saved.
class Builder {
public:
  Builder(MPI_Comm comm, const models::Step& map, std::vector<spaces::Axis> axes,
          const CoverInput& input, base::Log& log, const CoverContinuation& continuation)
      : comm_(comm), map_(map), axes_(std::move(axes)), input_(input), log_(log),
        continuation_(continuation) {}

  Cover build() {
    if (continuation_.from) {
      now_ = *continuation_.from;
    } else {
      begin();
    }
    while (now_.stage == Stage::bisect) bisect();
    while (now_.stage == Stage::close) close();
    if (now_.stage == Stage::count) count();
    if (continuation_.finished) continuation_.finished(now_);
    const std::int64_t total = size_of(now_.keys);
    return {.tree = tree(),
            .keys = std::move(now_.keys),
            .total = total,
            .counts = std::move(now_.counts),
            .added = total - now_.before,
            .missed = now_.missed};
  }

private:
  spaces::BoxTree tree() const { return {axes_, static_cast<int>(now_.depth)}; }
  std::int64_t size_of(const Keys& list) const {
    return sum_over_ranks(comm_, static_cast<std::int64_t>(list.size()));
  }

  void require_few(std::int64_t total) const {
    if (total <= input_.most) return;
    throw base::InputError(fmt::format("'cover' has {} boxes at depth {}, but 'cover.most' allows "
                                       "{}; lower 'cover.depth', or raise 'cover.most'",
                                       total, now_.depth, input_.most));
  }

  /// All cells of the axes.
  void begin() {
    int rank = 0;
    int ranks = 1;
    MPI_Comm_rank(comm_, &rank);
    MPI_Comm_size(comm_, &ranks);
    const std::int64_t roots = tree().roots();
    require_few(roots);
    const auto start = [&](std::int64_t r) {
      return roots / ranks * r + std::min(r, roots % ranks);
    };
    for (std::int64_t key = start(rank); key < start(rank + 1); ++key) now_.keys.push_back(key);
    now_.counts = {roots};
    halve();
  }

  /// The halves of all boxes become candidates.
  void halve() {
    Keys halves;
    halves.reserve(2 * now_.keys.size());
    for (const std::int64_t parent : now_.keys) {
      halves.push_back(2 * parent);
      halves.push_back(2 * parent + 1);
    }
    ++now_.depth;
    now_.waiting = halves;
    now_.keys = std::move(halves);
  }

  /// Keeps the boxes that images of the halves lie in. Dellnitz and Hohmann keep of those only what
  /// is a half itself. That is right for images of whole boxes, but those of points lie in other
  /// boxes at every depth: a half that points just miss would be lost for good, and with it what it
  /// leads to, until nothing is left. All that is hit has the same limit (what has a past within
  /// the axes), and mends such holes.
  void bisect() {
    now_.keys = balanced(comm_, reached(input_));
    now_.counts.push_back(size_of(now_.keys));
    if (now_.counts.back() == 0) {
      throw base::InputError(fmt::format("'cover' keeps no box at depth {}: all images lie off the "
                                         "axes; widen 'grid'",
                                         now_.depth));
    }
    require_few(now_.counts.back());
    log_.progress(static_cast<double>(now_.depth) / static_cast<double>(input_.depth),
                  fmt::format("{} boxes", now_.counts.back()));
    if (now_.depth < input_.depth) {
      halve();
      return;
    }
    now_.stage = Stage::close;
    now_.before = now_.counts.back();
    now_.waiting = now_.keys;
  }

  /// Adds the boxes that images reach.
  void close() {
    const Keys fresh = beyond(reached(input_), now_.keys);
    Keys all;
    std::merge(now_.keys.begin(), now_.keys.end(), fresh.begin(), fresh.end(),
               std::back_inserter(all));
    now_.keys = std::move(all);
    require_few(size_of(now_.keys));
    // The new boxes lie where they were missed, often on one rank.
    now_.waiting = balanced(comm_, fresh);
    if (size_of(fresh) > 0) return;
    now_.stage = Stage::count;
    now_.waiting = balanced(comm_, now_.keys);
  }

  /// Counts the boxes that images of twice as many points per axis reach, and that are not there.
  void count() {
    CoverInput finer = input_;
    finer.samples *= 2;
    now_.missed = size_of(beyond(reached(finer), now_.keys));
    now_.stage = Stage::done;
  }

  /// The boxes within the axes that images of all that waits lie in, each once, at the rank that
  /// owns their range of keys; images off the axes are left out.
  Keys reached(const CoverInput& how) {
    const spaces::BoxTree boxes = tree();
    BoxImages images(map_, boxes, how);
    std::size_t next = 0; // of those that wait
    std::string problem;
    bool more = true;
    while (more) {
      pause(next);
      work(images, next, problem);
      // The lowest box with a problem is found only after all; what is saved meanwhile has it, too.
      const bool left = problem.empty() && next < now_.waiting.size();
      more = sum_over_ranks(comm_, left ? 1 : 0) > 0;
    }
    throw_first(comm_, problem);
    const KeyRanges ranges(comm_, now_.keys);
    Keys result = merged(send_lists(comm_, ranges.by_owner(now_.found)));
    now_.found.clear();
    now_.waiting.clear();
    return result;
  }

  /// Images of boxes for a while, the same on all ranks. Local.
  void work(BoxImages& images, std::size_t& next, std::string& problem) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(continuation_.seconds);
    const std::size_t between_looks = images.samples() > 100 ? 1 : 16; // at the clock
    std::size_t settled = now_.found.size();
    while (problem.empty() && next < now_.waiting.size()) {
      images.find(now_.waiting[next], problem);
      if (!problem.empty()) break;
      ++next;
      for (const std::int64_t target : images.targets()) {
        if (target >= 0) now_.found.push_back(target);
      }
      if (now_.found.size() >= settled + most_at_once) {
        sort_unique(now_.found);
        settled = now_.found.size();
      }
      if (next % between_looks == 0 && Clock::now() >= end) break;
    }
    sort_unique(now_.found);
  }

  void pause(std::size_t next) {
    if (!continuation_.step) {
      base::stop_if_asked(comm_, "no result was written");
      return;
    }
    continuation_.step([&] {
      CoverState state = now_;
      state.waiting.erase(state.waiting.begin(),
                          state.waiting.begin() + static_cast<std::ptrdiff_t>(next));
      return state;
    });
  }

  MPI_Comm comm_;
  const models::Step& map_;
  std::vector<spaces::Axis> axes_;
  const CoverInput& input_;
  base::Log& log_;
  const CoverContinuation& continuation_;
  CoverState now_;
};

} // namespace

Cover build_cover(MPI_Comm comm, const models::Step& map, const std::vector<spaces::Axis>& axes,
                  const CoverInput& input, base::Log& log, const CoverContinuation& continuation) {
  return Builder(comm, map, axes, input, log, continuation).build();
}

} // namespace komori::operators
