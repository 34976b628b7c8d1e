#include <algorithm>
#include <cmath>

#include "analyses/network_sections.hpp"

namespace komori::analyses {
namespace {

constexpr double libraries = 62e6;
constexpr double bytes_of_entry = 12.5; ///< of a sparse matrix: a value, a column, a share of a row

/// Values in the two tables of a step without a matrix: nodes lie where an end of the noise can
/// meet an edge of a cell.
double table_values(const models::NetworkLayer& layer, const LayerPlan& to) {
  double nodes = 1;
  double across = 1; // all axes but the first
  for (std::size_t k = 0; k < to.cells.size(); ++k) {
    const auto cells = static_cast<double>(to.cells[k]);
    const double length = to.range[k].to - to.range[k].from;
    const double reach = layer.noise_at(k).reach();
    const double crossed = cells * std::max(0.0, 1 - 2 * reach / length);
    const double own = (reach > 0 ? 2 : 1) * crossed + 2;
    nodes *= own;
    if (k > 0) across *= own;
  }
  return nodes + static_cast<double>(to.cells[0]) * across;
}

/// Vectors that a search for singular values holds of either side, with those it hands out.
double searched_vectors(double values) {
  return std::max(3 * values, values + 20) + 2 * values + 4;
}

} // namespace

double predicted_bytes(const models::Network& network, const std::vector<LayerPlan>& plan,
                       const NetworkStudyInput& input, int ranks) {
  constexpr double smallest_search = 128; // points, below which matrices are dense
  double points = 0;
  double most_points = 0;
  double coordinates = 0; // of images, where there is no matrix
  double tables = 0;
  double nonzeros = 0;
  double most_nonzeros = 0;
  double finer = 0; // of matrices that have a copy by shares
  for (std::size_t n = 0; n < plan.size(); ++n) {
    points += plan[n].points();
    most_points = std::max(most_points, plan[n].points());
    if (n == network.depth()) continue;
    if (plan[n + 1].matrix_free) {
      coordinates += plan[n].points() * static_cast<double>(network.width(n + 1));
      tables = std::max(tables, table_values(network.layers[n], plan[n + 1]));
      continue;
    }
    const double step = predicted_nonzeros(network.layers[n], plan[n], plan[n + 1]);
    nonzeros += step;
    most_nonzeros = std::max(most_nonzeros, step);
    if (plan[n].order > 1 || plan[n + 1].order > 1) finer += step;
  }
  // The problem for errors has half the cells along every variable of the widest layers.
  std::size_t widest = 1;
  for (const LayerPlan& layer : plan) widest = std::max(widest, layer.cells.size());
  const double coarse = std::ldexp(1, -static_cast<int>(widest));
  const double coarse_matrices = coarse * coarse;
  // Weights, functions of all layers, and what a section makes of them.
  double values = (3.5 * points + coordinates + tables) * (1 + coarse);
  if (ranks > 1) values += 1.2 * tables; // messages, and nodes that several ranks need
  const bool shares = input.density || input.probability || input.monte_carlo;
  double entries = (nonzeros + (shares ? finer : 0)) * (1 + coarse_matrices);
  double section = 0;
  if (input.norms) {
    double pair = 0;
    for (std::size_t n = 0; n < network.depth(); ++n) {
      const std::size_t last = input.norms->products ? network.depth() : n + 1;
      if (std::max(plan[n].points(), plan[last].points()) <= smallest_search) continue;
      pair = std::max(pair, plan[n].points() + plan[last].points());
      pair = std::max(pair, plan[n].points() + plan[n + 1].points());
    }
    section = searched_vectors(static_cast<double>(input.norms->values)) * pair;
    entries += most_nonzeros;
  }
  if (input.projection) {
    const auto depth = static_cast<double>(network.depth());
    double rank = 0; // of projections that hold their functions
    if (input.projection->kind == "basis") rank = static_cast<double>(input.projection->rank);
    if (input.projection->kind == "linear") rank = static_cast<double>(widest) + 1;
    section = std::max(section, rank * points * (1 + coarse) + (6 * depth + 10) * most_points);
  }
  if (input.spectrum) {
    const auto n = static_cast<std::size_t>(input.spectrum->layer);
    entries += predicted_nonzeros(network.layers[n], plan[n], plan[n + 1]);
    const double vectors = 2 * static_cast<double>(input.spectrum->pairs) + 30;
    section = std::max(section, vectors * plan[n].points());
  }
  // Parts of rows that other ranks' vectors meet are held apart, and renumbered.
  const double entry = bytes_of_entry * (ranks > 1 ? 1.25 : 1);
  return libraries + (entry * entries + 8 * (values + section)) / ranks;
}

} // namespace komori::analyses
