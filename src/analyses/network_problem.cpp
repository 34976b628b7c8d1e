#include "analyses/network_problem.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "analyses/saved_layer.hpp"
#include "base/error.hpp"
#include "config/nearest.hpp"
#include "operators/layer_boxes.hpp"
#include "operators/layer_norms.hpp"

namespace komori::analyses {
namespace {

using base::InputError;

constexpr std::size_t widest_grid = 4;

PetscInt default_cells(std::size_t width) {
  constexpr std::array<PetscInt, widest_grid> cells{16, 12, 6, 4};
  return cells[width - 1];
}

/// Raises cells that were left to komori so that they follow the noise of the step that leads to
/// the layer, and so do half of them: as far as that costs little.
void follow_noise(const models::NetworkLayer& layer, LayerPlan& plan) {
  constexpr std::array<PetscInt, widest_grid> most{64, 24, 6, 4};
  double least = 0;
  for (std::size_t k = 0; k < plan.cells.size(); ++k) {
    least = std::max(least, 2 * operators::least_cells(layer.noise_at(k), plan.range[k]));
  }
  if (least > static_cast<double>(most[plan.cells.size() - 1])) return;
  for (PetscInt& cells : plan.cells) cells = std::max(cells, static_cast<PetscInt>(least));
}

/// What 'layers.cells' may be so that no cell is wider than the noise.
std::string enough_cells(const models::Network& network, const std::vector<LayerPlan>& plan) {
  std::vector<double> cells{static_cast<double>(plan[0].cells[0])};
  for (std::size_t n = 1; n < plan.size(); ++n) {
    cells.push_back(static_cast<double>(plan[n].cells[0]));
    for (std::size_t k = 0; k < plan[n].cells.size(); ++k) {
      const double least =
          operators::least_cells(network.layers[n - 1].noise_at(k), plan[n].range[k]);
      cells.back() = std::max(cells.back(), 2 * least);
    }
  }
  return fmt::format("; '[{:.0f}]' is enough for all layers", fmt::join(cells, ", "));
}

void require_narrow(const models::Network& network) {
  for (std::size_t n = 0; n <= network.depth(); ++n) {
    if (network.width(n) <= widest_grid) continue;
    throw InputError(fmt::format("layer {} of the network has {} variables, but grids are made of "
                                 "at most {}; describe wide layers by a 'dictionary' in place of "
                                 "'layers'",
                                 n, network.width(n), widest_grid));
  }
}

/// Widens ranges to all that bounded activations can reach.
void widen(const models::NetworkLayer& layer, std::vector<models::Interval>& range) {
  using models::Activation;
  for (std::size_t i = 0; i < range.size() && !layer.residual; ++i) {
    const Activation activation = layer.activation_at(i);
    const double reach = layer.noise_at(i).reach();
    const bool odd = activation == Activation::tanh || activation == Activation::erf;
    if (odd) range[i] = {-1 - reach, 1 + reach};
    if (activation == Activation::sigmoid) range[i] = {-reach, 1 + reach};
  }
}

/// Replaces ranges by those of the input; every name must be known.
void apply_ranges(const NetworkLayersInput& input, std::vector<LayerPlan>& plan) {
  std::vector<std::string> known;
  for (const LayerPlan& layer : plan) {
    known.insert(known.end(), layer.names.begin(), layer.names.end());
  }
  for (const auto& [name, range] : input.ranges) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const auto hint = config::nearest(name, known);
      throw InputError(fmt::format("{}: 'layers.ranges.{}' is not a variable of the network.{} "
                                   "Variables: {}",
                                   input.origin.text(), name,
                                   hint ? fmt::format(" Did you mean '{}'?", *hint) : "",
                                   fmt::join(known, ", ")));
    }
    for (LayerPlan& layer : plan) {
      for (std::size_t k = 0; k < layer.names.size(); ++k) {
        if (layer.names[k] == name) layer.range[k] = {range[0], range[1]};
      }
    }
  }
}

/// Entries of one row of the matrix of a step.
double row_entries(const models::NetworkLayer& layer, const LayerPlan& to) {
  double row = 1;
  for (std::size_t k = 0; k < to.cells.size(); ++k) {
    const double points = static_cast<double>(to.cells[k]) * to.order;
    const double share = 2 * layer.noise_at(k).reach() / (to.range[k].to - to.range[k].from);
    row *= std::min(points, std::ceil(share * points) + to.order);
  }
  return row;
}

/// Means over boxes take two values per variable and point, and tables of at most twice as many
/// nodes as cells per variable; matrices that have more entries per row by far lose.
void choose_matrices(const models::Network& network, const NetworkLayersInput& input,
                     const std::string& matrix, std::vector<LayerPlan>& plan) {
  constexpr double worth = 8;
  for (std::size_t n = 0; n < network.depth(); ++n) {
    const models::NetworkLayer& layer = network.layers[n];
    LayerPlan& to = plan[n + 1];
    const bool can = to.order == 1 &&
                     std::all_of(layer.noise.begin(), layer.noise.end(), operators::noise_of_boxes);
    if (matrix == "matrix_free" && !can) {
      throw InputError(
          fmt::format("{}: 'operator' is matrix_free, but {} cannot be applied so: that "
                      "takes uniform noise (or none) and 'layers.order: 1'; write "
                      "'operator: auto'",
                      input.origin.text().empty() ? "operator" : input.origin.text(), layer.name));
    }
    const double terms = std::pow(2.0, static_cast<double>(to.cells.size()));
    to.matrix_free = matrix == "matrix_free" ||
                     (matrix == "auto" && can && row_entries(layer, to) > worth * terms);
  }
}

} // namespace

double LayerPlan::points() const {
  double points = 1;
  for (const PetscInt count : cells) points *= static_cast<double>(count) * order;
  return points;
}

std::vector<LayerPlan> plan_layers(const models::Network& network, const NetworkLayersInput& input,
                                   const std::string& matrix) {
  require_narrow(network);
  const std::size_t layers = network.depth() + 1;
  if (input.cells.size() > 1 && input.cells.size() != layers) {
    throw InputError(fmt::format("{}: 'layers.cells' has {} numbers, but the network has {} layers "
                                 "with its inputs; give one for all, or one per layer",
                                 input.origin.text(), input.cells.size(), layers));
  }
  std::vector<LayerPlan> plan;
  for (std::size_t n = 0; n < layers; ++n) {
    const std::size_t width = network.width(n);
    LayerPlan layer{.names = network.variables(n), .range = {}, .cells = {}, .order = 1};
    const PetscInt cells =
        input.cells.empty() ? default_cells(width)
                            : static_cast<PetscInt>(input.cells[input.cells.size() == 1 ? 0 : n]);
    layer.cells.assign(width, cells);
    const int automatic = width == 1 ? 8 : input.cells.empty() ? 4 : 1;
    layer.order = input.order > 0 ? static_cast<int>(input.order) : automatic;
    plan.push_back(std::move(layer));
  }
  // Ranges that are given hold for the layers after them too.
  for (std::size_t n = 0; n < layers; ++n) {
    if (n == 0) {
      for (const models::InputVariable& variable : network.input) {
        plan[0].range.push_back(variable.range);
      }
    } else {
      plan[n].range = models::layer_range(network.layers[n - 1], plan[n - 1].range);
      if (input.bounds == "activation") widen(network.layers[n - 1], plan[n].range);
      for (models::Interval& range : plan[n].range) {
        // A constant neuron without noise has a range of no width.
        const double least = 1e-9 * std::max(1.0, std::abs(range.from));
        if (range.to - range.from < least) range = {range.from - least, range.to + least};
      }
    }
    std::vector<LayerPlan> one{plan[n]};
    NetworkLayersInput own = input;
    std::erase_if(own.ranges, [&](const auto& given) {
      return std::find(plan[n].names.begin(), plan[n].names.end(), given.first) ==
             plan[n].names.end();
    });
    apply_ranges(own, one);
    if (n > 0) {
      operators::require_covered(network.layers[n - 1], plan[n - 1].range, one[0].range,
                                 plan[n].names);
    }
    plan[n] = std::move(one[0]);
  }
  apply_ranges(input, plan); // for names that are no variable
  for (std::size_t n = 0; n < network.depth(); ++n) {
    if (input.cells.empty()) follow_noise(network.layers[n], plan[n + 1]);
  }
  for (std::size_t n = 0; n < network.depth(); ++n) {
    for (std::size_t k = 0; k < plan[n + 1].cells.size(); ++k) {
      const PetscInt cells = plan[n + 1].cells[k];
      operators::require_fine_enough(network.layers[n], k, plan[n + 1].range[k],
                                     plan[n + 1].names[k], static_cast<double>(cells),
                                     cells > 1 ? 1 : 0, enough_cells(network, plan));
    }
  }
  choose_matrices(network, input, matrix, plan);
  return plan;
}

LayerPlan repeated_plan(const models::NetworkLayer& layer, const NetworkLayersInput& input,
                        LayerPlan plan) {
  plan.range = models::invariant_range(layer, plan.range);
  if (input.cells.empty()) follow_noise(layer, plan);
  return plan;
}

std::vector<LayerPlan> coarser(std::vector<LayerPlan> plan) {
  for (LayerPlan& layer : plan) {
    const PetscInt most = *std::max_element(layer.cells.begin(), layer.cells.end());
    for (PetscInt& cells : layer.cells) cells = std::max<PetscInt>(1, cells / 2);
    if (most == 1) layer.order = std::max(1, layer.order / 2);
  }
  return plan;
}

std::int64_t balanced_paths(const operators::NetworkData* data, std::int64_t samples) {
  return data ? data->whole_passes(samples) : samples;
}

double predicted_nonzeros(const models::NetworkLayer& layer, const LayerPlan& from,
                          const LayerPlan& to) {
  return row_entries(layer, to) * from.points();
}

double predicted_nonzeros(const models::Network& network, const std::vector<LayerPlan>& plan) {
  double sum = 0;
  for (std::size_t n = 0; n < network.depth(); ++n) {
    if (!plan[n + 1].matrix_free)
      sum += predicted_nonzeros(network.layers[n], plan[n], plan[n + 1]);
  }
  return sum;
}

NetworkProblem::NetworkProblem(base::Session& session, const models::Network& network,
                               const operators::NetworkData* data,
                               const std::vector<LayerPlan>& plan, io::Checkpoints& checkpoints,
                               std::string name)
    : LayerProblem(session, network, data), name_(std::move(name)) {
  use(&checkpoints);
  for (const LayerPlan& layer : plan) {
    spaces_.push_back(std::make_shared<operators::LayerSpace>(
        session.comm(), layer.names, layer.range, layer.cells, layer.order));
    alike_ = alike_ && layer.order == 1;
  }
  for (std::size_t n = 1; n < plan.size(); ++n) matrix_free_.push_back(plan[n].matrix_free);
  chain_ = assemble(operators::Integrand::polynomials, name_);
}

operators::LayerChain NetworkProblem::assemble(operators::Integrand integrand,
                                               const std::string& name) {
  const auto scratch = operators::make_box_scratch();
  operators::LayerChain chain;
  chain.comm = session().comm();
  for (const auto& space : spaces_) {
    chain.weights.push_back(base::UniqueVec::share(space->weights()));
  }
  for (int n = 0; n < depth(); ++n) {
    const auto step = static_cast<std::size_t>(n);
    operators::LayerMatrix layer =
        matrix_free_[step]
            ? operators::box_layer(network().layers[step], space(n), space(n + 1), scratch)
            : saved_layer(session(), *checkpoints(), fmt::format("{} {}", name, n),
                          network().layers[step], spaces_[step], spaces_[step + 1], integrand);
    nonzeros_ += layer.nonzeros;
    largest_leak_ = std::max(largest_leak_, layer.largest_leak);
    chain.steps.push_back(std::move(layer.matrix));
  }
  return chain;
}

base::UniqueVec NetworkProblem::observable(const NetworkObservableInput& input) const {
  const config::Formula formula = observable_formula(network(), input);
  return space(depth()).sampled([&](std::span<const double> y) { return formula(y); });
}

std::vector<base::UniqueVec> NetworkProblem::outputs() const {
  std::vector<base::UniqueVec> all;
  for (std::size_t k = 0; k < network().width(static_cast<std::size_t>(depth())); ++k) {
    all.push_back(space(depth()).sampled([&](std::span<const double> y) { return y[k]; }));
  }
  return all;
}

base::UniqueVec NetworkProblem::initial(const std::optional<NetworkDensityInput>& input) const {
  return initial_density(*this, input);
}

std::vector<double> NetworkProblem::losses(int n, const std::vector<Vec>& functions,
                                           const std::function<void(double share)>& look) const {
  const int neurons = space(n).dimension();
  std::vector<double> losses(static_cast<std::size_t>(neurons), 0.0);
  for (int neuron = 0; neuron < neurons; ++neuron) {
    look(static_cast<double>(neuron) / neurons);
    std::vector<int> others;
    for (int k = 0; k < neurons; ++k) {
      if (k != neuron) others.push_back(k);
    }
    const auto projection = operators::project_on_variables(space(n), others);
    double& loss = losses[static_cast<std::size_t>(neuron)];
    for (Vec function : functions) {
      base::UniqueVec rest = projection->apply(function);
      base::check(VecAYPX(rest.get(), -1, function));
      for (int k = n - 1; k >= 0; --k) rest = chain_.compose(k, rest.get());
      loss = std::hypot(loss, chain_.norm(0, rest.get()));
    }
  }
  return losses;
}

std::vector<double> NetworkProblem::log_contractions() const {
  std::vector<double> logs;
  for (int n = 0; n < depth(); ++n) {
    std::vector<models::Interval> box;
    for (int k = 0; k < space(n).dimension(); ++k) box.push_back(space(n).range(k));
    logs.push_back(operators::log_contraction(network().layers[static_cast<std::size_t>(n)], box));
  }
  return logs;
}

const operators::LayerChain& NetworkProblem::shares() {
  if (alike_) return chain_;
  if (shares_.steps.empty()) {
    shares_ = assemble(operators::Integrand::shares, name_ + " of shares");
  }
  return shares_;
}

std::vector<base::UniqueVec> NetworkProblem::expectations(const operators::LayerChain& chain,
                                                          Vec u) {
  std::vector<base::UniqueVec> all(static_cast<std::size_t>(chain.depth()) + 1);
  base::UniqueVec last = base::duplicate(u);
  base::check(VecCopy(u, last.get()));
  all.back() = std::move(last);
  for (int n = chain.depth() - 1; n >= 0; --n) {
    all[static_cast<std::size_t>(n)] = chain.compose(n, all[static_cast<std::size_t>(n) + 1].get());
  }
  return all;
}

} // namespace komori::analyses
