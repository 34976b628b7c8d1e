#include "analyses/layer_bins.hpp"

#include <algorithm>

namespace komori::analyses {
namespace {

constexpr std::size_t most_bins = 12;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// What lies below x, where it is known at `nodes`.
double below(double x, const std::vector<double>& nodes, const std::vector<double>& cumulative) {
  constexpr std::size_t used = 4;
  const std::size_t cells = nodes.size() - 1;
  const auto after = std::upper_bound(nodes.begin() + 1, nodes.end() - 1, x);
  const auto cell = static_cast<std::size_t>(after - nodes.begin()) - 1;
  const std::size_t count = std::min(used, nodes.size());
  const std::size_t first = std::min(cell - std::min<std::size_t>(cell, 1), cells + 1 - count);
  double sum = 0;
  for (std::size_t i = first; i < first + count; ++i) {
    double factor = 1;
    for (std::size_t j = first; j < first + count; ++j) {
      if (j != i) factor *= (x - nodes[j]) / (nodes[i] - nodes[j]);
    }
    sum += factor * cumulative[i];
  }
  // No cell has a negative part.
  const auto [low, high] = std::minmax(cumulative[cell], cumulative[cell + 1]);
  return std::clamp(sum, low, high);
}

} // namespace

std::vector<double> bin_edges(const operators::LayerSpace& space, int k) {
  std::vector<double> cells = space.edges(k);
  if (cells.size() == 2) { // a single cell: between the edges of its points
    const spaces::Axis& axis = space.grid().axis(k);
    cells.clear();
    for (PetscInt i = 0; i <= axis.cells(); ++i) cells.push_back(axis.edge(i));
  }
  const std::size_t pairs = std::max<std::size_t>(1, (cells.size() - 1) / 2);
  const std::size_t bins = std::min(most_bins, pairs);
  std::vector<double> edges;
  for (std::size_t b = 0; b < bins; ++b) edges.push_back(cells[2 * (b * pairs / bins)]);
  edges.push_back(cells.back());
  return edges;
}

std::vector<double> bin_masses(const operators::LayerSpace& space, Vec density, int k,
                               std::span<const double> edges) {
  const spaces::Axis& axis = space.grid().axis(k);
  const auto cells = static_cast<std::size_t>(axis.cells());
  std::vector<double> masses(cells, 0.0);
  {
    const base::ReadArray values(density);
    const base::ReadArray weights(space.weights());
    space.grid().for_each_cell([&](PetscInt local, const spaces::Index& index) {
      const auto i = static_cast<std::size_t>(local);
      masses[static_cast<std::size_t>(index[at(k)])] += weights[i] * values[i];
    });
  }
  MPI_Allreduce(MPI_IN_PLACE, masses.data(), static_cast<int>(cells), MPI_DOUBLE, MPI_SUM,
                space.grid().comm());
  std::vector<double> nodes{axis.edge(0)};
  std::vector<double> cumulative{0};
  for (std::size_t i = 0; i < cells; ++i) {
    nodes.push_back(axis.edge(static_cast<PetscInt>(i) + 1));
    cumulative.push_back(cumulative.back() + masses[i]);
  }
  std::vector<double> probabilities;
  for (std::size_t b = 0; b + 1 < edges.size(); ++b) {
    probabilities.push_back(below(edges[b + 1], nodes, cumulative) -
                            below(edges[b], nodes, cumulative));
  }
  return probabilities;
}

} // namespace komori::analyses
