#include "analyses/dictionary_bands.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "linalg/dense.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXd;

/// Takes for each of `values` the nearest of `found`, nearest first, each at most once; NaN where
/// none is left.
std::vector<Complex> matched(const std::vector<Complex>& values, std::vector<Complex> found) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<Complex> result(values.size(), {nan, nan});
  std::vector<bool> done(values.size(), false);
  for (std::size_t round = 0; round < values.size() && !found.empty(); ++round) {
    std::size_t best = 0;
    std::size_t at = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (done[i]) continue;
      for (std::size_t j = 0; j < found.size(); ++j) {
        const double distance = std::abs(values[i] - found[j]);
        if (!(distance < least)) continue;
        least = distance;
        best = i;
        at = j;
      }
    }
    result[best] = found[at];
    done[best] = true;
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return result;
}

} // namespace

std::vector<Complex> eigenvalues_of(DictionaryProblem& problem,
                                    const operators::PairSamples& samples) {
  operators::GramPass pass(problem.comm(), problem.pass(&samples));
  while (!pass.finished()) {
    pass.advance();
    base::stop_if_asked(problem.comm(), "an estimate from the data was not complete");
  }
  const operators::GramMatrices gram = problem.finished(pass);
  MatrixXd numbers;
  base::on_first_rank(problem.comm(), [&] {
    std::vector<std::size_t> all(problem.dictionary().size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    std::vector<Complex> values;
    try {
      values = linalg::general_values(
          operators::koopman_matrix(gram, all, problem.estimator(), problem.section().rank_cut).k);
    } catch (const base::ConvergenceError&) {
      values.clear(); // nothing is left of the dictionary: no eigenvalue
    }
    std::stable_sort(values.begin(), values.end(),
                     [](Complex a, Complex b) { return std::abs(a) > std::abs(b); });
    numbers.resize(static_cast<Index>(values.size()), 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      numbers.row(static_cast<Index>(i)) << values[i].real(), values[i].imag();
    }
    return std::string();
  });
  operators::broadcast(problem.comm(), numbers);
  std::vector<Complex> values;
  for (Index i = 0; i < numbers.rows(); ++i) values.emplace_back(numbers(i, 0), numbers(i, 1));
  return values;
}

EigenvalueBands eigenvalue_bands(DictionaryProblem& problem, const std::vector<Complex>& values) {
  const PairData& data = *problem.pairs();
  std::vector<std::vector<double>> real(values.size());
  std::vector<std::vector<double>> imaginary(values.size());
  for (std::int64_t s = 0; s < data.bootstrap().samples; ++s) {
    const auto samples = data.drawn(data.source().lag_frames(), s, false);
    if (samples->count() == 0) continue;
    const std::vector<Complex> found = matched(values, eigenvalues_of(problem, *samples));
    for (std::size_t i = 0; i < values.size(); ++i) {
      real[i].push_back(found[i].real());
      imaginary[i].push_back(found[i].imag());
    }
    problem.log().progress(static_cast<double>(s + 1) /
                               static_cast<double>(data.bootstrap().samples),
                           fmt::format("sample {} of the bootstrap", s + 1));
  }
  EigenvalueBands bands;
  for (std::size_t i = 0; i < values.size(); ++i) {
    bands.real.push_back(band(std::move(real[i]), data.bootstrap().confidence));
    bands.imaginary.push_back(band(std::move(imaginary[i]), data.bootstrap().confidence));
  }
  return bands;
}

bool dictionary_time_scales(DictionaryProblem& problem, const TimeScalesInput& input,
                            io::ResultFile& file) {
  base::Phase phase(problem.log(), "time scales");
  const PairData& data = *problem.pairs();
  const auto count = static_cast<std::size_t>(input.pairs);
  const std::vector<std::int64_t> lags = lags_of(data.source(), input);
  const auto at_lag = [&](std::int64_t lag) {
    const double time = static_cast<double>(lag) * data.source().dt();
    std::vector<double> row = scales_of(eigenvalues_of(problem, *data.all(lag)), count, time);
    std::vector<std::vector<double>> sampled(count);
    for (std::int64_t s = 0; s < data.bootstrap().samples; ++s) {
      const auto samples = data.drawn(lag, s, true);
      if (samples->count() == 0) continue;
      const std::vector<double> scales = scales_of(eigenvalues_of(problem, *samples), count, time);
      for (std::size_t i = 0; i < count; ++i) sampled[i].push_back(scales[i]);
      problem.log().progress(static_cast<double>(s + 1) /
                                 static_cast<double>(data.bootstrap().samples),
                             fmt::format("lag {:g}, sample {}", time, s + 1));
    }
    append_bands(row, std::move(sampled), data.bootstrap().confidence);
    row.push_back(1); // of the pairs, all count
    return row;
  };
  const TimeScales result =
      collect_time_scales(lags, data.source().dt(), count, problem.checkpoints(), at_lag);
  phase.finish(fmt::format("{} lags, {} samples", result.lags.size(), data.bootstrap().samples));
  write_time_scales(result, {data.bootstrap(), data.block_time(), data.blocks()}, problem.log(),
                    file);
  return true;
}

} // namespace komori::analyses
