/// Ulam's matrix on the boxes of a cover.
#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "base/signals.hpp"
#include "operators/box_images.hpp"
#include "operators/cover.hpp"
#include "operators/csr.hpp"
#include "operators/key_range.hpp"
#include "operators/ulam_done.hpp"

namespace komori::operators {
namespace {

/// A row by the keys of the boxes it leads to: the ranks that own those know the positions.
struct KeyedRow {
  bool known = false; ///< an earlier run has done it
  double lost = 0;    ///< sum over samples of what lies off the axes
  std::vector<std::pair<std::int64_t, double>> shares{};
};

/// Makes rows in the order of boxes, and moves them to positions when all ranks do.
class Assembly {
public:
  Assembly(const models::Step& map, const Cover& cover, const spaces::Grid& grid,
           const CoverInput& input, const UlamContinuation& continuation)
      : map_(map), cover_(cover), grid_(grid), continuation_(continuation),
        images_(map, cover.tree, input),
        known_({grid, grid}, continuation.from ? *continuation.from : UlamRowsDone{}),
        builder_(grid.first(), grid.local_cells(), 4),
        largest_cut_(continuation.from ? continuation.from->largest_cut : 0) {}

  TransferMatrix make(const std::function<void(double)>& progress) {
    std::string problem;
    base::StopRounds rounds(
        grid_.comm(), [this] { pause(); }, continuation_.seconds);
    constexpr std::size_t between_reports = 64; // boxes
    for (std::size_t i = 0; i < cover_.keys.size(); ++i) {
      KeyedRow row{.known = known_.has(static_cast<PetscInt>(i))};
      if (!row.known) {
        rounds.look();
        if (progress && i % between_reports == 0) {
          progress(static_cast<double>(i) / static_cast<double>(cover_.keys.size()));
        }
        row.lost = images_.spread(cover_.keys[i], problem);
        if (!problem.empty()) break;
        row.shares = images_.shares();
        ++computed_;
      }
      waiting_.push_back(std::move(row));
    }
    rounds.finish();
    throw_first(grid_.comm(), problem);
    settle();
    return finished();
  }

private:
  /// Rows that wait come to their places in the matrix. Collective.
  void settle() {
    std::vector<std::int64_t> wanted;
    std::size_t settled = 0;
    for (const KeyedRow& row : waiting_) {
      for (const auto& entry : row.shares) wanted.push_back(entry.first);
      if (wanted.size() < settled + most_at_once) continue;
      sort_unique(wanted);
      settled = wanted.size();
    }
    sort_unique(wanted);
    const std::vector<std::int64_t> found = positions(grid_.comm(), cover_.keys, wanted);
    for (const KeyedRow& row : waiting_) {
      double leak = 0;
      if (row.known) {
        known_.take(static_cast<PetscInt>(leaks_.size()), builder_, leak);
      } else {
        leak = add(row, wanted, found);
      }
      builder_.end_row();
      leaks_.push_back(leak);
    }
    waiting_.clear();
  }

  /// Adds the entries of a row, and returns what leaks of it. Local.
  double add(const KeyedRow& row, const std::vector<std::int64_t>& wanted,
             const std::vector<std::int64_t>& found) {
    double missed = 0;
    columns_.clear();
    for (const auto& [key, sum] : row.shares) {
      const auto at = std::lower_bound(wanted.begin(), wanted.end(), key) - wanted.begin();
      columns_.push_back(static_cast<PetscInt>(found[static_cast<std::size_t>(at)]));
      if (columns_.back() < 0) missed += sum;
    }
    // Noise whose tail is beyond the cover is cut there; an image there is lost.
    const double share = 1 / static_cast<double>(images_.samples());
    const double within = static_cast<double>(images_.samples()) - row.lost;
    const bool cut = map_.noisy() && missed > 0 && missed < within;
    const double weight = cut ? share * (within / (within - missed)) : share;
    for (std::size_t e = 0; e < columns_.size(); ++e) {
      if (columns_[e] >= 0) builder_.add(columns_[e], weight * row.shares[e].second);
    }
    if (cut) largest_cut_ = std::max(largest_cut_, share * missed);
    return share * (cut ? row.lost : row.lost + missed);
  }

  void pause() {
    if (!continuation_.step) {
      base::stop_if_asked(grid_.comm(), "no result was written");
      settle();
      return;
    }
    settle();
    continuation_.step(
        [this] {
          UlamRowsDone all = known_.done(builder_, leaks_);
          all.largest_cut = largest_cut_;
          return all;
        },
        computed_);
  }

  TransferMatrix finished() {
    TransferMatrix result;
    result.leak = grid_.vector();
    {
      const base::WriteArray all(result.leak.get());
      std::copy(leaks_.begin(), leaks_.end(), all.span().begin());
    }
    std::array<double, 2> largest{largest_cut_, 0};
    for (const double leak : leaks_) largest[1] = std::max(largest[1], leak);
    MPI_Allreduce(MPI_IN_PLACE, largest.data(), 2, MPI_DOUBLE, MPI_MAX, grid_.comm());
    result.largest_cut = largest[0];
    result.largest_leak = largest[1];
    result.nonzeros = sum_over_ranks(grid_.comm(), builder_.nonzeros());
    result.matrix = std::move(builder_).finish(grid_.comm(), grid_.cells());
    return result;
  }

  const models::Step& map_;
  const Cover& cover_;
  const spaces::Grid& grid_;
  const UlamContinuation& continuation_;
  BoxImages images_;
  KnownRows known_;
  CsrBuilder builder_;
  std::vector<double> leaks_;     ///< of the builder's rows
  std::vector<KeyedRow> waiting_; ///< the rows after these
  std::vector<PetscInt> columns_; ///< of one row; negative: not covered
  double largest_cut_;
  std::int64_t computed_ = 0; ///< rows
};

} // namespace

TransferMatrix assemble_cover(const models::Step& map, const Cover& cover, const spaces::Grid& grid,
                              const CoverInput& input, const std::function<void(double)>& progress,
                              const UlamContinuation& continuation) {
  return Assembly(map, cover, grid, input, continuation).make(progress);
}

double entries_per_row(MPI_Comm comm, const models::Step& map, const Cover& cover,
                       const CoverInput& input) {
  constexpr std::int64_t probes = 200;
  const spaces::BoxTree tree = cover.tree.at(static_cast<int>(input.depth));
  const int deeper = tree.depth() - cover.tree.depth();
  BoxImages images(map, tree, input);
  std::array<double, 2> sums{0, 0}; // entries, rows
  const std::int64_t stride = std::max<std::int64_t>(1, cover.total / probes);
  std::string problem; // is met again, and told, when the matrix is made
  auto position = static_cast<std::int64_t>(cover.keys.size());
  MPI_Scan(MPI_IN_PLACE, &position, 1, MPI_INT64_T, MPI_SUM, comm);
  position -= static_cast<std::int64_t>(cover.keys.size());
  for (const std::int64_t key : cover.keys) {
    if (position++ % stride != 0) continue;
    images.spread(key << deeper, problem);
    sums[0] += static_cast<double>(images.shares().size());
    sums[1] += 1;
  }
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), 2, MPI_DOUBLE, MPI_SUM, comm);
  return sums[0] / std::max(1.0, sums[1]);
}

} // namespace komori::operators
