#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "analyses/network_accuracy.hpp"
#include "analyses/network_sections.hpp"
#include "analyses/pruned_network.hpp"
#include "base/signals.hpp"

namespace komori::analyses {
namespace {

using base::UniqueVec;

/// A candidate: a neuron, or a layer.
struct Cost {
  std::size_t layer = 0;
  std::size_t neuron = 0;
  double estimated = 0;
  double measured = 0;
  double bound = 0; ///< of `measured`; 0: there is none
  double law = 1;   ///< bound of the change of any probability of the outputs; 1: there is none
  Accuracy accuracy{};
};

/// Both halves' surroundings.
struct Pruning {
  Pruning(LayerProblem& its_problem, const NetworkStudyInput& its_input)
      : problem(its_problem), input(its_input), paths(its_problem, its_input),
        labelled(its_problem.data() && its_problem.data()->labelled()) {
    for (const UniqueVec& u : kept_functions(problem, input)) {
      functions.push_back(NetworkProblem::expectations(problem.chain(), u.get()));
      whole = std::hypot(whole, problem.chain().norm(0, functions.back()[0].get()));
    }
    if (labelled) before = accuracy(problem.network());
  }
  Accuracy accuracy(const models::Network& network) const {
    return labelled ? accuracy_of(*problem.data(), network) : Accuracy{};
  }
  /// Whether a smaller network is still good enough.
  bool fits(double change, const Accuracy& its) const {
    const NetworkReductionInput& asked = *input.reduction;
    if (asked.accuracy_loss > 0) return its.fitted >= before.fitted - asked.accuracy_loss - 1e-12;
    return change <= asked.tolerance;
  }
  std::string limit() const {
    const NetworkReductionInput& asked = *input.reduction;
    return asked.accuracy_loss > 0
               ? fmt::format("loss of accuracy at most {:g}", asked.accuracy_loss)
               : fmt::format("at most {:g}", asked.tolerance);
  }
  /// Between two candidates, each of which is looked at three times. Collective; throws Stopped.
  void look(double done, std::size_t candidates) const {
    problem.log().progress(done / (3 * static_cast<double>(candidates)), "reduction");
    base::stop_if_asked(problem.session().comm(), "the reduction was not complete");
  }
  /// Of what `lost` makes of each kept function, carried to the inputs: norm over ||g_0||.
  double carried(int n, const std::function<UniqueVec(const std::vector<UniqueVec>&)>& lost) const {
    double sum = 0;
    for (const auto& g : functions) {
      UniqueVec rest = lost(g);
      for (int k = n - 1; k >= 0; --k) rest = problem.chain().compose(k, rest.get());
      sum = std::hypot(sum, problem.chain().norm(0, rest.get()));
    }
    return whole > 0 ? sum / whole : sum;
  }
  /// The same of what each neuron of layer n adds to the others. Collective; `look` may throw.
  std::vector<double> losses(std::size_t n, const std::function<void(double share)>& look) const {
    std::vector<Vec> own;
    for (const auto& g : functions) own.push_back(g[n].get());
    std::vector<double> losses = problem.losses(static_cast<int>(n), own, look);
    for (double& loss : losses) loss = whole > 0 ? loss / whole : loss;
    return losses;
  }

  LayerProblem& problem;
  const NetworkStudyInput& input;
  PrunedPaths paths;
  bool labelled;
  Accuracy before{};
  std::vector<std::vector<UniqueVec>> functions{}; ///< [kept][layer]
  double whole = 0;
};

/// What a projection does not resolve of a function.
UniqueVec rest_of(const operators::LayerProjection& projection, Vec v) {
  UniqueVec q = projection.apply(v);
  base::check(VecAYPX(q.get(), -1, v));
  return q;
}

/// Weights and biases under the names of PyTorch's Sequential, whose activations count too, and
/// what else makes the layers.
void write_network(const Pruning& pruning, const models::Network& network, const std::string& group,
                   double change, const Accuracy& accuracy, std::int64_t dropped,
                   io::ResultFile& file) {
  for (std::size_t n = 0; n < network.depth(); ++n) {
    const models::NetworkLayer& layer = network.layers[n];
    const std::string name = fmt::format("{}/{}", group, 2 * n);
    const auto neurons = static_cast<hsize_t>(layer.neurons);
    file.write_small(
        name + ".weight", layer.weight, {neurons, static_cast<hsize_t>(layer.inputs)},
        {{"meaning", "weights [neurons, inputs] of the smaller network"}, {"unit", "-"}});
    file.write_small(name + ".bias", layer.bias, {neurons},
                     {{"meaning", "biases of the smaller network"}, {"unit", "-"}});
    std::vector<std::string> words;
    for (const models::Activation activation : layer.activation) {
      words.push_back(models::activation_words()[static_cast<std::size_t>(activation)]);
    }
    if (layer.formula) {
      file.write_text(
          name + ".formula", layer.formula->text(),
          {{"meaning", "what is applied to z = W x + b of every neuron"}, {"unit", "-"}});
    } else {
      file.write_text(name + ".activation", fmt::format("{}", fmt::join(words, " ")),
                      {{"meaning", "activation of all neurons, or of each"}, {"unit", "-"}});
    }
    file.write_small(name + ".slope", std::vector<double>{layer.slope}, {},
                     {{"meaning", "slope of leaky_relu below 0"}, {"unit", "-"}});
    file.write_small(
        name + ".residual", std::vector<double>{layer.residual ? 1.0 : 0.0}, {},
        {{"meaning", "1: the layer's input is added after the activation"}, {"unit", "-"}});
    std::vector<double> noise;
    for (std::size_t i = 0; i < layer.neurons; ++i) {
      const models::NeuronNoise& one = layer.noise_at(i);
      noise.insert(noise.end(), {static_cast<double>(one.kind()), one.reach(), one.sigma()});
    }
    file.write_small(name + ".noise", noise, {neurons, 3},
                     {{"meaning", "noise of each neuron: kind (0 none, 1 uniform, 2 Gaussian, 3 "
                                  "truncated Gaussian), reach, standard deviation"},
                      {"unit", "of the neuron"}});
  }
  io::Attributes attributes{{"dropped", dropped},
                            {"measured_error", change},
                            {"weights", static_cast<std::int64_t>(weights_of(network))}};
  if (pruning.labelled) {
    attributes.push_back({"accuracy", accuracy.all});
    attributes.push_back({"accuracy_held_out", accuracy.held_out});
  }
  file.annotate(group, attributes);
}

/// Tables and datasets of candidates, cheapest first.
void report_costs(const Pruning& pruning, const std::string& what, const std::string& title,
                  const std::string& meaning, const std::vector<Cost>& costs,
                  const std::vector<std::string>& names, io::ResultFile& file) {
  constexpr std::size_t shown = 12;
  std::vector<double> flat;
  std::vector<std::vector<std::string>> rows;
  std::vector<Accuracy> accuracies;
  std::vector<double> bounds;
  const bool bounded = std::any_of(costs.begin(), costs.end(), [](const Cost& cost) {
    return cost.bound > 0 && std::isfinite(cost.bound);
  });
  const bool lawful =
      std::any_of(costs.begin(), costs.end(), [](const Cost& cost) { return cost.law < 1; });
  std::vector<double> laws;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    bounds.push_back(costs[i].bound);
    laws.push_back(costs[i].law);
    const Cost& cost = costs[i];
    flat.insert(flat.end(), {static_cast<double>(cost.layer), cost.estimated, cost.measured});
    accuracies.push_back(cost.accuracy);
    if (rows.size() >= shown) continue;
    rows.push_back(
        {names[i], fmt::format("{:.3g}", cost.estimated), fmt::format("{:.3g}", cost.measured)});
    if (bounded) rows.back().push_back(fmt::format("{:.3g}", cost.bound));
    if (lawful) rows.back().push_back(fmt::format("{:.3g}", cost.law));
    if (pruning.labelled) add_accuracy(cost.accuracy, rows.back());
  }
  std::vector<std::string> header{what, "estimate", "measured"};
  if (bounded) header.emplace_back("bound");
  if (lawful) header.emplace_back("of probabilities");
  if (pruning.labelled) add_accuracy_names(header);
  const std::string note =
      costs.size() > shown ? fmt::format(" (the {} cheapest)", shown) : std::string();
  pruning.problem.log().table(title + note, header, rows);
  file.write_strings(fmt::format("/reduction/{}s", what), names,
                     {{"meaning", what + "s, cheapest first"}, {"unit", "-"}});
  file.write_small(fmt::format("/reduction/{}_cost", what), flat,
                   {static_cast<hsize_t>(costs.size()), 3}, {{"meaning", meaning}, {"unit", "-"}});
  if (bounded) {
    file.write_small(fmt::format("/reduction/{}_bound", what), bounds,
                     {static_cast<hsize_t>(costs.size())},
                     {{"meaning", "what the measured cost cannot exceed for any inputs in their "
                                  "ranges: interval bounds of the neuron, moduli of weights, "
                                  "largest slopes of activations; infinite where a formula stands "
                                  "in place of an activation, whose range is only sampled"},
                      {"unit", "-"}});
  }
  if (lawful) {
    file.write_small(fmt::format("/reduction/{}_law_bound", what), laws,
                     {static_cast<hsize_t>(costs.size())},
                     {{"meaning", "what no probability of the outputs with noise, given any inputs "
                                  "in their ranges, can change by; times sup u - inf u a bound of "
                                  "the change of E[u | X_0] of any observable u; 1: no bound"},
                      {"unit", "-"}});
  }
  if (pruning.labelled) {
    write_accuracies(accuracies, fmt::format("/reduction/{}_accuracy", what), file);
  }
}

/// The sizes a network has gone through while it shrank.
class Course {
public:
  void add(const models::Network& network, double change, const Accuracy& accuracy) {
    values_.insert(values_.end(), {weights_of(network), change});
    accuracies_.push_back(accuracy);
  }
  void write(const std::string& name, bool labelled, io::ResultFile& file) const {
    file.write_small(
        name, values_, {static_cast<hsize_t>(accuracies_.size()), 2},
        {{"meaning", "as parts go one after the other: weights and biases left; change "
                     "of what is kept without noise, relative"},
         {"unit", "-"}});
    if (labelled) write_accuracies(accuracies_, name + "_accuracy", file);
  }

private:
  std::vector<double> values_;
  std::vector<Accuracy> accuracies_;
};

std::string accuracy_text(const Pruning& pruning, const Accuracy& accuracy) {
  if (!pruning.labelled) return {};
  std::vector<std::string> words;
  add_accuracy(accuracy, words);
  return fmt::format(", accuracy {}, held out {}", words[0], words[2]);
}

/// Layers whose step is as good as an affine one.
void drop_layers(const Pruning& pruning, io::ResultFile& file) {
  const LayerProblem& problem = pruning.problem;
  const models::Network& network = problem.network();
  NetworkProjectionInput linear;
  linear.kind = "linear";
  if (!problem.resolves(linear)) return;
  const auto projections = problem.projections(linear);
  std::vector<Cost> costs;
  for (std::size_t n = 1; n < network.depth(); ++n) {
    if (residual_around(network, n)) continue;
    const int layer = static_cast<int>(n);
    Cost cost{.layer = n};
    cost.estimated = pruning.carried(layer - 1, [&](const std::vector<UniqueVec>& g) {
      const UniqueVec linear_part = projections[n]->apply(g[n].get());
      const UniqueVec image = problem.chain().compose(layer - 1, linear_part.get());
      return rest_of(*projections[n - 1], image.get());
    });
    const models::Network smaller = pruning.paths.without_layer(network, n);
    cost.measured = pruning.paths.distance(smaller);
    cost.accuracy = pruning.accuracy(smaller);
    costs.push_back(cost);
  }
  if (costs.empty()) return;
  std::stable_sort(costs.begin(), costs.end(),
                   [](const Cost& a, const Cost& b) { return a.measured < b.measured; });
  std::vector<std::string> names;
  for (const Cost& cost : costs) names.push_back(fmt::format("layer {}", cost.layer));
  report_costs(
      pruning, "layer", "Layers by the cost of making them affine",
      "layer; estimate (no bound): norm of what the operator of the step makes of linear functions "
      "that is not linear, carried to the inputs; measured: root mean square change of "
      "what is kept, without noise, where the layer is replaced by the affine function of "
      "the layer before that fits best; both relative",
      costs, names, file);
  models::Network smaller = network;
  std::vector<std::size_t> gone;
  Course course;
  Accuracy accuracy = pruning.before;
  double change = 0;
  course.add(smaller, 0, accuracy);
  for (const Cost& cost : costs) {
    const auto before = std::count_if(gone.begin(), gone.end(),
                                      [&](std::size_t other) { return other < cost.layer; });
    models::Network next =
        pruning.paths.without_layer(smaller, cost.layer - static_cast<std::size_t>(before));
    const double distance = pruning.paths.distance(next);
    const Accuracy its = pruning.accuracy(next);
    if (!pruning.fits(distance, its)) continue;
    smaller = std::move(next);
    change = distance;
    accuracy = its;
    gone.push_back(cost.layer);
    course.add(smaller, change, accuracy);
  }
  problem.log().line(fmt::format("  {} of {} layers go at a change of {:.3g} ({}): {:.0f} weights "
                                 "of {:.0f}{}",
                                 gone.size(), costs.size(), change, pruning.limit(),
                                 weights_of(smaller), weights_of(network),
                                 accuracy_text(pruning, accuracy)));
  course.write("/reduction/shallow_course", pruning.labelled, file);
  write_network(pruning, smaller, "/reduction/shallow", change, accuracy,
                static_cast<std::int64_t>(gone.size()), file);
}

/// Neurons that go, and what is left.
struct DroppedNeurons {
  std::vector<Cost> costs{}; ///< of all candidates, cheapest first
  models::Network smaller{};
  double change = 0;
  Accuracy accuracy{};
  std::size_t gone = 0;
  Course course{};
};

/// Neurons of the layers between inputs and outputs, one by one. Writes nothing; throws Stopped.
DroppedNeurons drop_neurons(const Pruning& pruning) {
  const LayerProblem& problem = pruning.problem;
  const models::Network& network = problem.network();
  DroppedNeurons dropped;
  std::vector<Cost>& costs = dropped.costs;
  std::size_t candidates = 0; // at most
  for (std::size_t n = 1; n < network.depth(); ++n) candidates += network.width(n);
  for (std::size_t n = 1; n < network.depth(); ++n) {
    if (network.width(n) < 2 || residual_around(network, n)) continue;
    const auto width = static_cast<double>(network.width(n));
    const std::vector<double> losses = pruning.losses(n, [&](double share) {
      pruning.look(2 * static_cast<double>(costs.size()) + share * width, candidates);
    });
    const PrunedPaths::Layer layer = pruning.paths.layer(network, n);
    for (std::size_t i = 0; i < network.width(n); ++i) {
      pruning.look(2 * static_cast<double>(costs.size()) + width - static_cast<double>(i),
                   candidates);
      Cost cost{.layer = n, .neuron = i, .estimated = losses[i]};
      const Eigen::MatrixXd fit = PrunedPaths::neuron_fit(layer, i);
      const models::Network smaller = PrunedPaths::without_neuron(network, n, i, fit);
      cost.measured = pruning.paths.distance_without(layer, i, smaller);
      cost.bound = pruning.paths.bound_without_neuron(network, n, i, fit);
      cost.law = PrunedPaths::law_bound_without_neuron(network, n, i, fit);
      cost.accuracy = pruning.accuracy(smaller);
      costs.push_back(cost);
    }
  }
  std::stable_sort(costs.begin(), costs.end(),
                   [](const Cost& a, const Cost& b) { return a.measured < b.measured; });
  // One after the other while what is left is good enough. Positions move as neurons before them
  // go.
  models::Network& smaller = dropped.smaller;
  smaller = network;
  std::map<std::size_t, PrunedPaths::Layer> layers; // of `smaller`, as far as they were needed
  std::vector<Cost> gone;
  dropped.accuracy = pruning.before;
  dropped.course.add(smaller, 0, dropped.accuracy);
  std::size_t done = 2 * costs.size();
  for (const Cost& cost : costs) {
    pruning.look(static_cast<double>(done++), costs.size());
    if (smaller.width(cost.layer) < 2) continue;
    const auto before =
        static_cast<std::size_t>(std::count_if(gone.begin(), gone.end(), [&](const Cost& other) {
          return other.layer == cost.layer && other.neuron < cost.neuron;
        }));
    const std::size_t place = cost.neuron - before;
    if (!layers.contains(cost.layer)) {
      layers.emplace(cost.layer, pruning.paths.layer(smaller, cost.layer));
    }
    const PrunedPaths::Layer& layer = layers.at(cost.layer);
    models::Network next = PrunedPaths::without_neuron(smaller, cost.layer, place,
                                                       PrunedPaths::neuron_fit(layer, place));
    const double distance = pruning.paths.distance_without(layer, place, next);
    const Accuracy its = pruning.accuracy(next);
    if (!pruning.fits(distance, its)) continue;
    smaller = std::move(next);
    layers.clear();
    dropped.change = distance;
    dropped.accuracy = its;
    gone.push_back(cost);
    dropped.course.add(smaller, distance, its);
  }
  dropped.gone = gone.size();
  return dropped;
}

void report_neurons(const Pruning& pruning, const DroppedNeurons& dropped, io::ResultFile& file) {
  const LayerProblem& problem = pruning.problem;
  const models::Network& network = problem.network();
  if (dropped.costs.empty()) return;
  std::vector<std::string> names;
  for (const Cost& cost : dropped.costs)
    names.push_back(network.variables(cost.layer)[cost.neuron]);
  report_costs(pruning, "neuron", "Neurons by the cost of dropping them",
               "layer; estimate (no bound): norm of what E[u | X_0] loses if E[u | X_n] may not "
               "depend on the neuron; measured: root mean square change of what is kept, without "
               "noise, where "
               "the neuron is replaced by the affine function of the others of its layer that fits "
               "best; both relative",
               dropped.costs, names, file);
  problem.log().line(fmt::format("  {} of {} neurons go at a change of {:.3g} ({}): {:.0f} weights "
                                 "of {:.0f}{}",
                                 dropped.gone, dropped.costs.size(), dropped.change,
                                 pruning.limit(), weights_of(dropped.smaller), weights_of(network),
                                 accuracy_text(pruning, dropped.accuracy)));
  dropped.course.write("/reduction/course", pruning.labelled, file);
  write_network(pruning, dropped.smaller, "/reduction/network", dropped.change, dropped.accuracy,
                static_cast<std::int64_t>(dropped.gone), file);
}

} // namespace

void prune(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file) {
  const Pruning pruning(problem, input);
  const DroppedNeurons dropped = drop_neurons(pruning);
  drop_layers(pruning, file);
  report_neurons(pruning, dropped, file);
}

} // namespace komori::analyses
