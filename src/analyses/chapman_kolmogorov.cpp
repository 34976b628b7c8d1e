#include "analyses/chapman_kolmogorov.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/formula.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Constants = std::vector<std::pair<std::string, double>>;

/// The stationary masses of a chain: its leading left eigenvector, scaled to the sum 1.
base::UniqueVec stationary_masses(Mat matrix, const std::vector<Vec>& start) {
  base::UniqueMat transposed;
  check(MatTranspose(matrix, MAT_INITIAL_MATRIX, transposed.put()));
  linalg::EigenPairs pairs = leading_pairs(transposed.get(), 1, "time_scales_", start);
  if (pairs.values.empty()) {
    throw base::ConvergenceError("the stationary density of the chain did not converge; raise "
                                 "-time_scales_eps_max_it or -time_scales_eps_ncv");
  }
  base::UniqueVec masses = std::move(pairs.vectors.front());
  check(VecScale(masses.get(), 1 / base::sum(masses.get())));
  return masses;
}

/// Probabilities between sets for each number of steps.
using Table = std::vector<std::vector<double>>;

Table predict(Mat matrix, Vec masses, const std::vector<base::UniqueVec>& sets,
              const std::vector<std::int64_t>& steps) {
  const std::size_t m = sets.size();
  Table table(steps.size(), std::vector<double>(m * m, std::nan("")));
  const base::UniqueVec weighted = base::duplicate(masses);
  std::vector<base::UniqueVec> starts;
  std::vector<double> weights;
  for (const base::UniqueVec& set : sets) {
    check(VecPointwiseMult(weighted.get(), set.get(), masses));
    starts.push_back(base::duplicate(masses));
    check(VecCopy(weighted.get(), starts.back().get()));
    weights.push_back(base::sum(weighted.get()));
  }
  base::UniqueVec now = base::duplicate(masses);
  base::UniqueVec next = base::duplicate(masses);
  for (std::size_t j = 0; j < m; ++j) {
    check(VecCopy(sets[j].get(), now.get()));
    std::int64_t at = 0;
    for (std::size_t k = 0; k < steps.size(); ++k) {
      for (; at < steps[k]; ++at) {
        check(MatMult(matrix, now.get(), next.get()));
        std::swap(now, next);
      }
      for (std::size_t i = 0; i < m; ++i) {
        if (weights[i] > 0)
          table[k][i * m + j] = base::dot(starts[i].get(), now.get()) / weights[i];
      }
    }
  }
  return table;
}

/// One row of a table: of the counts that begin in each set, the share that ends in each.
std::vector<double> shares(Mat counts, const std::vector<base::UniqueVec>& sets) {
  const std::size_t m = sets.size();
  std::vector<double> row(m * m, std::nan(""));
  const base::UniqueVec reached = base::duplicate(sets.front().get());
  std::vector<double> from;
  check(MatGetRowSum(counts, reached.get()));
  for (const base::UniqueVec& set : sets) from.push_back(base::dot(set.get(), reached.get()));
  for (std::size_t j = 0; j < m; ++j) {
    check(MatMult(counts, sets[j].get(), reached.get()));
    for (std::size_t i = 0; i < m; ++i) {
      if (from[i] > 0) row[i * m + j] = base::dot(sets[i].get(), reached.get()) / from[i];
    }
  }
  return row;
}

std::vector<std::int64_t> lags_of(const operators::TrajectorySource& source,
                                  const std::vector<std::int64_t>& steps) {
  std::vector<std::int64_t> lags{source.lag_frames()};
  for (const std::int64_t k : steps) lags.push_back(k * source.lag_frames());
  return lags;
}

std::vector<std::int64_t> whole(const std::vector<double>& steps) {
  std::vector<std::int64_t> numbers;
  for (const double k : steps) numbers.push_back(static_cast<std::int64_t>(k));
  return numbers;
}

void write(io::ResultFile& file, const std::string& what, const std::string& meaning,
           const std::vector<std::vector<double>>& table,
           const std::vector<std::vector<Band>>& bands, std::size_t m) {
  std::vector<double> values;
  std::vector<double> lower;
  std::vector<double> upper;
  for (const auto& row : table) values.insert(values.end(), row.begin(), row.end());
  for (const auto& row : bands) {
    for (const Band& b : row) {
      lower.push_back(b.lower);
      upper.push_back(b.upper);
    }
  }
  const std::vector<hsize_t> shape{table.size(), m, m};
  const io::Attribute unit{"unit", std::string("-")};
  const std::string name = "/chapman_kolmogorov/" + what;
  file.write_small(name, values, shape, {{"meaning", meaning + ", step by from by to"}, unit});
  if (lower.empty()) return;
  file.write_small(name + "_lower", lower, shape,
                   {{"meaning", "lower end of the band of: " + meaning}, unit});
  file.write_small(name + "_upper", upper, shape,
                   {{"meaning", "upper end of the band of: " + meaning}, unit});
}

} // namespace

NamedSets sets_of(const spaces::Grid& grid, const ChapmanKolmogorovInput& input,
                  const Constants& constants) {
  NamedSets result;
  for (const auto& [name, text] : input.sets) {
    const config::Formula formula(text, grid.names(), constants);
    result.names.push_back(name);
    result.indicators.push_back(
        grid.sampled([&](std::span<const double> x) { return formula(x) != 0 ? 1.0 : 0.0; }));
  }
  return result;
}

NamedSets sets_of(Vec assignment, std::size_t count) {
  NamedSets result;
  const base::ReadArray number(assignment);
  for (std::size_t j = 0; j < count; ++j) {
    result.names.push_back(fmt::format("set {}", j));
    result.indicators.push_back(base::duplicate(assignment));
    const base::WriteArray inside(result.indicators.back().get());
    for (std::size_t i = 0; i < inside.size(); ++i) {
      inside[i] = number[i] == static_cast<double>(j) ? 1 : 0;
    }
  }
  return result;
}

void declare(config::Declarer& declarer, ChapmanKolmogorovInput& input) {
  declarer.reals("steps", input.steps,
                 {.help = "After how many steps of 'model.lag' prediction and data are compared."},
                 config::Range::at_least(1));
  declarer.named_formulas("sets", "<set>", input.sets,
                          {.help = "Sets of cells: where a formula of the variables is not 0, e.g. "
                                   "'x < 0'. They must not overlap."});
  declarer.boolean("coarse", input.coarse,
                   {.help = "Instead of 'sets': those that 'coarse_sets' finds."});
  if (!declarer.reading()) return;
  if (input.coarse && !input.sets.empty()) {
    declarer.reject("coarse", "stands in place of 'sets'; give one of them");
  }
  if (!input.coarse && input.sets.empty()) {
    declarer.reject("sets", "names nothing; add e.g. 'sets: {left: x < 0, right: x > 0}', or "
                            "'coarse: true'");
  }
  for (std::size_t i = 0; i < input.steps.size(); ++i) {
    const double k = input.steps[i];
    if (k != std::floor(k) || k > 1e9 || (i > 0 && k <= input.steps[i - 1])) {
      declarer.reject("steps", "must hold increasing whole numbers, e.g. [1, 2, 5]");
    }
  }
}

void validate(const operators::TrajectorySource& source, const spaces::Grid& grid,
              const ChapmanKolmogorovInput& input, const Constants& constants) {
  for (const double k : input.steps) {
    source.require_pairs(static_cast<std::int64_t>(k) * source.lag_frames(),
                         fmt::format("'chapman_kolmogorov.steps' holds {:g}", k));
  }
  const std::vector<base::UniqueVec> sets = sets_of(grid, input, constants).indicators;
  base::UniqueVec covered = grid.vector();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const config::FormulaText& text = input.sets[i].second;
    if (base::sum(sets[i].get()) == 0) {
      throw base::InputError(fmt::format("{}: '{}' holds at no cell centre of the grid; widen it",
                                         text.origin.text(), text.path));
    }
    check(VecAXPY(covered.get(), 1, sets[i].get()));
    PetscReal most = 0;
    check(VecMax(covered.get(), nullptr, &most));
    if (most > 1) {
      throw base::InputError(
          fmt::format("{}: '{}' shares cells with a set before it; sets must not "
                      "overlap",
                      text.origin.text(), text.path));
    }
  }
}

ChapmanKolmogorov compute_chapman_kolmogorov(const CountedData& data, TransferProblem& problem,
                                             const ChapmanKolmogorovInput& input,
                                             const NamedSets& named) {
  const std::vector<base::UniqueVec>& sets = named.indicators;
  const std::size_t m = sets.size();
  ChapmanKolmogorov result;
  result.names = named.names;
  result.steps = whole(input.steps);
  const std::vector<std::int64_t> lags = lags_of(data.source(), result.steps);
  const base::UniqueVec masses = stationary_masses(problem.matrix(), {});
  result.predicted = predict(problem.matrix(), masses.get(), sets, result.steps);
  std::int64_t entries = 1;
  for (std::size_t k = 1; k < lags.size(); ++k) {
    operators::TransitionCounts counts = data.count(lags[k]);
    entries = std::max(entries, counts.entries());
    result.estimated.push_back(shares(counts.data(), sets));
  }
  // By step, entry, and sample.
  const std::size_t steps = result.steps.size();
  std::vector<std::vector<std::vector<double>>> predictions(
      steps, std::vector<std::vector<double>>(m * m));
  auto estimates = predictions;
  data.for_each_sample(lags, entries, [&](std::int64_t s, const std::vector<Mat>& counts) {
    const operators::EstimatedChain chain = data.estimate(counts.front());
    const Mat matrix = chain.transfer.matrix.get();
    const Table table =
        predict(matrix, stationary_masses(matrix, {masses.get()}).get(), sets, result.steps);
    for (std::size_t k = 0; k < steps; ++k) {
      const std::vector<double> row = shares(counts[k + 1], sets);
      for (std::size_t e = 0; e < m * m; ++e) {
        predictions[k][e].push_back(table[k][e]);
        estimates[k][e].push_back(row[e]);
      }
    }
    problem.log().progress(static_cast<double>(s + 1) /
                               static_cast<double>(data.bootstrap().samples),
                           fmt::format("sample {}", s + 1));
  });
  const double confidence = data.bootstrap().confidence;
  for (std::size_t k = 0; k < steps; ++k) {
    for (std::size_t e = 0; e < m * m; ++e) {
      const double apart = std::abs(result.predicted[k][e] - result.estimated[k][e]);
      if (apart > result.worst) result.worst = apart;
    }
    if (data.bootstrap().samples == 0) continue;
    result.predicted_bands.emplace_back();
    result.estimated_bands.emplace_back();
    for (std::size_t e = 0; e < m * m; ++e) {
      const Band p = band(std::move(predictions[k][e]), confidence);
      const Band q = band(std::move(estimates[k][e]), confidence);
      result.predicted_bands.back().push_back(p);
      result.estimated_bands.back().push_back(q);
      if (p.lower > q.upper || q.lower > p.upper) ++result.disagree;
    }
  }
  return result;
}

void chapman_kolmogorov(const CountedData& data, TransferProblem& problem,
                        const ChapmanKolmogorovInput& input, const NamedSets& named,
                        io::ResultFile& file) {
  base::Phase phase(problem.log(), "Chapman-Kolmogorov");
  const ChapmanKolmogorov result = compute_chapman_kolmogorov(data, problem, input, named);
  phase.finish(fmt::format("{} sets, {} samples", result.names.size(), data.bootstrap().samples));
  const std::size_t m = result.names.size();
  const std::size_t steps = result.steps.size();
  file.write_integers("/chapman_kolmogorov/steps", result.steps, {steps},
                      {{"meaning", std::string("steps of the chain")}, {"unit", std::string("-")}});
  file.write_strings("/chapman_kolmogorov/sets", result.names,
                     {{"meaning", std::string("names of the sets")}, {"unit", std::string("-")}});
  write(file, "predicted", "probability by powers of the chain", result.predicted,
        result.predicted_bands, m);
  write(file, "estimated", "share of the pairs at that lag", result.estimated,
        result.estimated_bands, m);
  const auto entries = static_cast<std::int64_t>(steps * m * m);
  file.annotate("/chapman_kolmogorov", {{"lag", problem.lag()},
                                        {"samples", data.bootstrap().samples},
                                        {"confidence", data.bootstrap().confidence},
                                        {"largest_difference", result.worst},
                                        {"disagreements", std::int64_t{result.disagree}},
                                        {"entries", entries}});
  std::vector<std::vector<std::string>> rows;
  for (std::size_t k = 0; k < steps; ++k) {
    for (std::size_t i = 0; i < m; ++i) {
      const std::size_t e = i * m + i;
      const auto text = [&](double value, const std::vector<std::vector<Band>>& bands) {
        return bands.empty() ? fmt::format("{:.4f}", value)
                             : fmt::format("{:.4f} [{:.4f}, {:.4f}]", value, bands[k][e].lower,
                                           bands[k][e].upper);
      };
      rows.push_back({fmt::format("{:g}", static_cast<double>(result.steps[k]) * problem.lag()),
                      result.names[i], text(result.predicted[k][e], result.predicted_bands),
                      text(result.estimated[k][e], result.estimated_bands)});
    }
  }
  problem.log().table("Chapman-Kolmogorov test: probability to be in the set one began in",
                      {"time", "set", "predicted", "counted"}, rows);
  if (data.bootstrap().samples > 0) {
    problem.log().line(
        fmt::format("  bands of prediction and data meet in {} of {} entries; largest "
                    "difference {:.4f}",
                    entries - result.disagree, entries, result.worst));
  }
}

} // namespace komori::analyses
