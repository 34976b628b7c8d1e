#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::InputError;
using base::UniqueVec;
using operators::Direction;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

/// Function m along one variable, t in [-1, 1].
double along(const std::string& family, int m, double t) {
  if (family == "fourier") {
    const int wave = (m + 1) / 2; // cosine and sine of each
    const double angle = std::numbers::pi * wave * t;
    return m == 0 ? 1 : m % 2 == 1 ? std::cos(angle) : std::sin(angle);
  }
  double before = 1;
  double value = m == 0 ? 1 : t;
  for (int k = 2; k <= m; ++k) {
    const double next = ((2 * k - 1) * t * value - (k - 1) * before) / k;
    before = value;
    value = next;
  }
  return value;
}

/// The first `count` exponents of `d` variables, by total degree, the first variable's largest
/// first within one.
std::vector<std::vector<int>> exponents(int d, std::int64_t count) {
  std::vector<std::vector<int>> all;
  const auto left = [&] { return static_cast<std::int64_t>(all.size()) < count; };
  std::vector<int> one(at(d), 0);
  const std::function<void(int, int)> fill = [&](int k, int rest) {
    if (!left()) return;
    if (k == d - 1) {
      one[at(k)] = rest;
      all.push_back(one);
      return;
    }
    for (int m = rest; m >= 0; --m) {
      one[at(k)] = m;
      fill(k + 1, rest - m);
    }
  };
  for (int degree = 0; left(); ++degree) fill(0, degree);
  return all;
}

std::vector<UniqueVec> basis_functions(const operators::LayerSpace& space,
                                       const NetworkProjectionInput& input) {
  std::vector<UniqueVec> functions;
  const bool linear = input.kind == "linear";
  const std::int64_t rank = linear ? space.dimension() + 1 : input.rank;
  for (const std::vector<int>& powers : exponents(space.dimension(), rank)) {
    functions.push_back(space.sampled([&](std::span<const double> x) {
      double value = 1;
      for (int k = 0; k < space.dimension(); ++k) {
        const models::Interval range = space.range(k);
        const double t = (2 * x[at(k)] - range.from - range.to) / (range.to - range.from);
        value *= along(linear ? "legendre" : input.family, powers[at(k)], t);
      }
      return value;
    }));
  }
  return functions;
}

/// One direction's terms as tables [step][lag].
struct Terms {
  std::vector<double> resolved{};
  std::vector<double> streaming{};
  std::vector<double> noise{};
  std::vector<std::vector<double>> memory{};
  double identity = 0;
};

Terms terms_of(LayerProblem& problem, Direction direction, const NetworkStudyInput& input) {
  const auto projections = problem.projections(*input.projection);
  UniqueVec start;
  double first = 0;
  if (direction == Direction::backward) {
    start = problem.observable(*input.observable);
    const UniqueVec resolved = projections.back()->apply(start.get());
    first = problem.chain().norm(problem.depth(), resolved.get());
  } else {
    start = problem.initial(input.density);
    const UniqueVec resolved = projections.front()->apply(start.get());
    first = problem.chain().norm(0, resolved.get());
  }
  Terms all;
  all.resolved.push_back(first);
  operators::memory_terms(problem.chain(), direction, projections, start.get(),
                          [&](const operators::MemoryTerms& terms) {
                            all.resolved.push_back(terms.resolved);
                            all.streaming.push_back(terms.streaming);
                            all.noise.push_back(terms.noise);
                            all.memory.push_back(terms.memory);
                            all.identity = std::max(all.identity, terms.identity);
                          });
  return all;
}

/// What the noise alone guarantees of a memory term: the product of sqrt(K) of the steps it has
/// crossed and the norm of what was sent. [step][lag].
std::vector<std::vector<double>> bounds_of(const LayerProblem& problem, Direction direction,
                                           const Terms& terms) {
  const int depth = problem.depth();
  std::vector<double> half_logs = problem.log_contractions();
  if (half_logs.empty()) return {};
  for (double& value : half_logs) value *= 0.5;
  if (direction == Direction::backward) std::reverse(half_logs.begin(), half_logs.end());
  std::vector<std::vector<double>> bounds;
  for (int k = 0; k < depth; ++k) {
    std::vector<double> row;
    double sum = half_logs[at(k)];
    for (int lag = 1; lag <= k; ++lag) {
      sum += half_logs[at(k - lag)];
      row.push_back(std::exp(sum) * terms.resolved[at(k - lag)]);
    }
    bounds.push_back(std::move(row));
  }
  return bounds;
}

/// Rows of different lengths as one array, 0 where there is no entry.
std::vector<double> squared(const std::vector<std::vector<double>>& rows, std::size_t columns) {
  std::vector<double> flat;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) flat.push_back(i < row.size() ? row[i] : 0);
  }
  return flat;
}

void report(LayerProblem& problem, LayerProblem& coarse, Direction direction,
            const NetworkStudyInput& input, io::ResultFile& file) {
  const bool backward = direction == Direction::backward;
  const std::string word = backward ? "backward" : "forward";
  base::Phase phase(problem.log(), "memory " + word);
  const Terms terms = terms_of(problem, direction, input);
  const Terms others = terms_of(coarse, direction, input);
  const auto bounds = bounds_of(problem, direction, terms);
  const int depth = problem.depth();
  const auto lags = at(depth - 1);
  phase.finish(fmt::format("identity to {:.1e}", terms.identity));
  std::vector<std::vector<double>> errors = terms.memory;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::int64_t> layers;
  for (int k = 0; k < depth; ++k) {
    const int layer = backward ? depth - 1 - k : k + 1;
    layers.push_back(layer);
    double largest = 0;
    for (std::size_t lag = 0; lag < terms.memory[at(k)].size(); ++lag) {
      errors[at(k)][lag] = std::abs(terms.memory[at(k)][lag] - others.memory[at(k)][lag]);
      largest = std::max(largest, terms.memory[at(k)][lag]);
    }
    rows.push_back({fmt::format("layer {}", layer),
                    fmt::format("{:.6g}", terms.resolved[at(k) + 1]),
                    fmt::format("{:.6g}", terms.streaming[at(k)]),
                    fmt::format("{:.4g}", terms.noise[at(k)]), fmt::format("{:.4g}", largest)});
  }
  problem.log().table(fmt::format("Mori-Zwanzig terms, {}", word),
                      {"at", "resolved", "streaming", "noise", "largest memory"}, rows);
  rows.clear();
  for (std::size_t lag = 0; lag < lags; ++lag) {
    rows.push_back({std::to_string(lag + 1), fmt::format("{:.6g}", terms.memory.back()[lag]),
                    fmt::format("{:.1e}", errors.back()[lag]),
                    bounds.empty() ? "-" : fmt::format("{:.3g}", bounds.back()[lag])});
  }
  if (lags > 0) {
    problem.log().table(fmt::format("Memory at layer {} by lag", layers.back()),
                        {"lag", "norm", problem.error_name(), "bound from the noise"}, rows);
  }
  const std::string group = "/memory/" + word;
  const auto steps = static_cast<hsize_t>(depth);
  file.write_integers(group + "/layer", layers, {steps},
                      {{"meaning", "layer at which each step ends"}, {"unit", "-"}});
  const auto write = [&](const char* name, const std::vector<double>& values, const char* meaning) {
    file.write_small(group + "/" + name, values, {static_cast<hsize_t>(values.size())},
                     {{"meaning", meaning}, {"unit", "norm in L2 of the layer"}});
  };
  write("resolved", std::vector<double>(terms.resolved.begin() + 1, terms.resolved.end()),
        "norm of P g at each step");
  write("streaming", terms.streaming, "norm of the streaming term");
  write("noise", terms.noise, "norm of the noise term");
  if (lags > 0) {
    const std::vector<hsize_t> shape{steps, static_cast<hsize_t>(lags)};
    file.write_small(group + "/memory", squared(terms.memory, lags), shape,
                     {{"meaning", "norms of the memory terms [step, lag - 1]; 0 beyond the first "
                                  "layer"},
                      {"unit", "norm in L2 of the layer"}});
    file.write_small(group + "/memory_error", squared(errors, lags), shape,
                     {{"meaning", "difference from a problem half as fine"},
                      {"unit", "norm in L2 of the layer"}});
    if (!bounds.empty())
      file.write_small(
          group + "/memory_bound", squared(bounds, lags), shape,
          {{"meaning", "product of sqrt(K_n) of the steps crossed, times the norm sent"},
           {"unit", "norm in L2 of the layer"}});
  }
  file.annotate(group, {{"identity", terms.identity}});
}

} // namespace

std::vector<std::vector<int>> kept_variables(const models::Network& network,
                                             const NetworkProjectionInput& input) {
  std::vector<std::vector<int>> kept;
  std::vector<std::string> unknown = input.neurons;
  std::vector<std::string> known;
  for (std::size_t n = 0; n <= network.depth(); ++n) {
    std::vector<int> here;
    const std::vector<std::string> names = network.variables(n);
    known.insert(known.end(), names.begin(), names.end());
    for (std::size_t k = 0; k < names.size(); ++k) {
      if (std::find(input.neurons.begin(), input.neurons.end(), names[k]) == input.neurons.end()) {
        continue;
      }
      here.push_back(static_cast<int>(k));
      std::erase(unknown, names[k]);
    }
    if (here.empty()) {
      for (std::size_t k = 0; k < names.size(); ++k) here.push_back(static_cast<int>(k));
    }
    kept.push_back(std::move(here));
  }
  if (input.kind == "neurons" && !unknown.empty()) {
    throw InputError(fmt::format("{}: 'projection.neurons' names '{}', which is no variable of the "
                                 "network. Variables: {}",
                                 input.origin.text(), unknown.front(), fmt::join(known, ", ")));
  }
  return kept;
}

std::vector<std::unique_ptr<operators::LayerProjection>>
NetworkProblem::projections(const NetworkProjectionInput& input) const {
  std::vector<std::unique_ptr<operators::LayerProjection>> projections;
  const auto kept = kept_variables(network(), input);
  for (int n = 0; n <= depth(); ++n) {
    if (input.kind == "neurons") {
      projections.push_back(operators::project_on_variables(space(n), kept[at(n)]));
    } else {
      projections.push_back(operators::project_on(chain(), n, basis_functions(space(n), input)));
    }
  }
  return projections;
}

bool memory(LayerProblem& problem, LayerProblem& coarse, const NetworkStudyInput& input,
            io::ResultFile& file) {
  const NetworkMemoryInput asked = input.memory.value_or(NetworkMemoryInput{});
  if (asked.direction != "forward") report(problem, coarse, Direction::backward, input, file);
  if (asked.direction != "backward") report(problem, coarse, Direction::forward, input, file);
  return true;
}

} // namespace komori::analyses
