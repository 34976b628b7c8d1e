#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "analyses/network_comparison.hpp"
#include "analyses/network_sections.hpp"
#include "models/network_paths.hpp"

namespace komori::analyses {
namespace {

using base::UniqueVec;

constexpr int bins = 12;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

/// Probabilities of `bins` groups of points along variable k.
std::vector<double> bin_masses(const operators::LayerSpace& space, Vec density, int k) {
  const base::ReadArray values(density);
  const base::ReadArray weights(space.weights());
  std::vector<double> masses(bins, 0.0);
  const double width = (space.range(k).to - space.range(k).from) / bins;
  space.grid().for_each_cell([&](PetscInt local, const spaces::Index& index) {
    const auto i = static_cast<std::size_t>(local);
    // A share that an edge of a bin cuts belongs to both.
    const spaces::Axis& axis = space.grid().axis(k);
    const double from = axis.edge(index[at(k)]);
    const double to = axis.edge(index[at(k)] + 1);
    const int first =
        std::clamp(static_cast<int>((from - space.range(k).from) / width), 0, bins - 1);
    const int last = std::clamp(static_cast<int>((to - space.range(k).from) / width), 0, bins - 1);
    for (int b = first; b <= last; ++b) {
      const double low = std::max(from, space.range(k).from + b * width);
      const double high = std::min(to, space.range(k).from + (b + 1) * width);
      masses[at(b)] += weights[i] * values[i] * std::max(0.0, high - low) / (to - from);
    }
  });
  MPI_Allreduce(MPI_IN_PLACE, masses.data(), bins, MPI_DOUBLE, MPI_SUM, space.grid().comm());
  return masses;
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

/// Means and bins of every variable of every layer, and the observable: operators' side.
std::vector<Comparison> by_operators(NetworkProblem& problem, const NetworkStudyInput& input) {
  std::vector<Comparison> all;
  const std::vector<UniqueVec> densities = all_densities(problem, input.density);
  for (int n = first_layer(problem); n <= problem.depth(); ++n) {
    const operators::LayerSpace& space = problem.space(n);
    Vec density = densities[at(n)].get();
    for (int k = 0; k < space.dimension(); ++k) {
      const std::string name = space.grid().axis(k).name();
      all.push_back({.name = "mean of " + name, .operators = mean_of(space, density, k)});
      const std::vector<double> masses = bin_masses(space, density, k);
      for (int b = 0; b < bins; ++b) {
        all.push_back(
            {.name = fmt::format("bin {} of {}", b + 1, name), .operators = masses[at(b)]});
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
  return all;
}

/// Sums of one variable of one layer: of its values, and of the weights in each bin.
class VariableSums {
public:
  explicit VariableSums(models::Interval range)
      : from_(range.from), scale_(bins / (range.to - range.from)) {}
  /// Values `stride` apart.
  void add(std::span<const double> weights, const double* values, std::size_t stride) {
    for (std::size_t p = 0; p < weights.size(); ++p) {
      const double value = values[p * stride];
      const double w = weights[p];
      values_.add(w, value);
      const int bin = std::clamp(static_cast<int>((value - from_) * scale_), 0, bins - 1);
      weight_[at(bin)] += w;
      weight2_[at(bin)] += w * w;
    }
  }
  /// Sums of the values, then of the indicators of the bins.
  void append_to(std::vector<Sums>& all) const {
    all.push_back(values_);
    for (std::size_t b = 0; b < at(bins); ++b) {
      all.push_back({.weight = values_.weight,
                     .weight2 = values_.weight2,
                     .value = weight_[b],
                     .value_weight2 = weight2_[b],
                     .value2_weight2 = weight2_[b]});
    }
  }

private:
  double from_;
  double scale_;
  Sums values_{};
  std::array<double, bins> weight_{};
  std::array<double, bins> weight2_{};
};

/// The same from paths.
std::vector<Sums> by_paths(NetworkProblem& problem, const NetworkStudyInput& input,
                           std::size_t quantities) {
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
  std::vector<double> all_weights(path_batch, 1.0);
  std::vector<double> x;
  std::vector<double> next;
  const auto of_paths = [&](std::int64_t begin, std::int64_t end) {
    std::vector<VariableSums> variables;
    for (int n = first_layer(problem); n <= problem.depth(); ++n) {
      for (int k = 0; k < problem.space(n).dimension(); ++k) {
        variables.emplace_back(problem.space(n).range(k));
      }
    }
    Sums of_observable;
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
                });
    std::vector<Sums> sums;
    for (const VariableSums& one : variables) one.append_to(sums);
    if (observable) sums.push_back(of_observable);
    return sums;
  };
  return sums_in_parts(problem, "paths", balanced_paths(problem.data(), asked.samples), quantities,
                       of_paths);
}

} // namespace

bool monte_carlo(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 const PointValues& points, io::ResultFile& file) {
  base::Phase phase(problem.log(), "monte carlo");
  std::vector<Comparison> all = by_operators(problem, input);
  const std::vector<Comparison> others = by_operators(coarse, input);
  const auto begun = std::chrono::steady_clock::now();
  const std::vector<Sums> sums = by_paths(problem, input, all.size());
  for (std::size_t q = 0; q < all.size(); ++q) {
    all[q].operators_error = std::abs(all[q].operators - others[q].operators);
    all[q].sampled = sums[q].mean();
    all[q].standard_error = sums[q].error();
    if (all[q].name.starts_with("bin")) {
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
  const std::int64_t samples = balanced_paths(problem.data(), input.monte_carlo->samples);
  const double paths =
      static_cast<double>(samples) * (1 + static_cast<double>(points.values.size()));
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begun;
  phase.finish(rate_text(paths, spent.count()));
  return report_comparison(problem, all, samples, "refine 'layers.cells'", file);
}

} // namespace komori::analyses
