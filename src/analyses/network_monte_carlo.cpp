#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "base/signals.hpp"
#include "models/network_paths.hpp"

namespace komori::analyses {
namespace {

using base::UniqueVec;

constexpr std::size_t batch = 2048;
constexpr int bins = 12;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

/// Sums of one quantity over weighted paths: enough for its mean and the error of that.
struct Sums {
  double weight = 0;
  double weight2 = 0;
  double value = 0;
  double value_weight2 = 0;
  double value2_weight2 = 0;
  void add(double w, double v) {
    weight += w;
    weight2 += w * w;
    value += w * v;
    value_weight2 += w * w * v;
    value2_weight2 += w * w * v * v;
  }
  double mean() const { return value / weight; }
  /// Standard error of the ratio of sums.
  double error() const {
    const double m = mean();
    return std::sqrt(std::max(0.0, value2_weight2 - 2 * m * value_weight2 + m * m * weight2)) /
           weight;
  }
};

void add_up(MPI_Comm comm, std::vector<Sums>& sums) {
  constexpr std::size_t fields = 5;
  static_assert(sizeof(Sums) == fields * sizeof(double));
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size() * fields), MPI_DOUBLE,
                MPI_SUM, comm);
}

/// Calls `body(first path, count)` for the batches of this rank, dealt out in turn. Collective.
void for_batches(base::Session& session, std::int64_t samples, const std::string& what,
                 const std::function<void(std::uint64_t, std::size_t)>& body) {
  const std::int64_t batches = (samples + std::int64_t{batch} - 1) / std::int64_t{batch};
  const std::int64_t rounds = (batches + session.size() - 1) / session.size();
  for (std::int64_t round = 0; round < rounds; ++round) {
    const std::int64_t which = round * session.size() + session.rank();
    const std::int64_t first = which * std::int64_t{batch};
    if (first < samples) {
      body(static_cast<std::uint64_t>(first),
           static_cast<std::size_t>(std::min(samples - first, std::int64_t{batch})));
    }
    if (round % 64 != 63) continue;
    session.log().progress(static_cast<double>(round) / static_cast<double>(rounds), what);
    base::stop_if_asked(session.comm(), "no result was written");
  }
}

/// A quantity by both ways.
struct Comparison {
  std::string name{};
  double operators = 0;
  double grid_error = 0;
  double sampled = 0;
  double standard_error = 0;
  /// Beyond what the grid leaves open, in standard errors.
  double deviation() const {
    const double gap = std::max(0.0, std::abs(operators - sampled) - grid_error);
    return standard_error > 0 ? gap / standard_error : (gap > 1e-12 ? 1e9 : 0);
  }
};

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

/// Means and bins of every variable of every layer, and the observable: operators' side.
std::vector<Comparison> by_operators(NetworkProblem& problem, const NetworkStudyInput& input) {
  std::vector<Comparison> all;
  UniqueVec density = initial_density(problem, input.density);
  for (int n = 0; n <= problem.depth(); ++n) {
    const operators::LayerSpace& space = problem.space(n);
    if (n > 0) density = problem.shares().transfer(n - 1, density.get());
    for (int k = 0; k < space.dimension(); ++k) {
      const std::string name = space.grid().axis(k).name();
      all.push_back({.name = "mean of " + name, .operators = mean_of(space, density.get(), k)});
      const std::vector<double> masses = bin_masses(space, density.get(), k);
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
    const UniqueVec initial = initial_density(problem, input.density);
    all.push_back({.name = "mean of the observable",
                   .operators = problem.chain().dot(0, initial.get(), functions[0].get())});
  }
  return all;
}

/// The same from paths.
std::vector<Sums> by_paths(NetworkProblem& problem, const NetworkStudyInput& input,
                           std::size_t quantities) {
  const models::Network& network = problem.network();
  const NetworkMonteCarloInput& asked = *input.monte_carlo;
  const models::PathSampler sampler(network, static_cast<std::uint64_t>(asked.seed));
  std::optional<config::Formula> initial;
  if (input.density && input.density->initial.given()) {
    initial.emplace(input.density->initial, network.variables(0));
  }
  std::optional<config::Formula> observable;
  if (input.observable) observable.emplace(observable_formula(network, *input.observable));
  std::vector<Sums> sums(quantities);
  std::vector<double> weights(batch);
  for_batches(
      problem.session(), asked.samples, "paths", [&](std::uint64_t first, std::size_t count) {
        std::vector<double> x(count * network.width(0));
        sampler.inputs(first, count, x);
        for (std::size_t p = 0; p < count; ++p) {
          const std::span<const double> point(x.data() + p * network.width(0), network.width(0));
          weights[p] = initial ? (*initial)(point) : 1;
        }
        std::size_t quantity = 0;
        for (int n = 0; n <= problem.depth(); ++n) {
          const std::size_t width = network.width(at(n));
          if (n > 0) {
            std::vector<double> next(count * width);
            sampler.step(at(n) - 1, first, count, x, next);
            x = std::move(next);
          }
          for (std::size_t k = 0; k < width; ++k) {
            const models::Interval range = problem.space(n).range(static_cast<int>(k));
            const double scale = bins / (range.to - range.from);
            for (std::size_t p = 0; p < count; ++p) {
              const double value = x[p * width + k];
              sums[quantity].add(weights[p], value);
              const int own =
                  std::clamp(static_cast<int>((value - range.from) * scale), 0, bins - 1);
              for (int b = 0; b < bins; ++b) {
                sums[quantity + 1 + at(b)].add(weights[p], b == own ? 1 : 0);
              }
            }
            quantity += 1 + bins;
          }
        }
        if (!observable) return;
        const std::size_t outputs = network.width(at(problem.depth()));
        for (std::size_t p = 0; p < count; ++p) {
          sums[quantity].add(
              weights[p], (*observable)(std::span<const double>(x.data() + p * outputs, outputs)));
        }
      });
  add_up(problem.session().comm(), sums);
  return sums;
}

/// E[u | X_layer = x] at one point from paths that begin there.
Sums from_point(NetworkProblem& problem, const NetworkStudyInput& input, std::size_t which) {
  const models::Network& network = problem.network();
  const NetworkMonteCarloInput& asked = *input.monte_carlo;
  const NetworkExpectationInput& expectation = *input.expectation;
  const models::PathSampler sampler(network, static_cast<std::uint64_t>(asked.seed), which + 1);
  const config::Formula formula = observable_formula(network, *input.observable);
  const auto layer = static_cast<std::size_t>(expectation.layer);
  const std::size_t outputs = network.width(network.depth());
  std::vector<Sums> sums(1);
  for_batches(problem.session(), asked.samples, "paths from a point",
              [&](std::uint64_t first, std::size_t count) {
                std::vector<double> x;
                for (std::size_t p = 0; p < count; ++p) {
                  x.insert(x.end(), expectation.points[which].begin(),
                           expectation.points[which].end());
                }
                for (std::size_t n = layer; n < network.depth(); ++n) {
                  std::vector<double> next(count * network.width(n + 1));
                  sampler.step(n, first, count, x, next);
                  x = std::move(next);
                }
                for (std::size_t p = 0; p < count; ++p) {
                  sums[0].add(1, formula(std::span<const double>(x.data() + p * outputs, outputs)));
                }
              });
  add_up(problem.session().comm(), sums);
  return sums[0];
}

} // namespace

bool monte_carlo(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 const PointValues& points, io::ResultFile& file) {
  base::Phase phase(problem.log(), "monte carlo");
  std::vector<Comparison> all = by_operators(problem, input);
  const std::vector<Comparison> others = by_operators(coarse, input);
  const std::vector<Sums> sums = by_paths(problem, input, all.size());
  for (std::size_t q = 0; q < all.size(); ++q) {
    all[q].grid_error = std::abs(all[q].operators - others[q].operators);
    all[q].sampled = sums[q].mean();
    all[q].standard_error = sums[q].error();
  }
  for (std::size_t i = 0; i < points.values.size(); ++i) {
    const Sums one = from_point(problem, input, i);
    all.push_back(
        {.name = fmt::format("E[u | x = {:g}]", fmt::join(input.expectation->points[i], ", ")),
         .operators = points.values[i],
         .grid_error = points.errors[i],
         .sampled = one.mean(),
         .standard_error = one.error()});
  }
  double worst = 0;
  std::vector<double> flat;
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> rows;
  for (const Comparison& one : all) {
    worst = std::max(worst, one.deviation());
    names.push_back(one.name);
    for (const double value : {one.operators, one.grid_error, one.sampled, one.standard_error}) {
      flat.push_back(value);
    }
    if (one.name.starts_with("bin") && one.deviation() <= 4) continue;
    rows.push_back({one.name, fmt::format("{:.8g}", one.operators),
                    fmt::format("{:.8g}", one.sampled), fmt::format("{:.1e}", one.standard_error),
                    fmt::format("{:.2f}", one.deviation())});
  }
  phase.finish(fmt::format("{} paths, {} quantities", input.monte_carlo->samples, all.size()));
  file.write_strings("/monte_carlo/names", names, {{"meaning", "quantities compared"}});
  file.write_small("/monte_carlo/values", flat, {static_cast<hsize_t>(all.size()), 4},
                   {{"meaning", "by operators, error of the grid, by paths, standard error"},
                    {"unit", "-"},
                    {"samples", input.monte_carlo->samples},
                    {"largest_deviation", worst}});
  problem.log().table("Operators against sampled paths",
                      {"quantity", "operators", "paths", "std. error", "deviation"}, rows);
  if (worst > 4) {
    problem.log().warning(fmt::format("monte_carlo: a quantity deviates by {:.1f} standard errors "
                                      "beyond the error of the grid; refine 'layers.cells'",
                                      worst));
  }
  return worst <= 5;
}

} // namespace komori::analyses
