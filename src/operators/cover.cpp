#include "operators/cover.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "operators/box_images.hpp"
#include "operators/csr.hpp"
#include "operators/key_range.hpp"
#include "operators/row_sum.hpp"

namespace komori::operators {

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
  declarer.real("tail", input.tail,
                {.help = "With 'model.noise': share of the probability that each box's images may "
                         "have beyond the boxes kept; the noise is cut there."},
                {.min = 1e-16, .max = 0.1});
  declarer.integer("most", input.most, {.help = "Boxes that may be kept; more are an error."},
                   Range::between(1, 2'000'000'000));
}

void validate(const models::Step& map, const std::vector<spaces::Axis>& axes,
              const CoverInput& input) {
  const spaces::BoxTree tree(axes, static_cast<int>(input.depth)); // throws where it does not fit
  for (int k = 0; k < tree.dimension(); ++k) {
    (void)map.noise(k, axes[static_cast<std::size_t>(k)]); // throws where it does not fit
  }
  const double points = std::pow(static_cast<double>(input.samples), tree.dimension());
  if (map.random() && std::log2(tree.all_boxes() * points) > spaces::BoxTree::most_bits) {
    throw base::InputError(fmt::format("'cover.depth' is {}, which makes {:.3g} boxes; with {:g} "
                                       "drawn paths from each, the most is {:.3g}",
                                       input.depth, tree.all_boxes(), points,
                                       std::ldexp(1 / points, spaces::BoxTree::most_bits)));
  }
  if (points > 1e6) {
    throw base::InputError(fmt::format("'cover.samples' is {}, which makes {}^{} points per box; "
                                       "the most is 1e6",
                                       input.samples, input.samples, tree.dimension()));
  }
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
  std::string problem;
  const double share = 1 / static_cast<double>(images.samples());
  std::size_t settled = 0;
  base::StopRounds rounds(comm, "no result was written");
  for (const std::int64_t box : cover.keys) {
    rounds.look();
    lost.push_back(images.spread(box, problem));
    if (!problem.empty()) break;
    rows.push_back(images.shares());
    for (const auto& entry : images.shares()) wanted.push_back(entry.first);
    if (wanted.size() < settled + most_at_once) continue;
    sort_unique(wanted);
    settled = wanted.size();
  }
  rounds.finish();
  throw_first(comm, problem);
  sort_unique(wanted);
  const std::vector<std::int64_t> found = positions(comm, cover.keys, wanted);
  TransferMatrix result;
  result.leak = grid.vector();
  CsrBuilder builder(grid.first(), grid.local_cells(), 4);
  {
    const base::WriteArray leaks(result.leak.get());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      double missed = 0;
      std::vector<PetscInt> columns;
      for (const auto& [key, sum] : rows[i]) {
        const auto at = std::lower_bound(wanted.begin(), wanted.end(), key) - wanted.begin();
        columns.push_back(static_cast<PetscInt>(found[static_cast<std::size_t>(at)]));
        if (columns.back() < 0) missed += sum;
      }
      // Noise whose tail is beyond the cover is cut there; an image there is lost.
      const double within = static_cast<double>(images.samples()) - lost[i];
      const bool cut = map.noisy() && missed > 0 && missed < within;
      const double weight = cut ? share * (within / (within - missed)) : share;
      for (std::size_t e = 0; e < columns.size(); ++e) {
        if (columns[e] >= 0) builder.add(columns[e], weight * rows[i][e].second);
      }
      builder.end_row();
      if (cut) result.largest_cut = std::max(result.largest_cut, share * missed);
      leaks[i] = share * (cut ? lost[i] : lost[i] + missed);
      result.largest_leak = std::max(result.largest_leak, leaks[i]);
    }
  }
  result.nonzeros = sum_over_ranks(comm, builder.nonzeros());
  MPI_Allreduce(MPI_IN_PLACE, &result.largest_leak, 1, MPI_DOUBLE, MPI_MAX, comm);
  MPI_Allreduce(MPI_IN_PLACE, &result.largest_cut, 1, MPI_DOUBLE, MPI_MAX, comm);
  result.matrix = std::move(builder).finish(comm, grid.cells());
  return result;
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
