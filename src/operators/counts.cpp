#include "operators/counts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "operators/cell_locator.hpp"

namespace komori::operators {
namespace {

using base::check;

/// A transition between cells by their natural positions.
struct Transition {
  std::int64_t from = 0;
  std::int64_t to = 0;
  bool operator==(const Transition& other) const = default;
};

struct TransitionHash {
  std::size_t operator()(const Transition& t) const {
    std::uint64_t h = static_cast<std::uint64_t>(t.from) * 0x9e3779b97f4a7c15U;
    h = (h ^ (h >> 32) ^ static_cast<std::uint64_t>(t.to)) * 0xd6e8feb86659fd93U;
    return static_cast<std::size_t>(h ^ (h >> 32));
  }
};

/// The cells of frames.
class CellFinder {
public:
  CellFinder(const TrajectorySource& source, const spaces::Grid& grid, const CountsInput& input)
      : source_(source), locator_(grid), skip_(input.outside == "skip") {}

  /// The natural position of the cell of each frame of a window; -1 where it is outside.
  const std::vector<std::int64_t>& find(const Window& window) {
    const std::size_t d = source_.dimension();
    cells_.resize(window.frames.size() / d);
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const std::span<const double> x = window.frames.subspan(i * d, d);
      cells_[i] = locator_.natural(x);
      if (cells_[i] < 0 && !skip_) refuse(window, i, x);
    }
    return cells_;
  }

private:
  [[noreturn]] void refuse(const Window& window, std::size_t i, std::span<const double> x) const {
    const int k = locator_.outside(x);
    const spaces::Axis& axis = locator_.grid().axis(k);
    throw base::InputError(fmt::format(
        "{}: {} = {:g} lies outside 'grid.{}' from {:g} to {:g}; widen it, or set 'counts.outside: "
        "skip' to leave out such frames",
        source_.place(window.piece, window.first + static_cast<std::int64_t>(i)), axis.name(),
        x[static_cast<std::size_t>(k)], axis.name(), axis.from(), axis.to()));
  }

  const TrajectorySource& source_;
  CellLocator locator_;
  bool skip_;
  std::vector<std::int64_t> cells_;
};

} // namespace

void declare(config::Declarer& declarer, CountsInput& input) {
  declarer.choice("estimator", input.estimator, {"plain", "reversible"},
                  {.help = "plain: counts divided by their row's sum; reversible: the most likely "
                           "matrix that holds detailed balance."});
  declarer.choice("outside", input.outside, {"error", "skip"},
                  {.help = "A frame outside the grid is an error that names file and row, or its "
                           "pairs are left out."});
}

BlockSamples::BlockSamples(const TrajectorySource& source, std::int64_t length, std::uint64_t seed)
    : length_(length), seed_(seed), first_{0} {
  constexpr std::int64_t most = 1'000'000; // every rank keeps how often each was drawn
  for (const Piece& piece : source.pieces()) {
    first_.push_back(first_.back() + std::max<std::int64_t>(1, piece.frames / length));
  }
  if (blocks() >= 2 && blocks() <= most) return;
  throw base::InputError(fmt::format(
      "'bootstrap.block' of {:g} cuts the trajectory into {} block{}; "
      "there must be 2 to {}",
      static_cast<double>(length) * source.dt(), blocks(), blocks() == 1 ? "" : "s", most));
}

std::int64_t BlockSamples::block(std::int64_t piece, std::int64_t frame) const {
  const auto p = static_cast<std::size_t>(piece);
  return std::min(first_[p] + frame / length_, first_[p + 1] - 1);
}

std::int64_t BlockSamples::end(std::int64_t piece, std::int64_t frame) const {
  const std::int64_t here = block(piece, frame);
  const auto p = static_cast<std::size_t>(piece);
  if (here + 1 == first_[p + 1]) return std::numeric_limits<std::int64_t>::max();
  return (here - first_[p] + 1) * length_;
}

std::vector<std::int32_t> BlockSamples::drawn(std::int64_t s) const {
  const base::Random random(seed_, static_cast<std::uint64_t>(s));
  std::vector<std::int32_t> times(static_cast<std::size_t>(blocks()), 0);
  for (std::int64_t i = 0; i < blocks(); ++i) {
    const double u = random.uniform(static_cast<std::uint64_t>(i));
    const auto b = static_cast<std::int64_t>(u * static_cast<double>(blocks()));
    ++times[static_cast<std::size_t>(std::min(b, blocks() - 1))];
  }
  return times;
}

TransitionCounts::TransitionCounts(const TrajectorySource& source, const spaces::Grid& grid,
                                   std::int64_t lag, const CountsInput& input,
                                   const BlockSamples* blocks, std::int64_t first_sample,
                                   std::int64_t samples)
    : fillings_(static_cast<std::size_t>(samples) + 1) {
  std::vector<std::vector<std::int32_t>> drawn; // by sample and block
  for (std::int64_t s = 0; s < samples; ++s) drawn.push_back(blocks->drawn(first_sample + s));
  CellFinder finder(source, grid, input);
  std::unordered_map<Transition, std::size_t, TransitionHash> slots;
  source.for_each_window(lag, [&](const Window& window) {
    const std::vector<std::int64_t>& cells = finder.find(window);
    Transition last{-1, -1};
    std::size_t slot = 0;
    for (std::int64_t i = 0; i < window.count; ++i) {
      const Transition t{cells[static_cast<std::size_t>(i)],
                         cells[static_cast<std::size_t>(i + lag)]};
      if (t.from < 0 || t.to < 0) {
        ++skipped_;
        continue;
      }
      ++pairs_;
      if (!(t == last)) { // slow systems often repeat themselves
        slot = slots.try_emplace(t, slots.size()).first->second;
        last = t;
        if (values_.size() < (slot + 1) * fillings_) values_.resize((slot + 1) * fillings_, 0);
      }
      PetscScalar* const counts = values_.data() + slot * fillings_;
      counts[0] += 1;
      if (drawn.empty()) continue;
      const auto b = static_cast<std::size_t>(blocks->block(window.piece, window.first + i));
      for (std::size_t s = 0; s < drawn.size(); ++s) counts[s + 1] += drawn[s][b];
    }
  });
  std::vector<PetscInt> rows(slots.size());
  std::vector<PetscInt> columns(slots.size());
  for (const auto& [transition, slot] : slots) {
    rows[slot] = CellLocator::number(grid, transition.from);
    columns[slot] = CellLocator::number(grid, transition.to);
  }
  check(MatCreate(grid.comm(), matrix_.put()));
  check(MatSetSizes(matrix_.get(), grid.local_cells(), grid.local_cells(), grid.cells(),
                    grid.cells()));
  check(MatSetType(matrix_.get(), MATAIJ));
  check(MatSetFromOptions(matrix_.get()));
  check(MatSetPreallocationCOO(matrix_.get(), static_cast<PetscCount>(rows.size()), rows.data(),
                               columns.data()));
  filling_.resize(slots.size());
  entries_ = static_cast<std::int64_t>(slots.size());
  MPI_Allreduce(MPI_IN_PLACE, &entries_, 1, MPI_INT64_T, MPI_MAX, grid.comm());
  MPI_Allreduce(MPI_IN_PLACE, &pairs_, 1, MPI_INT64_T, MPI_SUM, grid.comm());
  MPI_Allreduce(MPI_IN_PLACE, &skipped_, 1, MPI_INT64_T, MPI_SUM, grid.comm());
  if (pairs_ > 0) return;
  throw base::InputError("no pair of frames lies within the grid; widen 'grid'");
}

Mat TransitionCounts::filled(std::size_t k) {
  for (std::size_t slot = 0; slot < filling_.size(); ++slot) {
    filling_[slot] = values_[slot * fillings_ + k];
  }
  check(MatSetValuesCOO(matrix_.get(), filling_.data(), INSERT_VALUES));
  return matrix_.get();
}

} // namespace komori::operators
