#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "models/network_paths.hpp"
#include "operators/layer_reduction.hpp"

namespace komori::analyses {
namespace {

using base::UniqueVec;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

/// Reduced networks of r x r matrices, by how many lags of memory they keep.
void reduce_lags(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file) {
  const auto projections = problem.projections(*input.projection);
  for (const auto& projection : projections) {
    if (projection->functions() == nullptr) return; // matrices of averages are no reduction
  }
  const UniqueVec u = problem.observable(*input.observable);
  const operators::ReducedChain reduced = operators::reduce(problem.chain(), projections, u.get());
  std::vector<std::vector<std::string>> rows;
  std::vector<double> predicted;
  std::vector<double> measured;
  std::size_t enough = reduced.measured.size();
  for (std::size_t lags = 0; lags < reduced.measured.size(); ++lags) {
    predicted.push_back(reduced.predicted[lags]);
    measured.push_back(reduced.measured[lags]);
    rows.push_back({std::to_string(lags), fmt::format("{:.3g}", predicted.back()),
                    fmt::format("{:.3g}", measured.back())});
    if (enough == reduced.measured.size() && measured.back() <= input.reduction->tolerance) {
      enough = lags;
    }
  }
  problem.log().table("Reduced layers: error of P E[u | X_0] by lags of memory kept",
                      {"lags", "predicted", "measured"}, rows);
  const bool found = enough < reduced.measured.size();
  problem.log().line(
      found ? fmt::format("  {} lag{} of memory keep the error below {:g}", enough,
                          enough == 1 ? "" : "s", input.reduction->tolerance)
            : fmt::format("  no number of lags keeps the error below {:g}: the observable itself "
                          "is not resolved at the outputs; raise 'projection.rank'",
                          input.reduction->tolerance));
  const auto count = static_cast<hsize_t>(measured.size());
  file.write_small("/reduction/predicted_error", predicted, {count},
                   {{"meaning", "norm of the memory and noise left out at the inputs, over the "
                                "norm of P E[u | X_0], by lags kept"},
                    {"unit", "-"}});
  file.write_small("/reduction/measured_error", measured, {count},
                   {{"meaning", "error of P E[u | X_0] by the reduced layers, relative, by lags "
                                "kept"},
                    {"unit", "-"},
                    {"lags", found ? static_cast<std::int64_t>(enough) : std::int64_t{-1}}});
  file.write_small(
      "/reduction/unresolved", std::vector<double>{reduced.unresolved}, {},
      {{"meaning", "share of E[u | X_0] that the projection does not resolve"}, {"unit", "-"}});
  const std::size_t keep = found ? enough : 0;
  for (std::size_t n = 0; n < reduced.omega.size(); ++n) {
    for (std::size_t lag = 0; lag < std::min(reduced.omega[n].size(), keep + 1); ++lag) {
      const operators::SmallMatrix& omega = reduced.omega[n][lag];
      file.write_small(fmt::format("/reduction/layer_{}/lag_{}", n, lag), omega.values,
                       {static_cast<hsize_t>(omega.rows), static_cast<hsize_t>(omega.columns)},
                       {{"meaning", fmt::format("Omega: coefficients of layer {} from those of "
                                                "layer {}",
                                                n, n + lag + 1)},
                        {"unit", "-"}});
    }
  }
}

/// The network without one neuron of layer n > 0, which is replaced by a constant.
models::Network dropped(const models::Network& network, std::size_t n, std::size_t neuron,
                        double constant) {
  models::Network smaller = network;
  models::NetworkLayer& own = smaller.layers[n - 1];
  const auto row = static_cast<std::ptrdiff_t>(neuron);
  const auto inputs = static_cast<std::ptrdiff_t>(own.inputs);
  own.weight.erase(own.weight.begin() + row * inputs, own.weight.begin() + (row + 1) * inputs);
  own.bias.erase(own.bias.begin() + row);
  if (own.activation.size() > 1) own.activation.erase(own.activation.begin() + row);
  if (own.noise.size() > 1) own.noise.erase(own.noise.begin() + row);
  if (!own.variables.empty()) own.variables.erase(own.variables.begin() + row);
  --own.neurons;
  models::NetworkLayer& next = smaller.layers[n];
  std::vector<double> weight;
  for (std::size_t i = 0; i < next.neurons; ++i) {
    for (std::size_t j = 0; j < next.inputs; ++j) {
      const double value = next.weight[i * next.inputs + j];
      if (j == neuron) {
        next.bias[i] += value * constant;
      } else {
        weight.push_back(value);
      }
    }
  }
  next.weight = std::move(weight);
  --next.inputs;
  return smaller;
}

/// What sampled paths say of neurons, and of how far a smaller network is from the whole one.
class Paths {
public:
  Paths(LayerProblem& problem, const NetworkStudyInput& input)
      : network_(problem.network()), formula_(observable_formula(network_, *input.observable)) {
    const models::PathSampler sampler(network_, 1, 77);
    x_.resize(count * network_.width(0));
    sampler.inputs(0, count, x_);
    std::vector<double> x = x_;
    for (std::size_t n = 0; n < network_.depth(); ++n) {
      std::vector<double> next(count * network_.width(n + 1));
      sampler.step(n, 0, count, x, next);
      x = std::move(next);
      std::vector<double> means(network_.width(n + 1), 0.0);
      for (std::size_t p = 0; p < count; ++p) {
        for (std::size_t i = 0; i < means.size(); ++i) means[i] += x[p * means.size() + i] / count;
      }
      means_.push_back(std::move(means));
    }
    whole_ = outputs(network_);
    for (const double value : whole_) scale_ += value * value / count;
    scale_ = std::sqrt(scale_);
  }
  double mean(std::size_t n, std::size_t neuron) const { return means_[n - 1][neuron]; }
  /// Root mean square over the inputs of the change of u of the outputs without noise, relative.
  double distance(const models::Network& smaller) const {
    const std::vector<double> other = outputs(smaller);
    double sum = 0;
    for (std::size_t p = 0; p < count; ++p) sum += std::pow(other[p] - whole_[p], 2) / count;
    return scale_ > 0 ? std::sqrt(sum) / scale_ : std::sqrt(sum);
  }

private:
  static constexpr std::size_t count = 4096;
  std::vector<double> outputs(const models::Network& network) const {
    std::vector<double> x = x_;
    for (std::size_t n = 0; n < network.depth(); ++n) {
      std::vector<double> next(count * network.width(n + 1));
      models::propagate(network.layers[n], count, x, next);
      x = std::move(next);
    }
    const std::size_t width = network.width(network.depth());
    std::vector<double> values;
    for (std::size_t p = 0; p < count; ++p) {
      values.push_back(formula_(std::span<const double>(x.data() + p * width, width)));
    }
    return values;
  }
  const models::Network& network_;
  config::Formula formula_;
  std::vector<double> x_;
  std::vector<std::vector<double>> means_;
  std::vector<double> whole_;
  double scale_ = 0;
};

struct Cost {
  std::size_t layer = 0;
  std::size_t neuron = 0;
  double predicted = 0;
  double measured = 0;
};

/// ||M(0,n) (I - P) g_n|| / ||g_0||: what is lost where g_n may not depend on a neuron.
double predicted_cost(const LayerProblem& problem, int n, int neuron,
                      const std::vector<UniqueVec>& functions) {
  const auto projection = problem.without(n, neuron);
  UniqueVec lost = projection->apply(functions[at(n)].get());
  base::check(VecAYPX(lost.get(), -1, functions[at(n)].get()));
  for (int k = n - 1; k >= 0; --k) lost = problem.chain().compose(k, lost.get());
  const double whole = problem.chain().norm(0, functions[0].get());
  const double cost = problem.chain().norm(0, lost.get());
  return whole > 0 ? cost / whole : cost;
}

bool residual_around(const models::Network& network, std::size_t n) {
  return network.layers[n - 1].residual || network.layers[n].residual;
}

void write_network(const models::Network& network, io::ResultFile& file) {
  for (std::size_t n = 0; n < network.depth(); ++n) {
    const models::NetworkLayer& layer = network.layers[n];
    // Names as in a file of PyTorch's Sequential, whose activations count too.
    file.write_small(
        fmt::format("/reduction/network/{}.weight", 2 * n), layer.weight,
        {static_cast<hsize_t>(layer.neurons), static_cast<hsize_t>(layer.inputs)},
        {{"meaning", "weights [neurons, inputs] of the smaller network"}, {"unit", "-"}});
    file.write_small(fmt::format("/reduction/network/{}.bias", 2 * n), layer.bias,
                     {static_cast<hsize_t>(layer.neurons)},
                     {{"meaning", "biases of the smaller network"}, {"unit", "-"}});
  }
}

/// Ranks the neurons of the layers between inputs and outputs, and takes out as many as go.
void drop_neurons(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file) {
  const models::Network& network = problem.network();
  const UniqueVec u = problem.observable(*input.observable);
  const auto functions = NetworkProblem::expectations(problem.chain(), u.get());
  const Paths paths(problem, input);
  std::vector<Cost> costs;
  for (std::size_t n = 1; n < network.depth(); ++n) {
    if (network.width(n) < 2 || residual_around(network, n)) continue;
    for (std::size_t i = 0; i < network.width(n); ++i) {
      Cost cost{.layer = n, .neuron = i};
      cost.predicted = predicted_cost(problem, static_cast<int>(n), static_cast<int>(i), functions);
      cost.measured = paths.distance(dropped(network, n, i, paths.mean(n, i)));
      costs.push_back(cost);
    }
  }
  if (costs.empty()) return;
  std::sort(costs.begin(), costs.end(),
            [](const Cost& a, const Cost& b) { return a.measured < b.measured; });
  std::vector<double> flat;
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> rows;
  for (const Cost& cost : costs) {
    names.push_back(network.variables(cost.layer)[cost.neuron]);
    flat.insert(flat.end(), {static_cast<double>(cost.layer), cost.predicted, cost.measured});
    if (rows.size() < 20) {
      rows.push_back({names.back(), fmt::format("{:.3g}", cost.predicted),
                      fmt::format("{:.3g}", cost.measured)});
    }
  }
  problem.log().table("Neurons by the cost of dropping them", {"neuron", "predicted", "measured"},
                      rows);
  file.write_strings("/reduction/neurons", names, {{"meaning", "neurons, cheapest first"}});
  file.write_small("/reduction/cost", flat, {static_cast<hsize_t>(costs.size()), 3},
                   {{"meaning", "layer; predicted cost: norm of what E[u | X_0] loses if E[u | "
                                "X_n] may not depend on the neuron; measured: root mean square "
                                "change of u of the outputs without noise where it is replaced by "
                                "its mean; both relative"},
                    {"unit", "-"}});
  // One after the other while the whole change stays below the tolerance. Positions move as
  // neurons before them go.
  models::Network smaller = network;
  std::vector<Cost> gone;
  double change = 0;
  for (const Cost& cost : costs) {
    if (smaller.width(cost.layer) < 2) continue;
    const auto before =
        static_cast<std::size_t>(std::count_if(gone.begin(), gone.end(), [&](const Cost& other) {
          return other.layer == cost.layer && other.neuron < cost.neuron;
        }));
    models::Network next =
        dropped(smaller, cost.layer, cost.neuron - before, paths.mean(cost.layer, cost.neuron));
    const double distance = paths.distance(next);
    if (distance > input.reduction->tolerance) continue;
    smaller = std::move(next);
    change = distance;
    gone.push_back(cost);
  }
  problem.log().line(fmt::format("  {} of {} neurons go at a change of {:.3g} (at most {:g})",
                                 gone.size(), costs.size(), change, input.reduction->tolerance));
  write_network(smaller, file);
  file.annotate("/reduction/network",
                {{"dropped", static_cast<std::int64_t>(gone.size())}, {"measured_error", change}});
}

} // namespace

bool reduction(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file) {
  base::Phase phase(problem.log(), "reduction");
  if (input.projection) reduce_lags(problem, input, file);
  drop_neurons(problem, input, file);
  return true;
}

} // namespace komori::analyses
