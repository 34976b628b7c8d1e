#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "analyses/layer_bins.hpp"
#include "analyses/network_comparison.hpp"
#include "analyses/network_sections.hpp"
#include "models/network_paths.hpp"

namespace komori::analyses {
namespace {

using base::UniqueVec;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

double mean_of(const operators::LayerSpace& space, Vec density, int k) {
  const UniqueVec x = space.sampled([&](std::span<const double> point) { return point[at(k)]; });
  const UniqueVec weighted = base::duplicate(x.get());
  base::check(VecPointwiseMult(weighted.get(), x.get(), space.weights()));
  return base::dot(weighted.get(), density);
}

/// The first layer whose density the two ways find by themselves: rows of data are the same in
/// both.
int first_layer(const NetworkProblem& problem) {
  return problem.data() ? 1 : 0;
}

/// Edges of the bins of every variable of every layer that is compared.
using Bins = std::vector<std::vector<double>>;
Bins bins_of(const NetworkProblem& problem) {
  Bins bins;
  for (int n = first_layer(problem); n <= problem.depth(); ++n) {
    for (int k = 0; k < problem.space(n).dimension(); ++k) {
      bins.push_back(bin_edges(problem.space(n), k));
    }
  }
  return bins;
}

/// Means and bins of every variable of every layer, the observable and the probability, if there is
/// one: operators' side.
std::vector<Comparison> by_operators(NetworkProblem& problem, const Bins& bins,
                                     const NetworkStudyInput& input,
                                     const Probabilities& probability) {
  std::vector<Comparison> all;
  auto edges = bins.begin();
  const std::vector<UniqueVec> densities = all_densities(problem, input.density);
  for (int n = first_layer(problem); n <= problem.depth(); ++n) {
    const operators::LayerSpace& space = problem.space(n);
    Vec density = densities[at(n)].get();
    for (int k = 0; k < space.dimension(); ++k) {
      const std::string name = space.grid().axis(k).name();
      all.push_back({.name = "mean of " + name, .operators = mean_of(space, density, k)});
      const std::vector<double> masses = bin_masses(space, density, k, *edges++);
      for (std::size_t b = 0; b < masses.size(); ++b) {
        all.push_back({.name = fmt::format("bin {} of {}", b + 1, name),
                       .layer = n,
                       .bin = true,
                       .share = true,
                       .operators = masses[b]});
      }
    }
  }
  if (input.observable) {
    const config::Formula formula = observable_formula(problem.network(), *input.observable);
    const UniqueVec u = problem.space(problem.depth()).sampled([&](std::span<const double> y) {
      return formula(y);
    });
    const auto functions = NetworkProblem::expectations(problem.chain(), u.get());
    all.push_back(
        {.name = "mean of the observable",
         .operators = mean_over_inputs(problem, problem.chain(), operators::Integrand::polynomials,
                                       input.density, functions)});
  }
  if (input.probability) {
    all.push_back({.name = fmt::format("P({})", input.probability->set.text),
                   .share = true,
                   .operators = probability.total});
  }
  return all;
}

/// Errors from a grid half as fine. Those of bins change their sign along a variable, and one of
/// them alone may be small by chance: none in a layer is taken for smaller than the root mean
/// square of all of them.
void estimate_errors(std::vector<Comparison>& all, const std::vector<Comparison>& coarse) {
  std::map<int, Sums> squares; // of the bins of each layer
  for (std::size_t q = 0; q < all.size(); ++q) {
    all[q].operators_error = std::abs(all[q].operators - coarse[q].operators);
    if (all[q].bin) squares[all[q].layer].add(1, std::pow(all[q].operators_error, 2));
  }
  for (Comparison& one : all) {
    if (!one.bin) continue;
    one.operators_error = std::max(one.operators_error, std::sqrt(squares[one.layer].mean()));
  }
}

/// Sums of one variable of one layer: of its values, and of the weights in each bin.
class VariableSums {
public:
  explicit VariableSums(const std::vector<double>& edges)
      : inner_(edges.begin() + 1, edges.end() - 1), weight_(edges.size() - 1, 0.0),
        weight2_(edges.size() - 1, 0.0) {}
  /// Values `stride` apart.
  void add(std::span<const double> weights, const double* values, std::size_t stride) {
    for (std::size_t p = 0; p < weights.size(); ++p) {
      const double value = values[p * stride];
      const double w = weights[p];
      values_.add(w, value);
      std::size_t bin = 0; // few edges: a count of all is faster than a search
      for (const double edge : inner_) bin += value >= edge ? 1 : 0;
      weight_[bin] += w;
      weight2_[bin] += w * w;
    }
  }
  /// Sums of the values, then of the indicators of the bins.
  void append_to(std::vector<Sums>& all) const {
    all.push_back(values_);
    for (std::size_t b = 0; b < weight_.size(); ++b) {
      all.push_back({.weight = values_.weight,
                     .weight2 = values_.weight2,
                     .value = weight_[b],
                     .value_weight2 = weight2_[b],
                     .value2_weight2 = weight2_[b]});
    }
  }

private:
  std::vector<double> inner_; ///< edges between bins
  Sums values_{};
  std::vector<double> weight_;
  std::vector<double> weight2_;
};

/// The same from paths.
std::vector<Sums> by_paths(NetworkProblem& problem, const Bins& bins,
                           const NetworkStudyInput& input, std::size_t quantities) {
  const models::Network& network = problem.network();
  const NetworkMonteCarloInput& asked = *input.monte_carlo;
  const models::PathSampler sampler(network, static_cast<std::uint64_t>(asked.seed), 0,
                                    problem.path_inputs());
  std::optional<config::Formula> initial;
  if (input.density && input.density->initial.given()) {
    initial.emplace(input.density->initial, network.variables(0));
  }
  std::optional<config::Formula> observable;
  if (input.observable) observable.emplace(observable_formula(network, *input.observable));
  std::optional<config::Formula> set;
  if (input.probability) set.emplace(probability_formula(network, input));
  std::vector<double> all_weights(path_batch, 1.0);
  std::vector<double> x;
  std::vector<double> next;
  const auto of_paths = [&](std::int64_t begin, std::int64_t end) {
    std::vector<VariableSums> variables(bins.begin(), bins.end());
    Sums of_observable;
    Sums of_set;
    for_batches(problem.session(), begin, end, path_batch,
                [&](std::uint64_t first, std::size_t count) {
                  const std::span<double> weights(all_weights.data(), count);
                  x.resize(count * network.width(0));
                  sampler.inputs(first, count, x);
                  for (std::size_t p = 0; initial && p < count; ++p) {
                    weights[p] = (*initial)({x.data() + p * network.width(0), network.width(0)});
                  }
                  auto variable = variables.begin();
                  for (int n = 0; n <= problem.depth(); ++n) {
                    const std::size_t width = network.width(at(n));
                    if (n > 0) {
                      next.resize(count * width);
                      sampler.step(at(n) - 1, first, count, x, next);
                      std::swap(x, next);
                    }
                    if (n < first_layer(problem)) continue;
                    for (std::size_t k = 0; k < width; ++k)
                      (variable++)->add(weights, x.data() + k, width);
                  }
                  const std::size_t outputs = network.width(at(problem.depth()));
                  for (std::size_t p = 0; observable && p < count; ++p) {
                    of_observable.add(weights[p], (*observable)({x.data() + p * outputs, outputs}));
                  }
                  for (std::size_t p = 0; set && p < count; ++p) {
                    const std::span<const double> y(x.data() + p * outputs, outputs);
                    of_set.add(weights[p], holds(*set, y) ? 1 : 0);
                  }
                });
    std::vector<Sums> sums;
    for (const VariableSums& one : variables) one.append_to(sums);
    if (observable) sums.push_back(of_observable);
    if (set) sums.push_back(of_set);
    return sums;
  };
  return sums_in_parts(problem, "paths", balanced_paths(problem.data(), asked.samples), quantities,
                       of_paths);
}

} // namespace

bool monte_carlo(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 const PointValues& points, io::ResultFile& file) {
  base::Phase phase(problem.log(), "monte carlo");
  const Bins bins = bins_of(problem);
  Probabilities own;
  Probabilities other;
  if (input.probability) {
    own = probabilities(problem, input);
    other = probabilities(coarse, input);
  }
  std::vector<Comparison> all = by_operators(problem, bins, input, own);
  const std::vector<Comparison> others = by_operators(coarse, bins, input, other);
  const auto begun = std::chrono::steady_clock::now();
  const std::vector<Sums> sums = by_paths(problem, bins, input, all.size());
  estimate_errors(all, others);
  for (std::size_t q = 0; q < all.size(); ++q) {
    all[q].sampled = sums[q].mean();
    all[q].standard_error = sums[q].error();
    if (all[q].share) {
      all[q].standard_error =
          std::max(all[q].standard_error, sums[q].share_error(all[q].operators));
    }
  }
  for (std::size_t i = 0; i < points.values.size(); ++i) {
    const Sums one = from_point(problem, input, i);
    all.push_back(
        {.name = fmt::format("E[u | x = {:g}]", fmt::join(input.expectation->points[i], ", ")),
         .operators = points.values[i],
         .operators_error = points.errors[i],
         .sampled = one.mean(),
         .standard_error = one.error()});
  }
  const std::size_t events = input.probability ? input.probability->points.size() : 0;
  for (std::size_t i = 0; i < events; ++i) {
    const Sums one = share_from_point(problem, input, i);
    const double found = own.at_points[i];
    all.push_back({.name = fmt::format("P({} | x = {:g})", input.probability->set.text,
                                       fmt::join(input.probability->points[i], ", ")),
                   .operators = found,
                   .operators_error = std::abs(found - other.at_points[i]),
                   .sampled = one.mean(),
                   .standard_error = std::max(one.error(), one.share_error(found))});
  }
  const std::int64_t samples = balanced_paths(problem.data(), input.monte_carlo->samples);
  const double paths =
      static_cast<double>(samples) * static_cast<double>(1 + points.values.size() + events);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begun;
  phase.finish(rate_text(paths, spent.count()));
  return report_comparison(problem, all, samples, "refine 'layers.cells'", file);
}

} // namespace komori::analyses
