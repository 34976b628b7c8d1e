#include "analyses/cover_report.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace komori::analyses {

double growth(const operators::Cover& cover) {
  const int d = cover.tree.dimension();
  const int depth = cover.tree.depth();
  const int steps = std::max(1, depth / 2 / d) * d;
  if (steps > depth) return 2;
  const auto last = static_cast<double>(cover.counts.back());
  const auto first = static_cast<double>(cover.counts[static_cast<std::size_t>(depth - steps)]);
  return std::pow(last / first, 1.0 / steps);
}

double box_dimension(const operators::Cover& cover) {
  return cover.tree.dimension() * std::log2(growth(cover));
}

std::string describe(const operators::Cover& cover) {
  return fmt::format("{} of {:.4g} boxes, {} of them added to close it, {} more with twice as many "
                     "points per axis, box dimension about {:.3f}",
                     cover.total, cover.tree.all_boxes(), cover.added, cover.missed,
                     box_dimension(cover));
}

std::string missing(const operators::Cover& cover, std::int64_t samples) {
  constexpr double few = 0.05; // of the boxes: at the rim there are always some
  const double share = static_cast<double>(cover.missed) / static_cast<double>(cover.total);
  if (share <= few) return "";
  return fmt::format("cover: {0} points per box along each axis reach {1} boxes that {2} points "
                     "miss, {3:.2g} % of the {4} there are: the cover is too small; raise "
                     "'cover.samples'",
                     2 * samples, cover.missed, samples, 100 * share, cover.total);
}

void write_cover(const operators::Cover& cover, const spaces::Grid& grid, double largest_cut,
                 io::ResultFile& file) {
  const spaces::BoxTree& tree = cover.tree;
  const auto d = static_cast<std::size_t>(tree.dimension());
  std::vector<double> centres(cover.keys.size() * d);
  std::vector<double> indices(centres.size());
  for (std::size_t i = 0; i < cover.keys.size(); ++i) {
    tree.center(cover.keys[i], {centres.data() + i * d, d});
    const spaces::BoxTree::Place place = tree.place(cover.keys[i]);
    for (std::size_t k = 0; k < d; ++k) indices[i * d + k] = static_cast<double>(place[k]);
  }
  const io::Slab boxes = grid.slab();
  const io::Slab slab{.shape = {boxes.shape[0], d},
                      .start = {boxes.start[0], 0},
                      .count = {boxes.count[0], boxes.count[0] > 0 ? d : 0}};
  file.write("/cover/centres", centres, slab,
             {{"meaning", std::string("centre of every box kept, in the order of all results")},
              {"unit", std::string("of the variables")}});
  file.write("/cover/indices", indices, slab,
             {{"meaning", std::string("number of every box along each axis, from 0")},
              {"unit", std::string("-")}});
  std::vector<double> radii;
  std::vector<std::string> names;
  for (std::size_t k = 0; k < d; ++k) {
    radii.push_back(tree.width(static_cast<int>(k)) / 2);
    names.push_back(tree.axes()[k].name());
  }
  file.write_small("/cover/radii", radii, {d},
                   {{"meaning", std::string("half the width of a box along each axis")},
                    {"unit", std::string("of the variables")}});
  file.write_integers(
      "/cover/counts", cover.counts, {cover.counts.size()},
      {{"meaning", std::string("boxes kept at depth 0, 1, 2, ...")}, {"unit", std::string("-")}});
  file.annotate("/cover", {{"variables", names},
                           {"depth", std::int64_t{tree.depth()}},
                           {"boxes", cover.total},
                           {"added", cover.added},
                           {"missed", cover.missed},
                           {"largest_cut", largest_cut},
                           {"box_dimension", box_dimension(cover)}});
}

} // namespace komori::analyses
