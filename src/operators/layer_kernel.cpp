#include "operators/layer_kernel.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "spaces/gauss_rules.hpp"

namespace komori::operators {
namespace {

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

/// How wide the noise of a neuron is, as far as cells have to follow it.
double extent(const models::NeuronNoise& noise) {
  if (noise.kind() == models::NoiseKind::uniform) return 2 * noise.reach();
  return 2 * std::min(noise.sigma(), noise.reach());
}

/// The cell of y among ascending edges; y is brought within them.
PetscInt cell_of(const std::vector<double>& edges, double y) {
  const auto after = std::upper_bound(edges.begin() + 1, edges.end() - 1, y);
  return static_cast<PetscInt>(after - edges.begin()) - 1;
}

} // namespace

double least_cells(const models::NeuronNoise& noise, const models::Interval& range) {
  if (noise.none()) return 0;
  // Cells wider than the noise would blur it to their own width.
  return std::ceil((range.to - range.from) / extent(noise) * (1 - 1e-12));
}

void require_fine_enough(const models::NetworkLayer& layer, std::size_t neuron,
                         const models::Interval& range, const std::string& name, double cells,
                         int halvings, const std::string& remedy) {
  const models::NeuronNoise& noise = layer.noise_at(neuron);
  const double least = std::ldexp(least_cells(noise, range), halvings);
  if (cells >= least) return;
  const std::string coarser =
      halvings == 0 ? ""
                    : fmt::format(" (errors come from a grid with half of them, whose cells the "
                                  "noise must not fall short of either)");
  constexpr double most = 1e8; // of 'layers.cells'
  const std::string advice =
      least > most ? fmt::format("{:.3g} cells, more than any grid has: widen the noise, leave it "
                                 "out, or narrow the range",
                                 least)
                   : fmt::format("{:.0f} cells in place of {:.0f}{}: raise 'layers.cells'{}", least,
                                 cells, coarser, remedy);
  throw base::InputError(
      fmt::format("{}: the noise of {} is {:.3g} wide, less than a cell ({:.3g}); "
                  "it takes at least {}",
                  layer.name, name, extent(noise),
                  std::ldexp((range.to - range.from) / cells, halvings), advice));
}

void require_covered(const models::NetworkLayer& layer, const std::vector<models::Interval>& from,
                     const std::vector<models::Interval>& to,
                     const std::vector<std::string>& names) {
  const std::vector<models::Interval> reached = models::layer_range(layer, from);
  for (std::size_t i = 0; i < to.size(); ++i) {
    const double slack = 1e-12 * (to[i].to - to[i].from);
    if (reached[i].from >= to[i].from - slack && reached[i].to <= to[i].to + slack) continue;
    throw base::InputError(fmt::format("{}: {} reaches [{:.12g}, {:.12g}], but its range is given "
                                       "as [{:.12g}, {:.12g}]; widen it in 'layers.ranges', or "
                                       "leave it out",
                                       layer.name, names[i], reached[i].from, reached[i].to,
                                       to[i].from, to[i].to));
  }
}

LayerKernel::LayerKernel(const models::NetworkLayer& layer, const LayerSpace& from,
                         const LayerSpace& to)
    : layer_(&layer), to_(&to), image_(layer.neurons), weights_(layer.neurons) {
  std::vector<models::Interval> box;
  std::vector<models::Interval> range;
  for (int k = 0; k < from.dimension(); ++k) box.push_back(from.range(k));
  for (int k = 0; k < to.dimension(); ++k) range.push_back(to.range(k));
  require_covered(layer, box, range, to.grid().names());
  for (int k = 0; k < to.dimension(); ++k) {
    require_fine_enough(layer, at(k), to.range(k), to.grid().axis(k).name(),
                        static_cast<double>(to.edges(k).size() - 1));
  }
  constexpr std::size_t beyond = 12; // points that a Gaussian takes beside the polynomials
  const spaces::Rule rule = spaces::gauss_legendre(static_cast<std::size_t>(to.order()) + beyond);
  nodes_ = rule.nodes;
  quadrature_ = rule.weights;
  for (int k = 0; k < to.dimension(); ++k) {
    const auto points = static_cast<double>(to.points(k).size());
    const double share = 2 * layer.noise_at(at(k)).reach() / (to.range(k).to - to.range(k).from);
    most_entries_ *= std::min(points, std::ceil(share * points) + 2 * to.order());
  }
}

double LayerKernel::sum(const std::vector<AxisWeights>& weights) {
  double product = 1;
  for (const AxisWeights& axis : weights) {
    double sum = 0;
    for (const double value : axis.values) sum += value;
    product *= sum;
  }
  return product;
}

const std::vector<AxisWeights>& LayerKernel::row(std::span<const double> x, Integrand integrand) {
  models::propagate(*layer_, x, image_);
  for (int k = 0; k < to_->dimension(); ++k)
    integrate(k, image_[at(k)], integrand, weights_[at(k)]);
  return weights_;
}

void LayerKernel::integrate(int k, double image, Integrand integrand, AxisWeights& weights) const {
  const models::NeuronNoise& noise = layer_->noise_at(at(k));
  const models::Interval range = to_->range(k);
  const int order = to_->order();
  const auto clamped = [&](double y) { return std::clamp(y, range.from, range.to); };
  // With one point per cell both integrands are the same.
  if (integrand == Integrand::shares || order == 1) {
    const std::vector<double>& edges = to_->grid().axis(k).edges();
    const PetscInt first = cell_of(edges, clamped(image - noise.reach()));
    const PetscInt last = cell_of(edges, clamped(image + noise.reach()));
    weights.first = first;
    weights.values.assign(at(last - first + 1), 0.0);
    if (noise.none()) {
      weights.values[0] = 1;
      return;
    }
    for (PetscInt i = first; i <= last; ++i) {
      weights.values[at(i - first)] =
          noise.probability(edges[at(i)] - image, edges[at(i + 1)] - image);
    }
    return;
  }
  const std::vector<double>& edges = to_->edges(k);
  const double from = clamped(image - noise.reach());
  const double to = clamped(image + noise.reach());
  const PetscInt first = cell_of(edges, from);
  const PetscInt last = cell_of(edges, to);
  weights.first = first * order;
  weights.values.assign(at((last - first + 1) * order), 0.0);
  for (PetscInt cell = first; cell <= last; ++cell) {
    double* values = weights.values.data() + at((cell - first) * order);
    if (noise.none()) {
      for (int b = 0; b < order; ++b) values[b] = to_->lagrange(k, cell, b, from);
      continue;
    }
    add_cell(k, cell, image, std::max(from, edges[at(cell)]), std::min(to, edges[at(cell + 1)]),
             values);
  }
}

void LayerKernel::add_cell(int k, PetscInt cell, double image, double from, double to,
                           double* values) const {
  const models::NeuronNoise& noise = layer_->noise_at(at(k));
  if (!(to > from)) return;
  // A Gaussian is integrated in pieces of at most one sigma, where the rule is exact to rounding.
  const bool uniform = noise.kind() == models::NoiseKind::uniform;
  const int pieces = uniform ? 1 : static_cast<int>(std::ceil((to - from) / noise.sigma()));
  const double width = (to - from) / pieces;
  for (int piece = 0; piece < pieces; ++piece) {
    const double middle = from + (piece + 0.5) * width;
    for (std::size_t q = 0; q < nodes_.size(); ++q) {
      const double y = middle + 0.5 * width * nodes_[q];
      const double weight = width * quadrature_[q] * noise.density(y - image);
      for (int b = 0; b < to_->order(); ++b) values[b] += weight * to_->lagrange(k, cell, b, y);
    }
  }
}

} // namespace komori::operators
