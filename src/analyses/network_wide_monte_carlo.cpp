#include <chrono>
#include <cmath>

#include <Eigen/Core>
#include <fmt/format.h>

#include "analyses/network_comparison.hpp"
#include "analyses/network_dictionary.hpp"
#include "analyses/network_sections.hpp"
#include "models/network_paths.hpp"

namespace komori::analyses {
namespace {

using base::UniqueVec;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Families of paths that no dictionary has been fitted on.
constexpr std::uint64_t fresh_family = 1'000'000;

/// q = E[u | X_0] on a dictionary.
struct Expectation {
  std::vector<UniqueVec> functions;
  Eigen::VectorXd weights; ///< of the dictionary of the inputs
  Expectation(const LayerDictionaryProblem& problem, const NetworkStudyInput& input)
      : functions(NetworkProblem::expectations(problem.chain(),
                                               problem.observable(*input.observable).get())),
        weights(operators::dictionary_weights(problem.sampled(), 0, functions[0].get())) {}
  double mean_square(const LayerDictionaryProblem& problem) const {
    return problem.chain().dot(0, functions[0].get(), functions[0].get());
  }
  double mean(const LayerDictionaryProblem& problem, const NetworkStudyInput& input) const {
    const UniqueVec one = problem.initial(input.density);
    return problem.chain().dot(0, one.get(), functions[0].get());
  }
};

/// The observable at the ends of paths, with the noise of one family, from F_0 of their inputs.
std::vector<double> ends(const models::Network& network, const models::PathSampler& sampler,
                         const config::Formula& formula, std::uint64_t first, std::size_t count,
                         std::vector<double> x) {
  sampler.add_noise(0, first, count, x);
  for (std::size_t n = 1; n < network.depth(); ++n) {
    std::vector<double> next(count * network.width(n + 1));
    sampler.step(n, first, count, x, next);
    x = std::move(next);
  }
  const std::size_t outputs = network.width(network.depth());
  std::vector<double> values;
  values.reserve(count);
  for (std::size_t p = 0; p < count; ++p) {
    values.push_back(formula({x.data() + p * outputs, outputs}));
  }
  return values;
}

} // namespace

bool wide_monte_carlo(LayerDictionaryProblem& problem, LayerDictionaryProblem& half,
                      const NetworkStudyInput& input, io::ResultFile& file) {
  base::Phase phase(problem.log(), "monte carlo");
  const models::Network& network = problem.network();
  const auto seed = static_cast<std::uint64_t>(input.monte_carlo->seed);
  const std::int64_t samples = balanced_paths(problem.data(), input.monte_carlo->samples);
  const Expectation own(problem, input);
  const Expectation other(half, input);
  const config::Formula formula = observable_formula(network, *input.observable);
  const models::PathSampler one(network, seed, fresh_family, problem.path_inputs());
  const models::PathSampler two(network, seed, fresh_family + 1);
  const operators::LayerDictionary& dictionary = problem.sampled().dictionaries[0];
  const auto size = static_cast<Eigen::Index>(dictionary.size());
  // Two continuations of one input are independent given it: the mean of their product is that of
  // E[u | X_0]^2, that of their deviations from q the mean square error of q.
  const auto begun = std::chrono::steady_clock::now();
  std::vector<double> x;
  const auto of_paths = [&](std::int64_t begin, std::int64_t end) {
    std::vector<Sums> sums(3);
    const std::size_t batch = models::batch_of(network);
    for_batches(problem.session(), begin, end, batch, [&](std::uint64_t first, std::size_t count) {
      x.resize(count * network.width(0));
      one.inputs(first, count, x);
      // Wide inputs cost more than all that follows: they pass through the first layer once.
      std::vector<double> images(count * network.width(1));
      models::propagate(network.layers[0], count, x, images);
      RowMatrix eta(static_cast<Eigen::Index>(count), size);
      dictionary.evaluate(count, x, images, {eta.data(), static_cast<std::size_t>(eta.size())});
      const Eigen::VectorXd q = eta * own.weights;
      const std::vector<double> u = ends(network, one, formula, first, count, images);
      const std::vector<double> v = ends(network, two, formula, first, count, std::move(images));
      for (std::size_t p = 0; p < count; ++p) {
        const double expected = q[static_cast<Eigen::Index>(p)];
        sums[0].add(1, u[p]);
        sums[1].add(1, u[p] * v[p]);
        sums[2].add(1, (u[p] - expected) * (v[p] - expected));
      }
    });
    return sums;
  };
  const std::vector<Sums> sums = sums_in_parts(problem, "paths", samples, 3, of_paths);
  // The dictionary's own paths scatter as these do.
  const double beside =
      std::sqrt(1 + static_cast<double>(samples) / static_cast<double>(problem.sampled().samples));
  const double square_error = std::max(0.0, sums[2].mean()) + 2 * sums[2].error();
  const double mean_square = own.mean_square(problem);
  std::vector<Comparison> all;
  all.push_back({.name = "mean of the observable",
                 .operators = own.mean(problem, input),
                 .sampled = sums[0].mean(),
                 .standard_error = beside * sums[0].error()});
  all.push_back({.name = "mean square of E[u | X_0]",
                 .operators = mean_square,
                 .operators_error = square_error,
                 .sampled = sums[1].mean(),
                 .standard_error = beside * sums[1].error()});
  double paths = 2 * static_cast<double>(samples);
  if (input.expectation && input.expectation->layer == 0 && !input.expectation->points.empty()) {
    std::vector<double> flat;
    for (const auto& point : input.expectation->points) {
      flat.insert(flat.end(), point.begin(), point.end());
    }
    const auto values = operators::values_at(problem.sampled(), 0, own.functions[0].get(), flat);
    const auto others = operators::values_at(half.sampled(), 0, other.functions[0].get(), flat);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Sums from = from_point(problem, input, i);
      paths += static_cast<double>(samples);
      all.push_back({.name = fmt::format("E[u | point {}]", i),
                     .operators = values[i],
                     .operators_error = std::abs(values[i] - others[i]) + std::sqrt(square_error),
                     .sampled = from.mean(),
                     .standard_error = from.error()});
    }
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begun;
  phase.finish(rate_text(paths, spent.count()));
  const double error = std::sqrt(std::max(0.0, sums[2].mean()));
  problem.log().line(fmt::format("  E[u | X_0] on the dictionary is off by {:.2g} in root mean "
                                 "square, {:.2g} of its own",
                                 error, mean_square > 0 ? error / std::sqrt(mean_square) : 0));
  file.write_small("/monte_carlo/square_error",
                   std::vector<double>{sums[2].mean(), sums[2].error()}, {2},
                   {{"meaning", "mean square error of E[u | X_0] on the dictionary, from pairs of "
                                "paths from the same inputs; its standard error"},
                    {"unit", "-"}});
  return report_comparison(problem, all, samples,
                           "add functions ('dictionary.outputs', 'degree', 'features') or paths",
                           file);
}

} // namespace komori::analyses
