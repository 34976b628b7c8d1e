/// Quantities by operators beside the same by sampled paths.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analyses/network_problem.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

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
  void add(const Sums& other) {
    weight += other.weight;
    weight2 += other.weight2;
    value += other.value;
    value_weight2 += other.value_weight2;
    value2_weight2 += other.value2_weight2;
  }
  double mean() const { return value / weight; }
  /// Standard error of the ratio of sums.
  double error() const {
    const double m = mean();
    return std::sqrt(std::max(0.0, value2_weight2 - 2 * m * value_weight2 + m * m * weight2)) /
           weight;
  }
  /// That of the share of an event of probability p: of one event at least, so that what never
  /// happened, or once, is not taken for certain.
  double share_error(double p) const {
    const double least = weight2 / (weight * weight); // of one path
    return std::sqrt(std::max(p * (1 - p), least) * least);
  }
};
/// Over all ranks. Collective.
void add_up(MPI_Comm comm, std::vector<Sums>& sums);

/// Sums over all paths of what `part(begin, end)` gives for paths [begin, end) on all ranks, in
/// parts of a million, between which the state is saved and a stop is heeded: a run that goes on
/// ends with the same numbers. Collective.
std::vector<Sums>
sums_in_parts(LayerProblem& problem, const std::string& phase, std::int64_t samples,
              std::size_t quantities,
              const std::function<std::vector<Sums>(std::int64_t, std::int64_t)>& part);

/// A quantity by both ways.
struct Comparison {
  std::string name{};
  int layer = 0;
  bool bin = false;   ///< the probability of a range of values, one of many: shown if it deviates
  bool share = false; ///< a probability
  double operators = 0;
  double operators_error = 0; ///< of the grid, or of functions that are missing in a dictionary
  double sampled = 0;
  double standard_error = 0;
  /// Beyond what the operators leave open, in standard errors.
  double deviation() const {
    const double gap = std::max(0.0, std::abs(operators - sampled) - operators_error);
    return standard_error > 0 ? gap / standard_error : (gap > 1e-12 ? 1e9 : 0);
  }
};

/// Paths in batches that fit a cache.
inline constexpr std::size_t path_batch = 2048;
/// Calls `body(first path, count)` for the batches of at most `size` of this rank, dealt out in
/// turn; an InputError of one rank is thrown on all. Collective.
void for_batches(base::Session& session, std::int64_t begin, std::int64_t end, std::size_t size,
                 const std::function<void(std::uint64_t, std::size_t)>& body);

/// E[u | X_layer = x] at point number `which` of the section `expectation`, from paths that begin
/// there. Collective.
Sums from_point(LayerProblem& problem, const NetworkStudyInput& input, std::size_t which);
/// The share of paths from point number `which` of the section `probability` that end in its set.
/// Collective.
Sums share_from_point(LayerProblem& problem, const NetworkStudyInput& input, std::size_t which);

/// Prints and writes /monte_carlo; false where the two ways contradict each other, and a warning
/// that says what to do. Collective.
bool report_comparison(LayerProblem& problem, const std::vector<Comparison>& all,
                       std::int64_t samples, const std::string& remedy, io::ResultFile& file);

/// "3.1e+06 paths/s" for the log. Local.
std::string rate_text(double paths, double seconds);

} // namespace komori::analyses
