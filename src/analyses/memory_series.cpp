#include "analyses/memory_series.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/LU>
#include <fmt/format.h>

#include "analyses/memory_model.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "linalg/volterra.hpp"

namespace komori::analyses {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Matrices = std::vector<MatrixXd>;

constexpr std::int64_t default_lags = 10;

/// R(n) = C(n) C(0)^-1.
Matrices propagators(const Matrices& correlations) {
  const Eigen::PartialPivLU<MatrixXd> lu(correlations.front().transpose());
  Matrices r;
  for (const MatrixXd& c : correlations) r.emplace_back(lu.solve(c.transpose()).transpose());
  r.front().setIdentity();
  return r;
}

/// Every second value.
Matrices thinned(const Matrices& all) {
  Matrices half;
  for (std::size_t n = 0; n < all.size(); n += 2) half.push_back(all[n]);
  return half;
}

/// Of samples [sample][time], the band of every entry.
void bands_of(const std::vector<Matrices>& samples, double confidence, Matrices& lower,
              Matrices& upper) {
  if (samples.empty()) return;
  lower = upper = samples.front();
  std::vector<double> values;
  for (std::size_t n = 0; n < lower.size(); ++n) {
    for (Index i = 0; i < lower[n].size(); ++i) {
      values.clear();
      for (const Matrices& sample : samples) values.push_back(sample[n](i));
      const Band b = band(values, confidence);
      lower[n](i) = b.lower;
      upper[n](i) = b.upper;
    }
  }
}

} // namespace

SeriesMemory::SeriesMemory(base::Session& session, const operators::TrajectorySource& source,
                           const operators::ProjectionInput& projection,
                           const operators::Names& names, const MemoryInput& input,
                           const std::optional<BootstrapInput>& bootstrap)
    : session_(session), source_(source), projection_(projection), input_(input),
      bootstrap_(bootstrap.value_or(BootstrapInput{})), functions_(source, projection, names) {
  const auto refuse = [&](const char* key, const char* why) {
    throw base::InputError(fmt::format("{}: 'memory.{}' {}", input.origin.text(), key, why));
  };
  if (input.inner_product != "stationary") {
    refuse("inner_product", "is 'lebesgue', but averages over frames are those of the stationary "
                            "density; remove it");
  }
  if (!input.laplace.empty()) {
    refuse("laplace", "takes an operator in continuous time, but the model is a trajectory; "
                      "remove it");
  }
  if (continuous() && input.lags > 0) {
    refuse("lags", "is for discrete time and 'memory.times' for continuous time; remove one of "
                   "them");
  }
  std::int64_t least = 0; // the longest lag that there must be pairs for
  std::string what;
  if (continuous()) {
    if (input.times->adaptive > 0) {
      refuse("times.adaptive", "takes an operator, but frames lie at equal times; remove it");
    }
    if (input.times->steps < static_cast<std::int64_t>(linalg::volterra_least)) {
      refuse("times.steps", "must be at least 4 for a time series");
    }
    const auto steps = static_cast<double>(input.times->steps);
    range_.stride = models::frames_of(
        input.times->to / steps, source.dt(),
        fmt::format("{}: 'memory.times.to' over 'memory.times.steps'", input.origin.text()));
    last_ = static_cast<std::size_t>(input.times->steps);
    least = input.times->steps + static_cast<std::int64_t>(linalg::volterra_margin);
    range_.lags = least;
    what = fmt::format("{}: 'memory.times.to', with {} steps more for derivatives",
                       input.origin.text(), linalg::volterra_margin);
  } else {
    range_.stride = source.lag_frames();
    const std::int64_t lags = input.lags > 0 ? input.lags : default_lags;
    last_ = static_cast<std::size_t>(lags);
    least = lags + 1;
    // Farther than the memory kept where the data reach, so that what it lacks shows.
    range_.lags = std::max(least, std::min(2 * least, (source.longest() - 1) / range_.stride));
    what = fmt::format("{}: 'memory.lags' and one more", input.origin.text());
  }
  source.require_pairs(least * range_.stride, what);
  if (bootstrap_.samples > 0) {
    blocks_.emplace(source, block_frames(source, bootstrap_),
                    static_cast<std::uint64_t>(bootstrap_.seed));
  }
}

void SeriesMemory::require_sound() {
  moments_ = frame_moments(source_, functions_);
  std::int64_t short_frames = 0;
  for (const operators::Piece& piece : source_.pieces()) {
    if (piece.frames <= range_.extent()) short_frames += piece.frames;
  }
  if (short_frames == 0) return;
  session_.log().warning(
      fmt::format("{:.3g} % of the frames lie in pieces that are not longer than the longest lag, "
                  "{:g}, and are "
                  "left out of the memory; ask for a shorter one to use them",
                  100.0 * static_cast<double>(short_frames) / static_cast<double>(source_.frames()),
                  static_cast<double>(range_.extent()) * source_.dt()));
}

double SeriesMemory::bytes() const {
  const auto side = static_cast<double>(functions_.count()) + 1;
  const auto window = static_cast<double>(2 * range_.extent() + (1 << 16));
  const double matrices = static_cast<double>(range_.lags + 1) * side * side;
  const double samples = static_cast<double>(bootstrap_.samples) + 1;
  return 90e6 + 8 * (window * (2 * side + 3 * static_cast<double>(source_.dimension())) +
                     5 * samples * matrices);
}

MemoryResult SeriesMemory::estimate(const Matrices& correlations) const {
  const double step = static_cast<double>(range_.stride) * source_.dt();
  MemoryResult result;
  result.series = true;
  result.discrete = !continuous();
  result.lag = step;
  result.gram = correlations.front();
  result.propagator = propagators(correlations);
  if (continuous()) {
    linalg::VolterraKernel found = linalg::invert_volterra(result.propagator, step);
    result.omega = {found.omega};
    result.kernel = std::move(found.kernel);
    result.integral = found.integral.back();
    linalg::smooth(result.kernel, 0, input_.smoothing / step);
  } else {
    result.omega = linalg::memory_matrices(result.propagator, last_);
    linalg::smooth(result.omega, 1, input_.smoothing / step);
  }
  return result;
}

void SeriesMemory::add_bands(MemoryResult& result) {
  std::vector<Matrices> omega;
  std::vector<Matrices> kernel;
  std::vector<Matrices> propagator;
  constexpr double room = 32e6; // sums held at once, 256 MB
  const double side = static_cast<double>(functions_.count()) + 1;
  const auto group = static_cast<std::int64_t>(
      std::clamp(room / (static_cast<double>(range_.lags + 1) * side * side), 1.0, 1000.0));
  for (std::int64_t first = 0; first < bootstrap_.samples; first += group) {
    base::stop_if_asked(session_.comm(), "the memory is incomplete");
    const std::int64_t samples = std::min(group, bootstrap_.samples - first);
    const operators::LaggedSums sums(source_, functions_, *moments_, range_, &*blocks_, first,
                                     samples);
    for (std::int64_t s = 0; s < samples; ++s) {
      MemoryResult sample = estimate(sums.sample(s));
      omega.push_back(std::move(sample.omega));
      kernel.push_back(std::move(sample.kernel));
      propagator.push_back(std::move(sample.propagator));
    }
    session_.log().progress(
        static_cast<double>(first + samples) / static_cast<double>(bootstrap_.samples), "samples");
  }
  MemoryBands& bands = result.bands;
  bands.samples = bootstrap_.samples;
  bands.confidence = bootstrap_.confidence;
  bands.block = static_cast<double>(block_frames(source_, bootstrap_)) * source_.dt();
  bands.blocks = blocks_->blocks();
  bands_of(omega, bands.confidence, bands.omega_lower, bands.omega_upper);
  bands_of(propagator, bands.confidence, bands.propagator_lower, bands.propagator_upper);
  if (continuous()) bands_of(kernel, bands.confidence, bands.kernel_lower, bands.kernel_upper);
}

MemoryResult SeriesMemory::compute() {
  if (!moments_) require_sound();
  const operators::LaggedSums sums(source_, functions_, *moments_, range_);
  MemoryResult result = estimate(sums.data());
  result.projection = projection_.kind;
  result.inner_product = input_.inner_product;
  result.labels = functions_.labels();
  result.parts = functions_.indicators();
  const auto count = static_cast<std::int64_t>(functions_.count());
  result.rank = result.parts ? count : count + 1;
  result.independence = moments_->independence;
  result.accuracy = input_.accuracy;
  result.smoothing = input_.smoothing;
  if (bootstrap_.samples > 0) add_bands(result);
  const auto time = [&](std::size_t n) { return static_cast<double>(n) * result.lag; };
  if (continuous()) {
    if (last_ >= 2 * linalg::volterra_least + linalg::volterra_margin && input_.smoothing == 0) {
      // Of second order: three quarters of the error go when the step is halved.
      const Matrices twice =
          linalg::invert_volterra(thinned(result.propagator), 2 * result.lag).kernel;
      for (std::size_t n = 0; n < twice.size(); ++n) {
        result.kernel_error =
            std::max(result.kernel_error, (twice[n] - result.kernel[2 * n]).norm() / 3);
      }
    }
    result.propagator.resize(last_ + 1); // the values beyond were for derivatives
    result.bands.propagator_lower.resize(result.bands.samples > 0 ? last_ + 1 : 0);
    result.bands.propagator_upper.resize(result.bands.samples > 0 ? last_ + 1 : 0);
    Matrices near;
    Matrices far;
    for (std::size_t n = 0; n < last_; ++n) {
      near.push_back(0.5 * result.lag * result.kernel[n]);
      far.push_back(0.5 * result.lag * result.kernel[n + 1]);
    }
    result.model = propagated(result.omega.front(), near, far, result.lag);
    for (std::size_t n = 0; n <= last_; ++n) {
      result.gme_error.push_back((result.model[n] - result.propagator[n]).norm());
    }
    truncate(near, far, result.lag, result);
    for (std::size_t n = 0; n <= last_; ++n) result.times.push_back(time(n));
  } else {
    cut(result, input_.cut);
    if (result.bands.samples > 0) {
      result.bands.omega_lower.resize(result.omega.size());
      result.bands.omega_upper.resize(result.omega.size());
    }
    for (std::size_t l = 0; l < result.omega.size(); ++l) result.times.push_back(time(l));
  }
  for (std::size_t n = 0; n < result.propagator.size(); ++n) {
    result.propagated_times.push_back(time(n));
  }
  judge(result);
  return result;
}

bool SeriesMemory::memory(io::ResultFile& file) {
  base::Log& log = session_.log();
  base::Phase phase(log, "memory");
  const MemoryResult result = compute();
  phase.finish(fmt::format("{} lags, {} samples", range_.lags, result.bands.samples));
  log.line(fmt::format("  projection: {} {}{}, rank {}", functions_.count(),
                       result.parts ? "sets" : "observables",
                       result.parts ? "" : " and the constant 1", result.rank));
  if (!result.parts) {
    log.line(fmt::format("  least independent observable: {:.3g} of its deviation is its own",
                         result.independence));
  }
  write(result, file);
  report(result, log);
  return true;
}

} // namespace komori::analyses
