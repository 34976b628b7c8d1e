#include "analyses/time_scales.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

#include <fmt/format.h>

namespace komori::analyses {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// What is known at one lag, as numbers for a checkpoint: scales, lower, upper, kept.
std::vector<double> at_lag(const CountedData& data, std::int64_t lag, std::size_t count,
                           base::Log& log) {
  const double time = static_cast<double>(lag) * data.source().dt();
  const auto pairs = static_cast<PetscInt>(count) + 1;
  operators::TransitionCounts counts = data.count(lag);
  const operators::EstimatedChain chain = data.estimate(counts.data());
  const linalg::EigenPairs found =
      leading_pairs(chain.transfer.matrix.get(), pairs, "time_scales_", {});
  std::vector<double> row = scales_of(found.values, count, time);
  std::vector<Vec> start;
  for (const base::UniqueVec& vector : found.vectors) start.push_back(vector.get());
  std::vector<std::vector<double>> sampled(count);
  data.for_each_sample({lag}, counts.entries(), [&](std::int64_t s, const std::vector<Mat>& drawn) {
    const operators::EstimatedChain other = data.estimate(drawn.front());
    const linalg::EigenPairs theirs =
        leading_pairs(other.transfer.matrix.get(), pairs, "time_scales_", start);
    const std::vector<double> scales = scales_of(theirs.values, count, time);
    for (std::size_t i = 0; i < count; ++i) sampled[i].push_back(scales[i]);
    log.progress(static_cast<double>(s + 1) / static_cast<double>(data.bootstrap().samples),
                 fmt::format("lag {:g}, sample {}", time, s + 1));
  });
  append_bands(row, std::move(sampled), data.bootstrap().confidence);
  row.push_back(chain.kept);
  return row;
}

} // namespace

std::vector<double> scales_of(const std::vector<std::complex<double>>& values, std::size_t count,
                              double lag) {
  std::vector<double> scales(count, nan);
  for (std::size_t i = 1; i < values.size() && i <= count; ++i) {
    const double modulus = std::abs(values[i]);
    const bool decays = modulus > 0 && modulus < 1;
    if (decays && (values[i].imag() != 0 || values[i].real() > 0)) {
      scales[i - 1] = -lag / std::log(modulus);
    }
  }
  return scales;
}

void append_bands(std::vector<double>& row, std::vector<std::vector<double>> sampled,
                  double confidence) {
  std::vector<Band> bands;
  for (auto& values : sampled) bands.push_back(band(std::move(values), confidence));
  for (const Band& b : bands) row.push_back(b.lower);
  for (const Band& b : bands) row.push_back(b.upper);
}

void declare(config::Declarer& declarer, TimeScalesInput& input) {
  declarer.reals("lags", input.lags,
                 {.help = "Lags at which the chain is estimated anew, multiples of 'model.dt'.",
                  .unit = "time",
                  .need = config::Need::required},
                 config::Range::positive());
  declarer.integer("pairs", input.pairs, {.help = "Time scales at each lag, the slowest first."},
                   config::Range::between(1, 1000));
}

std::vector<std::int64_t> lags_of(const operators::TrajectorySource& source,
                                  const TimeScalesInput& input) {
  std::vector<std::int64_t> lags;
  for (std::size_t i = 0; i < input.lags.size(); ++i) {
    const std::string name = fmt::format("'time_scales.lags[{}]'", i);
    lags.push_back(models::frames_of(input.lags[i], source.dt(), name));
    source.require_pairs(lags.back(), name);
  }
  return lags;
}

TimeScales collect_time_scales(const std::vector<std::int64_t>& lags, double dt, std::size_t count,
                               io::Checkpoints* checkpoints,
                               const std::function<std::vector<double>(std::int64_t)>& at_lag) {
  const std::size_t width = 3 * count + 1;
  std::vector<double> rows; // of the lags that are done
  if (checkpoints) {
    checkpoints->restore("time_scales",
                         [&](io::CheckpointReader& reader) { rows = reader.numbers("rows"); });
  }
  while (rows.size() < width * lags.size()) {
    const std::vector<double> row = at_lag(lags[rows.size() / width]);
    rows.insert(rows.end(), row.begin(), row.end());
    if (!checkpoints) continue;
    checkpoints->step("time_scales",
                      [&](io::CheckpointWriter& writer) { writer.numbers("rows", rows); });
  }
  TimeScales result;
  for (std::size_t l = 0; l < lags.size(); ++l) {
    const double* row = rows.data() + l * width;
    result.lags.push_back(static_cast<double>(lags[l]) * dt);
    result.values.emplace_back(row, row + count);
    result.bands.emplace_back();
    for (std::size_t i = 0; i < count; ++i) {
      result.bands.back().push_back({row[count + i], row[2 * count + i]});
    }
    result.kept.push_back(row[3 * count]);
  }
  return result;
}

TimeScales compute_time_scales(const CountedData& data, const TimeScalesInput& input,
                               base::Log& log, io::Checkpoints* checkpoints) {
  const auto count = static_cast<std::size_t>(input.pairs);
  return collect_time_scales(lags_of(data.source(), input), data.source().dt(), count, checkpoints,
                             [&](std::int64_t lag) { return at_lag(data, lag, count, log); });
}

void time_scales(const CountedData& data, const TimeScalesInput& input, base::Log& log,
                 io::Checkpoints* checkpoints, io::ResultFile& file) {
  base::Phase phase(log, "time scales");
  const TimeScales result = compute_time_scales(data, input, log, checkpoints);
  phase.finish(fmt::format("{} lags, {} samples", result.lags.size(), data.bootstrap().samples));
  write_time_scales(result, {data.bootstrap(), data.block_time(), data.blocks()}, log, file);
}

void write_time_scales(const TimeScales& result, const BandSource& source, base::Log& log,
                       io::ResultFile& file) {
  const std::size_t lags = result.lags.size();
  const std::size_t count = lags > 0 ? result.values.front().size() : 0;
  std::vector<double> values;
  std::vector<double> lower;
  std::vector<double> upper;
  std::vector<std::vector<std::string>> rows;
  bool complete = true;
  double slowest = 0;
  for (std::size_t l = 0; l < lags; ++l) {
    rows.push_back({fmt::format("{:g}", result.lags[l])});
    for (std::size_t i = 0; i < count; ++i) {
      const double value = result.values[l][i];
      const Band& b = result.bands[l][i];
      values.push_back(value);
      lower.push_back(b.lower);
      upper.push_back(b.upper);
      complete = complete && !std::isnan(value);
      slowest = std::max(slowest, std::isnan(value) ? 0 : value);
      rows.back().push_back(std::isnan(value) ? "-"
                            : std::isnan(b.lower)
                                ? fmt::format("{:.4g}", value)
                                : fmt::format("{:.4g} [{:.4g}, {:.4g}]", value, b.lower, b.upper));
    }
  }
  const std::vector<hsize_t> shape{lags, count};
  file.write_small(
      "/time_scales/lags", result.lags, {lags},
      {{"meaning", std::string("lag of the estimate")}, {"unit", std::string("time")}});
  file.write_small("/time_scales/values", values, shape,
                   {{"meaning", std::string("-lag/ln|mu| of each lag and process")},
                    {"unit", std::string("time")}});
  file.write_small("/time_scales/lower", lower, shape,
                   {{"meaning", std::string("lower end of the band of the bootstrap")},
                    {"unit", std::string("time")}});
  file.write_small("/time_scales/upper", upper, shape,
                   {{"meaning", std::string("upper end of the band of the bootstrap")},
                    {"unit", std::string("time")}});
  file.write_small("/time_scales/kept", result.kept, {lags},
                   {{"meaning", std::string("share of the pairs within the connected set")},
                    {"unit", std::string("-")}});
  file.annotate("/time_scales", {{"samples", source.bootstrap.samples},
                                 {"confidence", source.bootstrap.confidence},
                                 {"block", source.block_time},
                                 {"blocks", source.blocks}});
  std::vector<std::string> header{"lag"};
  for (std::size_t i = 1; i <= count; ++i) header.push_back(fmt::format("time scale {}", i));
  log.table("Implied time scales", header, rows);
  const double longest = *std::max_element(result.lags.begin(), result.lags.end());
  if (source.bootstrap.samples > 0 && source.block_time < std::max(slowest, longest)) {
    log.warning(fmt::format("time_scales: blocks of {:g} are shorter than the {} {:g}, so that the "
                            "bands are too narrow; raise 'bootstrap.block'",
                            source.block_time,
                            slowest > longest ? "slowest time scale" : "longest lag",
                            std::max(slowest, longest)));
  }
  if (!complete) {
    log.warning(
        "time_scales: some processes have no time scale at some lag: their eigenvalue is not "
        "above 0, or did not converge; ask for fewer, or for shorter lags");
  }
}

} // namespace komori::analyses
