#include "analyses/memory_series.hpp"

#include <cmath>

#include <Eigen/Cholesky>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unsupported/Eigen/MatrixFunctions>

#include "analyses/memory_systems.hpp"
#include "base/random.hpp"
#include "config/reader.hpp"
#include "io/temporary_folder.hpp"
#include "npy.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using Eigen::Matrix2d;
using Eigen::MatrixXd;
using Eigen::Vector2d;
using io::TemporaryFolder;
using support::message_of;
using support::near;
using testing::HasSubstr;

/// x' = -x + b y, y' = -b x - 2 y with noise of which the stationary covariance is 1: seen through
/// x alone K = b^2 exp(-2 t).
constexpr double b = 1.5;
constexpr double frame = 0.05;

Matrix2d step_matrix() {
  Matrix2d drift;
  drift << -1, b, -b, -2;
  return (drift * frame).exp();
}

/// Frames of its exact discretisation.
std::vector<double> path(std::int64_t frames, std::uint64_t seed) {
  const base::Random random(seed);
  const Matrix2d a = step_matrix();
  const Matrix2d root = (Matrix2d::Identity() - a * a.transpose()).llt().matrixL();
  const auto noise = [&](std::int64_t i) {
    const auto at = static_cast<std::uint64_t>(2 * i);
    return Vector2d(random.normal(at), random.normal(at + 1));
  };
  Vector2d x = noise(0);
  std::vector<double> values;
  for (std::int64_t i = 1; i <= frames; ++i) {
    values.insert(values.end(), {x[0], x[1]});
    x = a * x + root * noise(i);
  }
  return values;
}

class MemoryOfSeries : public testing::Test {
protected:
  static constexpr const char* seen_x = "projection: {kind: observables, observables: [x]}\n";

  MoriZwanzigInput input(const std::string& rest) {
    std::string files;
    for (std::size_t i = 0; i < files_; ++i) {
      files += fmt::format("{}{}", i ? ", " : "", folder_.file(fmt::format("{}.npy", i)));
    }
    return config::read<MoriZwanzigInput>(config::parse(
        fmt::format("model: {{kind: trajectory, variables: [x, y], files: [{}], dt: {}}}\n", files,
                    frame) +
            rest,
        "a.yaml"));
  }
  void put(const std::vector<double>& values) {
    folder_.put(fmt::format("{}.npy", files_++), support::npy(values, 2));
  }
  MemoryResult memory(const std::string& rest) {
    const MoriZwanzigInput asked = input(rest);
    const operators::TrajectorySource source(folder_.comm(), asked.model.trajectory);
    const operators::Names names{asked.model.trajectory.variables, {}};
    SeriesMemory series(test_session(), source, asked.projection, names, asked.memory,
                        asked.bootstrap);
    return series.compute();
  }

  TemporaryFolder folder_;
  std::size_t files_ = 0;
};

/// How many of the values lie within their bands.
double covered(const std::vector<MatrixXd>& lower, const std::vector<MatrixXd>& upper,
               std::size_t first, const std::function<double(std::size_t)>& exact) {
  double inside = 0;
  for (std::size_t n = first; n < lower.size(); ++n) {
    const double value = exact(n);
    if (lower[n](0, 0) <= value && value <= upper[n](0, 0)) ++inside;
    // Of bands of 95 % one in twenty misses; none does that is three times as wide.
    const double width = upper[n](0, 0) - lower[n](0, 0);
    EXPECT_GT(value, lower[n](0, 0) - width) << n;
    EXPECT_LT(value, upper[n](0, 0) + width) << n;
  }
  return inside / static_cast<double>(lower.size() - first);
}

TEST_F(MemoryOfSeries, bands_hold_the_kernel_of_the_operator) {
  put(path(120'000, 1));
  put(path(80'000, 2));
  const MemoryResult found =
      memory(std::string(seen_x) +
             "memory: {times: {to: 2, steps: 40}}\nbootstrap: {samples: 40, block: 50}");
  const auto model = config::read<MoriZwanzigInput>(
      config::parse("model: {kind: sde, variables: [x, y], drift: [-x + 1.5*y, -1.5*x - 2*y], "
                    "diffusion: [1, 2]}\n"
                    "grid: {x: {from: -5, to: 5, cells: 60}, y: {from: -5, to: 5, cells: 60}}\n" +
                        std::string(seen_x) + "memory: {times: {to: 2, steps: 40}, rates: 0}",
                    "b.yaml"));
  MemoryStudy study(test_session(), model);
  const MemoryResult exact = study.compute();
  ASSERT_EQ(found.kernel.size(), exact.kernel.size());
  ASSERT_EQ(found.bands.kernel_lower.size(), found.kernel.size());
  const auto operators = [&](std::size_t n) { return exact.kernel[n](0, 0); };
  EXPECT_GE(covered(found.bands.kernel_lower, found.bands.kernel_upper, 0, operators), 0.85);
  const auto law = [&](std::size_t n) { return b * b * std::exp(-2 * found.times[n]); };
  EXPECT_GE(covered(found.bands.kernel_lower, found.bands.kernel_upper, 0, law), 0.85);
  // One-sided differences are noisy at 0; farther on the bands are narrow.
  EXPECT_LT(found.bands.kernel_upper[0](0, 0) - found.bands.kernel_lower[0](0, 0), 0.7 * b * b);
  for (std::size_t n = 3; n < found.kernel.size(); ++n) {
    EXPECT_LT(found.bands.kernel_upper[n](0, 0) - found.bands.kernel_lower[n](0, 0), 0.35 * b * b);
  }
  EXPECT_EQ(found.verdict, "beyond its bands");
  EXPECT_GT(found.bands.seen_until, 0.5);
  // What the memory predicts of the correlations is what they were.
  EXPECT_LT(*std::max_element(found.gme_error.begin(), found.gme_error.end()), 0.01);
  // Smoothed kernels differ by less than their bands.
  const MemoryResult smoothed =
      memory(std::string(seen_x) +
             "memory: {times: {to: 2, steps: 40}, smoothing: 0.1}\nbootstrap: {samples: 0}");
  EXPECT_TRUE(near(smoothed.kernel[10](0, 0), law(10), {0, 0.15}));
  EXPECT_EQ(smoothed.smoothing, 0.1);
}

TEST_F(MemoryOfSeries, memory_matrices_of_the_discrete_process) {
  put(path(150'000, 3));
  const MemoryResult found =
      memory(std::string(seen_x) + "memory: {lags: 8}\nbootstrap: {samples: 40, block: 50}");
  const Matrix2d a = step_matrix();
  const auto law = [&](std::size_t l) {
    return l == 0 ? a(0, 0) : a(0, 1) * std::pow(a(1, 1), static_cast<double>(l) - 1) * a(1, 0);
  };
  ASSERT_EQ(found.omega.size(), 9);
  EXPECT_GE(covered(found.bands.omega_lower, found.bands.omega_upper, 0, law), 0.85);
  EXPECT_LT(found.identity_error, 1e-14);
  EXPECT_EQ(found.propagator.size(), 19); // twice as far as the memory
  // What both variables see has none.
  const MemoryResult whole =
      memory("projection: {kind: observables, observables: [x, y]}\nmemory: {lags: 8}\nbootstrap: "
             "{samples: 40, block: 50}");
  EXPECT_EQ(whole.verdict, "within its bands");
  EXPECT_LT((whole.omega[0] - a).norm(), 0.02);
}

/// Two states in turn.
TEST_F(MemoryOfSeries, sets_hold_probabilities_and_pairs_never_span_files) {
  std::vector<double> first;
  std::vector<double> second;
  for (int i = 0; i < 400; ++i) first.insert(first.end(), {i % 2 ? 1.0 : -1.0, 0});
  for (int i = 0; i < 301; ++i) second.insert(second.end(), {i % 2 ? -1.0 : 1.0, 0});
  put(first);
  put(second);
  const MemoryResult found =
      memory("projection: {kind: sets, sets: [x < 0, x >= 0]}\nmemory: {lags: 3}\nbootstrap: "
             "{samples: 0}");
  // A pair across the files, from 1 to 1, would leave its mark.
  EXPECT_TRUE(near(found.omega[0](0, 0), 0, {1e-15, 0}));
  EXPECT_TRUE(near(found.omega[0](1, 0), 1, {1e-15, 0}));
  for (const MatrixXd& r : found.propagator) {
    EXPECT_TRUE(near(r.col(0).sum(), 1, {1e-14, 0}));
    EXPECT_TRUE(near(r.col(1).sum(), 1, {1e-14, 0}));
  }
  for (std::size_t l = 1; l <= 3; ++l) EXPECT_LT(found.omega[l].norm(), 1e-14);
  EXPECT_TRUE(found.parts);
}

TEST_F(MemoryOfSeries, correlations_are_those_of_all_pairs) {
  std::vector<double> values;
  const base::Random random(7);
  for (std::uint64_t i = 0; i < 300; ++i) {
    values.insert(values.end(), {random.normal(i), random.uniform(i)});
  }
  put(values);
  const MoriZwanzigInput asked =
      input("projection: {kind: observables, observables: [x, x*y]}\nmemory: {lags: 3}");
  const operators::TrajectorySource source(folder_.comm(), asked.model.trajectory);
  operators::FrameFunctions functions(source, asked.projection, {{"x", "y"}, {}});
  const operators::FrameMoments moments = operators::frame_moments(source, functions);
  const operators::LaggedSums sums(source, functions, moments, {.stride = 2, .lags = 20});
  const std::vector<MatrixXd> found = sums.data();
  for (std::size_t n = 0; n <= 20; ++n) {
    const std::size_t pairs = 300 - 2 * n;
    MatrixXd sum = MatrixXd::Zero(2, 2);
    Vector2d later = Vector2d::Zero();
    Vector2d earlier = Vector2d::Zero();
    for (std::size_t t = 0; t < pairs; ++t) {
      const auto at = [&](std::size_t i) {
        return Vector2d(values[2 * i], values[2 * i] * values[2 * i + 1]);
      };
      sum += at(t + 2 * n) * at(t).transpose();
      later += at(t + 2 * n);
      earlier += at(t);
    }
    const auto count = static_cast<double>(pairs);
    const MatrixXd exact = sum / count - later * earlier.transpose() / (count * count);
    EXPECT_LT((found[n] - exact).norm(), 1e-13) << n;
  }
}

TEST_F(MemoryOfSeries, data_that_cannot_be_answered_for) {
  put(path(200, 5));
  const auto of = [&](const std::string& observables, const std::string& memory_section) {
    return message_of([&] {
      memory("projection: {kind: observables, observables: " + observables +
             "}\nmemory: " + memory_section);
    });
  };
  EXPECT_THAT(of("[x]", "{lags: 199}"),
              HasSubstr("a.yaml:3: 'memory.lags' and one more: 10 is 200 frames of 'model.dt', but "
                        "the longest of the 1 piece of the trajectory has 200 frames: there is no "
                        "pair; choose a shorter lag"));
  EXPECT_THAT(
      of("[x]", "{times: {to: 10, steps: 200}}"),
      HasSubstr("'memory.times.to', with 3 steps more for derivatives: 10.15 is 203 frames"));
  EXPECT_THAT(of("[x]", "{times: {to: 1, steps: 30}}"),
              HasSubstr("'memory.times.to' over 'memory.times.steps' is 0.0333333, but must be a "
                        "multiple of the 0.05 between two frames"));
  EXPECT_THAT(
      of("[x, 3 + x - x]", "{lags: 2}"),
      HasSubstr("a.yaml:2: 'projection.observables[1]' (3 + x - x) is constant on the data"));
  EXPECT_THAT(
      of("[x, y, 2*x - y + 1]", "{lags: 2}"),
      HasSubstr("'projection.observables[2]' (2*x - y + 1) is a linear combination of those "
                "before it and the constant 1 on the data"));
  EXPECT_THAT(of("[log(x)]", "{lags: 2}"), HasSubstr("(log(x)) has no finite value (it is "));
  EXPECT_THAT(message_of([&] {
                memory("projection: {kind: sets, sets: [x < 0, x > 1]}\nmemory: {lags: 2}");
              }),
              HasSubstr("each frame must be in one set, but that at "));
  EXPECT_THAT(message_of([&] {
                memory("projection: {kind: sets, sets: [x < 99, x >= 99]}\nmemory: {lags: 2}");
              }),
              HasSubstr("'projection.sets[1]' (x >= 99) holds no frame; remove it"));
}

} // namespace
} // namespace komori::analyses
