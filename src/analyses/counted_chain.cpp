#include "analyses/counted_chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "linalg/pair_order.hpp"

namespace komori::analyses {

using base::check;

void declare(config::Declarer& declarer, BootstrapInput& input) {
  using config::Range;
  declarer.integer("samples", input.samples,
                   {.help = "How many sets of blocks are drawn; 0: no bands."},
                   Range::between(0, 100'000));
  declarer.real("block", input.block,
                {.help =
                     "Length of a block; it should exceed the slowest time scale. 0: a hundredth "
                     "of the data.",
                 .unit = "time"},
                Range::at_least(0));
  declarer.real("confidence", input.confidence, {.help = "What share of samples a band holds."},
                {.min = 0, .max = 1, .min_excluded = true, .max_excluded = true});
  declarer.integer("seed", input.seed, {.help = "Of the draws."}, Range::at_least(0));
}

std::int64_t block_frames(const operators::TrajectorySource& source, const BootstrapInput& input) {
  if (input.block > 0) return models::frames_of(input.block, source.dt(), "'bootstrap.block'");
  return std::max<std::int64_t>(1, source.frames() / 100);
}

Band band(std::vector<double> values, double confidence) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.size() < 2) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return {nan, nan};
  }
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double p) {
    const double place = p * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {quantile((1 - confidence) / 2), quantile((1 + confidence) / 2)};
}

void introduce_data(base::Log& log, const operators::TrajectorySource& source) {
  log.line(fmt::format("  {} frames in {} piece{}, {:g} apart; {} pairs at lag {:g}",
                       source.frames(), source.pieces().size(),
                       source.pieces().size() == 1 ? "" : "s", source.dt(),
                       source.pairs(source.lag_frames()), source.lag()));
}

CountedChain::CountedChain(base::Log& log, const operators::TrajectorySource& source,
                           const spaces::Grid& grid, const operators::CountsInput& how) {
  base::Phase counting(log, "counting");
  operators::TransitionCounts counts(source, grid, source.lag_frames(), how);
  chain = operators::estimate_chain(counts.data(), how);
  counting.finish(fmt::format("{} transitions", chain.transfer.nonzeros));
  facts = {{"visited_cells", chain.visited},
           {"connected_cells", chain.states},
           {"kept_pairs", chain.kept},
           {"pairs", counts.pairs()},
           {"skipped_pairs", counts.skipped()}};
  log.line(fmt::format("  {} cells visited; {} lead to each other and hold {:.4f} % of the pairs",
                       chain.visited, chain.states, 100 * chain.kept));
  if (counts.skipped() > 0) {
    log.warning(fmt::format("{} pairs were left out because a frame lies outside the grid",
                            counts.skipped()));
  }
  if (chain.kept < 0.9) {
    log.warning(fmt::format("only {:.3g} % of the pairs lie in the largest connected set of cells; "
                            "use fewer cells, a shorter lag, or more data",
                            100 * chain.kept));
  }
}

CountedData::CountedData(const operators::TrajectorySource& source, const spaces::Grid& grid,
                         const operators::CountsInput& counts, const BootstrapInput& bootstrap)
    : source_(source), grid_(grid), counts_(counts), bootstrap_(bootstrap),
      block_(block_frames(source, bootstrap)),
      blocks_(source, block_, static_cast<std::uint64_t>(bootstrap.seed)) {}

operators::TransitionCounts CountedData::count(std::int64_t lag) const {
  return {source_, grid_, lag, counts_};
}

operators::EstimatedChain CountedData::estimate(Mat counts) const {
  return operators::estimate_chain(counts, counts_);
}

void CountedData::for_each_sample(
    const std::vector<std::int64_t>& lags, std::int64_t entries,
    const std::function<void(std::int64_t, const std::vector<Mat>&)>& visit) const {
  constexpr std::int64_t room = 32'000'000; // counts held at once, 256 MB
  const std::int64_t each =
      std::max<std::int64_t>(1, entries) * static_cast<std::int64_t>(lags.size());
  const std::int64_t group = std::clamp<std::int64_t>(room / each, 1, 1000);
  for (std::int64_t first = 0; first < bootstrap_.samples; first += group) {
    const std::int64_t samples = std::min(group, bootstrap_.samples - first);
    std::vector<operators::TransitionCounts> counts;
    for (const std::int64_t lag : lags) {
      counts.emplace_back(source_, grid_, lag, counts_, &blocks_, first, samples);
    }
    for (std::int64_t s = 0; s < samples; ++s) {
      std::vector<Mat> matrices;
      for (auto& count : counts) matrices.push_back(count.sample(s));
      visit(first + s, matrices);
    }
  }
}

linalg::EigenPairs leading_pairs(Mat matrix, PetscInt pairs, const std::string& prefix,
                                 const std::vector<Vec>& start) {
  PetscInt size = 0;
  check(MatGetSize(matrix, &size, nullptr));
  base::Log silent(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)));
  silent.set_level(base::Log::Level::quiet);
  linalg::EigenRequest request{.pairs = std::min<PetscInt>(pairs + 2, size),
                               .tolerance = 1e-9,
                               .largest = true,
                               .prefix = prefix,
                               .start = start,
                               .max_iterations = 200};
  linalg::EigenPairs found = linalg::general_pairs(matrix, request, silent);
  constexpr PetscInt most_factorised = 100'000;
  if (static_cast<PetscInt>(found.values.size()) < std::min(pairs, size) &&
      size <= most_factorised) {
    request.largest = false;
    request.max_iterations = 0;
    request.shift = 1 + 1e-4;
    found = linalg::general_pairs(matrix, request, silent);
  }
  linalg::sort_units(found, [](std::complex<double> a, std::complex<double> b) {
    return std::abs(a) > std::abs(b);
  });
  linalg::keep_first(found, static_cast<std::size_t>(pairs));
  return found;
}

} // namespace komori::analyses
