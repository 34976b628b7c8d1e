#include "operators/cover.hpp"

#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "operators/key_range.hpp"

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

} // namespace komori::operators
