#include "analyses/pruned_network.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <span>
#include <utility>

#include <Eigen/QR>

#include "analyses/network_sections.hpp"
#include "base/collective.hpp"
#include "base/error.hpp"
#include "models/network_paths.hpp"

namespace komori::analyses {
namespace {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Rows that one rank has or none of, and that are multiplied at once.
constexpr std::size_t piece = 64;

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

/// Columns, and one of ones.
Eigen::MatrixXd with_ones(const RowMatrix& x) {
  Eigen::MatrixXd design(x.rows(), x.cols() + 1);
  design.leftCols(x.cols()) = x;
  design.col(x.cols()).setOnes();
  return design;
}

/// y = slope x + offset by least squares over rows of `design`, x and a one: [outputs][inputs + 1],
/// the offset last. Of inputs that depend on each other the smallest slopes are taken.
Eigen::MatrixXd affine_fit(const Eigen::MatrixXd& design, const Eigen::MatrixXd& y) {
  // Directions that hardly vary would take large slopes, which other inputs than these suffer from.
  Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> solver;
  solver.setThreshold(1e-6);
  solver.compute(design);
  return solver.solve(y).transpose();
}

/// Puts `fit` in front of a layer: W x + b of it becomes W (slope x' + offset) + b.
void take_up(const Eigen::MatrixXd& fit, models::NetworkLayer& layer) {
  const Eigen::Map<const RowMatrix> weight(layer.weight.data(), index(layer.neurons),
                                           index(layer.inputs));
  const Eigen::Index inputs = fit.cols() - 1;
  const RowMatrix merged = weight * fit;
  for (std::size_t i = 0; i < layer.neurons; ++i) layer.bias[i] += merged(index(i), inputs);
  const RowMatrix slopes = merged.leftCols(inputs);
  layer.weight.assign(slopes.data(), slopes.data() + slopes.size());
  layer.inputs = static_cast<std::size_t>(inputs);
}

/// The largest modulus of an activation's slope.
double steepest(models::Activation activation, double slope) {
  using models::Activation;
  switch (activation) {
  case Activation::sigmoid:
    return 0.25;
  case Activation::leaky_relu:
    return std::max(1.0, std::abs(slope));
  case Activation::gelu:
    return 1.13; // Phi(z) + z phi(z) at z = sqrt(2): 1.12890
  case Activation::erf:
    return 2 * std::numbers::inv_sqrtpi;
  case Activation::identity:
  case Activation::tanh:
  case Activation::relu:
  case Activation::softplus:
    return 1;
  }
  return 1;
}

/// By how much the neurons of a layer can change where its inputs change by at most `change`.
std::vector<double> carried(const models::NetworkLayer& layer, const std::vector<double>& change) {
  std::vector<double> next(layer.neurons, 0.0);
  for (std::size_t j = 0; j < layer.neurons; ++j) {
    for (std::size_t k = 0; k < layer.inputs; ++k) {
      next[j] += std::abs(layer.weight[j * layer.inputs + k]) * change[k];
    }
    if (next[j] > 0) {
      next[j] *= layer.formula ? std::numeric_limits<double>::infinity()
                               : steepest(layer.activation_at(j), layer.slope);
    }
    if (layer.residual) next[j] += change[j];
  }
  return next;
}

/// How far neuron i of layer n can be from its affine stand-in. Infinite where a formula lies
/// before it: the range of that is only sampled.
double largest_gap(const models::Network& network, std::size_t n, std::size_t i,
                   const Eigen::MatrixXd& fit) {
  for (std::size_t k = 0; k < n; ++k) {
    if (network.layers[k].formula) return std::numeric_limits<double>::infinity();
  }
  const std::vector<models::Interval> box = models::ranges(network)[n];
  const double offset = fit(0, fit.cols() - 1);
  models::Interval gap{box[i].from - offset, box[i].to - offset};
  for (std::size_t k = 0, column = 0; k < box.size(); ++k) {
    if (k == i) continue;
    const double slope = fit(0, index(column++));
    gap.from -= std::max(slope * box[k].from, slope * box[k].to);
    gap.to -= std::min(slope * box[k].from, slope * box[k].to);
  }
  return std::max(std::abs(gap.from), std::abs(gap.to));
}

/// The total variation between the noise of a layer and the same shifted by up to `change`. Each
/// density is symmetric and falls to both sides, so the two cross half-way.
double total_variation(const models::NetworkLayer& layer, const std::vector<double>& change) {
  double alike = 1;
  for (std::size_t j = 0; j < layer.neurons; ++j) {
    if (change[j] == 0) continue;
    const models::NeuronNoise& noise = layer.noise_at(j);
    alike *= noise.none() ? 0 : 1 - noise.probability(-0.5 * change[j], 0.5 * change[j]);
  }
  return 1 - alike;
}

} // namespace

bool residual_around(const models::Network& network, std::size_t n) {
  return network.layers[n - 1].residual || network.layers[n].residual;
}

double weights_of(const models::Network& network) {
  double sum = 0;
  for (const models::NetworkLayer& layer : network.layers) {
    sum += static_cast<double>(layer.weight.size() + layer.bias.size());
  }
  return sum;
}

PrunedPaths::PrunedPaths(const LayerProblem& problem, const NetworkStudyInput& input)
    : comm_(problem.session().comm()) {
  constexpr std::int64_t most = 4096;
  const models::Network& network = problem.network();
  if (input.reduction->keep == "observable") {
    formula_.emplace(observable_formula(network, *input.observable));
  }
  count_ = static_cast<std::size_t>(problem.data() ? std::min(most, problem.data()->fitted_rows())
                                                   : most);
  inputs_.resize(count_ * network.width(0));
  std::string failed;
  try {
    models::PathSampler(network, 1, 77, problem.path_inputs()).inputs(0, count_, inputs_);
  } catch (const base::InputError& error) {
    failed = error.what();
  }
  failed = base::first_text(problem.session().comm(), failed);
  if (!failed.empty()) throw base::InputError(failed);
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm_, &rank);
  MPI_Comm_size(comm_, &ranks);
  const std::size_t pieces = (count_ + piece - 1) / piece;
  const auto begin_of = [&](int which) {
    const std::size_t before =
        pieces * static_cast<std::size_t>(which) / static_cast<std::size_t>(ranks);
    return std::min(count_, before * piece);
  };
  first_ = begin_of(rank);
  last_ = begin_of(rank + 1);
  whole_ = kept(network);
  std::vector<double> squares(whole_.size());
  for (std::size_t p = 0; p < whole_.size(); ++p) squares[p] = whole_[p] * whole_[p];
  scale_ = std::sqrt(summed(squares));
}

std::vector<double> PrunedPaths::states(const models::Network& network, std::size_t n) const {
  const models::PathSampler sampler(network, 1, 77);
  std::vector<double> x = inputs_;
  for (std::size_t k = 0; k < n; ++k) {
    std::vector<double> next(count_ * network.width(k + 1));
    sampler.step(k, 0, count_, x, next);
    x = std::move(next);
  }
  return x;
}

PrunedPaths::Layer PrunedPaths::layer(const models::Network& network, std::size_t n) const {
  Layer layer{.n = n, .width = network.width(n)};
  const std::vector<double> x = states(network, n);
  const Eigen::Map<const RowMatrix> all(x.data(), index(count_), index(layer.width));
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(with_ones(all));
  const Eigen::Index rows = std::min(all.rows(), all.cols() + 1);
  layer.factor = qr.matrixQR().topRows(rows).triangularView<Eigen::Upper>();
  layer.clean = advanced(network, 0, n, own_inputs());
  return layer;
}

Eigen::MatrixXd PrunedPaths::neuron_fit(const Layer& layer, std::size_t i) {
  const Eigen::Index rest = layer.factor.cols() - 1 - index(i);
  Eigen::MatrixXd others(layer.factor.rows(), layer.factor.cols() - 1);
  others << layer.factor.leftCols(index(i)), layer.factor.rightCols(rest);
  return affine_fit(others, layer.factor.col(index(i)));
}

double PrunedPaths::bound_without_neuron(const models::Network& network, std::size_t n,
                                         std::size_t i, const Eigen::MatrixXd& fit) const {
  if (formula_ || scale_ == 0) return std::numeric_limits<double>::infinity();
  std::vector<double> change(network.width(n), 0.0);
  change[i] = largest_gap(network, n, i, fit);
  for (std::size_t k = n; k < network.depth(); ++k) change = carried(network.layers[k], change);
  double square = 0;
  for (const double one : change) square += one * one;
  return std::sqrt(square * static_cast<double>(count_)) / scale_;
}

double PrunedPaths::law_bound_without_neuron(const models::Network& network, std::size_t n,
                                             std::size_t i, const Eigen::MatrixXd& fit) {
  std::vector<double> change(network.width(n), 0.0);
  change[i] = largest_gap(network, n, i, fit);
  if (!std::isfinite(change[i])) return 1;
  double least = 1;
  for (std::size_t k = n; k < network.depth(); ++k) {
    change = carried(network.layers[k], change);
    least = std::min(least, total_variation(network.layers[k], change));
  }
  // Beyond the ranges, which Gaussian noise can leave, the gap may be anything.
  double beyond = 0;
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t j = 0; j < network.layers[k].neurons; ++j) {
      beyond += network.layers[k].noise_at(j).lost();
    }
  }
  return std::min(1.0, least + beyond);
}

models::Network PrunedPaths::without_neuron(const models::Network& network, std::size_t n,
                                            std::size_t i, const Eigen::MatrixXd& fit) {
  const Eigen::Index width = index(network.width(n));
  // All neurons of the layer by those that stay: each by itself, the one that goes by its fit.
  Eigen::MatrixXd all = Eigen::MatrixXd::Zero(width, width);
  for (Eigen::Index k = 0; k < width; ++k) {
    if (k == index(i)) {
      all.row(k) = fit.row(0);
    } else {
      all(k, k < index(i) ? k : k - 1) = 1;
    }
  }
  models::Network smaller = network;
  take_up(all, smaller.layers[n]);
  models::NetworkLayer& layer = smaller.layers[n - 1];
  const auto row = static_cast<std::ptrdiff_t>(i);
  const auto inputs = static_cast<std::ptrdiff_t>(layer.inputs);
  layer.weight.erase(layer.weight.begin() + row * inputs,
                     layer.weight.begin() + (row + 1) * inputs);
  layer.bias.erase(layer.bias.begin() + row);
  if (layer.activation.size() > 1) layer.activation.erase(layer.activation.begin() + row);
  if (layer.noise.size() > 1) layer.noise.erase(layer.noise.begin() + row);
  if (!layer.variables.empty()) layer.variables.erase(layer.variables.begin() + row);
  --layer.neurons;
  return smaller;
}

models::Network PrunedPaths::without_layer(const models::Network& network, std::size_t n) const {
  const std::vector<double> from = states(network, n - 1);
  std::vector<double> to(count_ * network.width(n)); // noise would only blur what is fitted
  models::propagate(network.layers[n - 1], count_, from, to);
  const Eigen::Map<const RowMatrix> x(from.data(), index(count_), index(network.width(n - 1)));
  const Eigen::Map<const RowMatrix> y(to.data(), index(count_), index(network.width(n)));
  models::Network smaller = network;
  take_up(affine_fit(with_ones(x), y), smaller.layers[n]);
  smaller.layers.erase(smaller.layers.begin() + static_cast<std::ptrdiff_t>(n - 1));
  return smaller;
}

double PrunedPaths::distance(const models::Network& smaller) const {
  return distance_of(kept(smaller));
}

double PrunedPaths::distance_without(const Layer& layer, std::size_t i,
                                     const models::Network& smaller) const {
  std::vector<double> x;
  x.reserve((last_ - first_) * (layer.width - 1));
  const auto gone = static_cast<std::ptrdiff_t>(i);
  const auto width = static_cast<std::ptrdiff_t>(layer.width);
  for (auto row = layer.clean.begin(); row != layer.clean.end(); row += width) {
    x.insert(x.end(), row, row + gone);
    x.insert(x.end(), row + gone + 1, row + width);
  }
  return distance_of(kept_from(smaller, layer.n, std::move(x)));
}

double PrunedPaths::distance_of(const std::vector<double>& other) const {
  std::vector<double> squares(other.size());
  for (std::size_t p = 0; p < other.size(); ++p) squares[p] = std::pow(other[p] - whole_[p], 2);
  const double sum = summed(squares);
  return scale_ > 0 ? std::sqrt(sum) / scale_ : std::sqrt(sum);
}

double PrunedPaths::summed(const std::vector<double>& values) const {
  // By pieces of rows that do not depend on the ranks.
  std::vector<double> sums((count_ + piece - 1) / piece, 0.0);
  const std::size_t own = last_ - first_;
  const std::size_t per_row = own > 0 ? values.size() / own : 0;
  for (std::size_t p = 0; p < values.size(); ++p) {
    sums[(first_ + p / per_row) / piece] += values[p];
  }
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size()), MPI_DOUBLE, MPI_SUM,
                comm_);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

std::vector<double> PrunedPaths::kept(const models::Network& network) const {
  return kept_from(network, 0, own_inputs());
}

std::vector<double> PrunedPaths::own_inputs() const {
  const auto width = static_cast<std::ptrdiff_t>(inputs_.size() / count_);
  return {inputs_.begin() + static_cast<std::ptrdiff_t>(first_) * width,
          inputs_.begin() + static_cast<std::ptrdiff_t>(last_) * width};
}

std::vector<double> PrunedPaths::advanced(const models::Network& network, std::size_t from,
                                          std::size_t to, std::vector<double> x) const {
  const std::size_t own = last_ - first_;
  for (std::size_t k = from; k < to; ++k) {
    const std::size_t width = network.width(k);
    const std::size_t next_width = network.width(k + 1);
    std::vector<double> next(own * next_width);
    // By pieces, so that rounding does not depend on the ranks.
    for (std::size_t begin = 0; begin < own; begin += piece) {
      const std::size_t rows = std::min(piece, own - begin);
      models::propagate(network.layers[k], rows, std::span(x).subspan(begin * width, rows * width),
                        std::span(next).subspan(begin * next_width, rows * next_width));
    }
    x = std::move(next);
  }
  return x;
}

std::vector<double> PrunedPaths::kept_from(const models::Network& network, std::size_t n,
                                           std::vector<double> x) const {
  x = advanced(network, n, network.depth(), std::move(x));
  if (!formula_) return x;
  const std::size_t width = network.width(network.depth());
  std::vector<double> values;
  for (std::size_t p = 0; p < last_ - first_; ++p) {
    values.push_back((*formula_)(std::span<const double>(x.data() + p * width, width)));
  }
  return values;
}

} // namespace komori::analyses
