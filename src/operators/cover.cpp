#include "operators/cover.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "operators/box_images.hpp"
#include "operators/csr.hpp"
#include "operators/key_range.hpp"
#include "operators/row_sum.hpp"

namespace komori::operators {
namespace {

std::int64_t sum_over(MPI_Comm comm, std::int64_t count) {
  MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPI_INT64_T, MPI_SUM, comm);
  return count;
}

/// Throws the problem of the lowest box that has one. Collective.
void throw_first(MPI_Comm comm, const std::string& problem) {
  const std::string first = base::first_text(comm, problem); // ranks hold keys in ascending order
  if (!first.empty()) throw base::InputError(first);
}

/// All boxes within the axes that images of these boxes lie in, each once; images off the axes are
/// left out. Local but for errors.
std::vector<std::int64_t> targets_of(MPI_Comm comm, BoxImages& images,
                                     const std::vector<std::int64_t>& boxes) {
  constexpr std::size_t most_at_once = std::size_t{1} << 22;
  std::vector<std::int64_t> targets;
  std::size_t settled = 0;
  std::string problem;
  for (const std::int64_t box : boxes) {
    images.find(box, problem);
    if (!problem.empty()) break;
    for (const std::int64_t target : images.targets()) {
      if (target >= 0) targets.push_back(target);
    }
    if (targets.size() < settled + most_at_once) continue;
    sort_unique(targets);
    settled = targets.size();
  }
  throw_first(comm, problem);
  sort_unique(targets);
  return targets;
}

/// What has been asked of this rank by all, each once.
std::vector<std::int64_t> merged(const std::vector<std::vector<std::int64_t>>& lists) {
  std::vector<std::int64_t> keys;
  for (const std::vector<std::int64_t>& list : lists) {
    keys.insert(keys.end(), list.begin(), list.end());
  }
  sort_unique(keys);
  return keys;
}

void require_few(std::int64_t total, int depth, const CoverInput& input) {
  if (total <= input.most) return;
  throw base::InputError(fmt::format("'cover' has {} boxes at depth {}, but 'cover.most' allows "
                                     "{}; lower 'cover.depth', or raise 'cover.most'",
                                     total, depth, input.most));
}

/// One bisection of all boxes, and the boxes that images of the halves lie in. Dellnitz and Hohmann
/// keep of those only what is a half itself. That is right for images of whole boxes, but those of
/// points lie in other boxes at every depth: a half that points just miss would be lost for good,
/// and with it what it leads to, until nothing is left. All that is hit has the same limit (what
/// has a past within the axes), and mends such holes.
std::vector<std::int64_t> bisected(MPI_Comm comm, const models::Step& map,
                                   const spaces::BoxTree& tree, const CoverInput& input,
                                   const std::vector<std::int64_t>& parents) {
  std::vector<std::int64_t> halves;
  halves.reserve(2 * parents.size());
  for (const std::int64_t parent : parents) {
    halves.push_back(2 * parent);
    halves.push_back(2 * parent + 1);
  }
  BoxImages images(map, tree, input);
  const std::vector<std::int64_t> targets = targets_of(comm, images, halves);
  const KeyRanges ranges(comm, halves);
  return merged(send_lists(comm, ranges.by_owner(targets)));
}

/// Adds the boxes that images reach until none is missing; returns how many.
std::int64_t close(MPI_Comm comm, const models::Step& map, const CoverInput& input, Cover& cover) {
  BoxImages images(map, cover.tree, input);
  std::vector<std::int64_t> fresh = cover.keys;
  const std::int64_t before = sum_over(comm, static_cast<std::int64_t>(fresh.size()));
  std::int64_t total = before;
  while (sum_over(comm, static_cast<std::int64_t>(fresh.size())) > 0) {
    // The new boxes lie where they were missed, often on one rank.
    const std::vector<std::int64_t> targets = targets_of(comm, images, balanced(comm, fresh));
    const KeyRanges ranges(comm, cover.keys);
    const std::vector<std::int64_t> reached = merged(send_lists(comm, ranges.by_owner(targets)));
    fresh.clear();
    std::set_difference(reached.begin(), reached.end(), cover.keys.begin(), cover.keys.end(),
                        std::back_inserter(fresh));
    std::vector<std::int64_t> all;
    std::merge(cover.keys.begin(), cover.keys.end(), fresh.begin(), fresh.end(),
               std::back_inserter(all));
    cover.keys = std::move(all);
    total = sum_over(comm, static_cast<std::int64_t>(cover.keys.size()));
    require_few(total, cover.tree.depth(), input);
  }
  return total - before;
}

/// Boxes that images of twice as many points per axis reach, and that are not in the cover.
std::int64_t missed(MPI_Comm comm, const models::Step& map, const CoverInput& input,
                    const Cover& cover) {
  CoverInput finer = input;
  finer.samples *= 2;
  BoxImages images(map, cover.tree, finer);
  const std::vector<std::int64_t> targets = targets_of(comm, images, balanced(comm, cover.keys));
  const KeyRanges ranges(comm, cover.keys);
  const std::vector<std::int64_t> reached = merged(send_lists(comm, ranges.by_owner(targets)));
  std::vector<std::int64_t> fresh;
  std::set_difference(reached.begin(), reached.end(), cover.keys.begin(), cover.keys.end(),
                      std::back_inserter(fresh));
  return sum_over(comm, static_cast<std::int64_t>(fresh.size()));
}

} // namespace

void declare(config::Declarer& declarer, CoverInput& input) {
  using config::Need;
  using config::Range;
  declarer.integer("depth", input.depth,
                   {.help = "Bisections in all, one coordinate after the other, of the cells of "
                            "'grid' (often one per axis).",
                    .need = Need::required},
                   Range::between(1, spaces::BoxTree::most_bits));
  declarer.integer("samples", input.samples, {.help = "Points per box along each axis."},
                   Range::between(1, 10000));
  declarer.choice("rule", input.rule, {"midpoint", "random"},
                  {.help = "Points at the middles of equal parts, or at random."});
  declarer.integer("seed", input.seed, {.help = "Of random points."}, Range::at_least(0));
  declarer.choice("outside", input.outside, {"error", "leak"},
                  {.help =
                       "What happens where a box that is kept leads off the axes: an error that "
                       "names the place, or the probability is lost. It is always lost beyond "
                       "a wall that is absorbing."});
  declarer.integer("most", input.most, {.help = "Boxes that may be kept; more are an error."},
                   Range::between(1, 2'000'000'000));
}

void validate(const models::Step& map, const std::vector<spaces::Axis>& axes,
              const CoverInput& input) {
  const spaces::BoxTree tree(axes, static_cast<int>(input.depth)); // throws where it does not fit
  if (map.noisy() || map.random()) {
    throw base::InputError(
        fmt::format("'cover' is for maps and flows without noise, whose "
                    "attractors are thin; use 'ulam' on the grid, or remove {}",
                    map.noisy() ? "'model.noise'" : "'model.diffusion' (or 'noise')"));
  }
  if (std::pow(static_cast<double>(input.samples), tree.dimension()) > 1e6) {
    throw base::InputError(fmt::format("'cover.samples' is {}, which makes {}^{} points per box; "
                                       "the most is 1e6",
                                       input.samples, input.samples, tree.dimension()));
  }
}

Cover build_cover(MPI_Comm comm, const models::Step& map, const std::vector<spaces::Axis>& axes,
                  const CoverInput& input, base::Log& log) {
  Cover cover{.tree = spaces::BoxTree(axes, 0)};
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const std::int64_t roots = cover.tree.roots();
  require_few(roots, 0, input);
  const auto start = [&](std::int64_t r) { return roots / ranks * r + std::min(r, roots % ranks); };
  for (std::int64_t key = start(rank); key < start(rank + 1); ++key) cover.keys.push_back(key);
  cover.counts = {roots};
  for (int depth = 1; depth <= input.depth; ++depth) {
    cover.tree = spaces::BoxTree(axes, depth);
    cover.keys = balanced(comm, bisected(comm, map, cover.tree, input, cover.keys));
    cover.counts.push_back(sum_over(comm, static_cast<std::int64_t>(cover.keys.size())));
    if (cover.counts.back() == 0) {
      throw base::InputError(fmt::format("'cover' keeps no box at depth {}: all images lie off the "
                                         "axes; widen 'grid'",
                                         depth));
    }
    require_few(cover.counts.back(), depth, input);
    log.progress(static_cast<double>(depth) / static_cast<double>(input.depth),
                 fmt::format("{} boxes", cover.counts.back()));
  }
  cover.added = close(comm, map, input, cover);
  cover.total = sum_over(comm, static_cast<std::int64_t>(cover.keys.size()));
  cover.missed = missed(comm, map, input, cover);
  return cover;
}

spaces::Grid grid_of(MPI_Comm comm, Cover& cover) {
  std::vector<double> edges;
  edges.reserve(static_cast<std::size_t>(cover.total) + 1);
  for (std::int64_t i = 0; i <= cover.total; ++i) edges.push_back(static_cast<double>(i) - 0.5);
  spaces::Grid grid(comm, {spaces::Axis("box", std::move(edges), spaces::Boundary::reflecting,
                                        spaces::Boundary::reflecting)});
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(ranks));
  const std::int64_t first = grid.first();
  MPI_Allgather(&first, 1, MPI_INT64_T, offsets.data(), 1, MPI_INT64_T, comm);
  cover.keys = redistributed(comm, cover.keys, offsets);
  return grid;
}

TransferMatrix assemble_cover(const models::Step& map, const Cover& cover, const spaces::Grid& grid,
                              const CoverInput& input) {
  MPI_Comm comm = grid.comm();
  BoxImages images(map, cover.tree, input);
  // Rows by keys of targets first: the ranks that own those know the positions.
  std::vector<std::vector<std::pair<std::int64_t, double>>> rows;
  std::vector<double> lost;
  std::vector<std::int64_t> wanted;
  RowSum row;
  std::string problem;
  const double share = 1 / static_cast<double>(images.samples());
  for (const std::int64_t box : cover.keys) {
    images.find(box, problem);
    row.clear();
    double missed = 0;
    for (std::size_t s = 0; s < images.targets().size() && problem.empty(); ++s) {
      const std::int64_t target = images.targets()[s];
      if (target >= 0) {
        row.add(target, 1);
        continue;
      }
      missed += 1;
      problem = images.outside_problem(box, s);
    }
    if (!problem.empty()) break;
    rows.push_back(row.entries());
    lost.push_back(missed);
    for (const auto& entry : row.entries()) wanted.push_back(entry.first);
  }
  throw_first(comm, problem);
  sort_unique(wanted);
  const std::vector<std::int64_t> found = positions(comm, cover.keys, wanted);
  TransferMatrix result;
  result.leak = grid.vector();
  CsrBuilder builder(grid.first(), grid.local_cells(), 4);
  {
    const base::WriteArray leaks(result.leak.get());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      double missed = lost[i];
      for (const auto& [key, count] : rows[i]) {
        const auto at = std::lower_bound(wanted.begin(), wanted.end(), key) - wanted.begin();
        const std::int64_t column = found[static_cast<std::size_t>(at)];
        if (column >= 0) {
          builder.add(static_cast<PetscInt>(column), share * count);
        } else {
          missed += count;
        }
      }
      builder.end_row();
      leaks[i] = share * missed;
      result.largest_leak = std::max(result.largest_leak, leaks[i]);
    }
  }
  result.nonzeros = sum_over(comm, builder.nonzeros());
  MPI_Allreduce(MPI_IN_PLACE, &result.largest_leak, 1, MPI_DOUBLE, MPI_MAX, comm);
  result.matrix = std::move(builder).finish(comm, grid.cells());
  return result;
}

} // namespace komori::operators
