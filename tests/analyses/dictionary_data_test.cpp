#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyses/dictionary_spectrum.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "config/reader.hpp"
#include "io/temporary_folder.hpp"
#include "npy.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using testing::HasSubstr;

/// A path of x_{n+1} = a x_n + sqrt(1 - a^2) xi: eigenvalues a^n (E16), stationary N(0, 1).
std::vector<double> linear(std::size_t frames, double a, std::uint64_t seed) {
  const base::Random random(seed);
  std::vector<double> x{random.normal(0)};
  for (std::size_t t = 1; t < frames; ++t) {
    x.push_back(a * x.back() + std::sqrt(1 - a * a) * random.normal(t));
  }
  return x;
}

class DictionaryOfData : public testing::Test {
protected:
  models::ModelInput model(const std::vector<std::vector<double>>& files, double lag = 0,
                           std::size_t columns = 1) {
    models::ModelInput input{.accepted = {"trajectory"}};
    input.kind = "trajectory";
    input.trajectory.variables =
        columns == 1 ? std::vector<std::string>{"x"} : std::vector<std::string>{"x", "y"};
    input.trajectory.lag = lag;
    for (const auto& values : files) {
      const std::string name = std::to_string(count_++) + ".npy";
      folder_.put(name, support::npy(values, columns));
      input.trajectory.files.push_back(folder_.file(name));
    }
    return input;
  }
  static DictionarySection section(const std::string& yaml) {
    return config::read<DictionarySection>(config::parse("{" + yaml + "}", "a.yaml"));
  }
  DictionarySpectrum spectrum(const models::ModelInput& model, const std::string& dictionary,
                              std::int64_t pairs, const BootstrapInput& bootstrap) {
    DictionaryProblem problem(test_session(), model, section(dictionary), {}, {}, bootstrap);
    io::ResultFile file(folder_.comm(), folder_.file(std::to_string(count_++) + ".h5"));
    gram_section(problem, file);
    TransferSpectrumInput input;
    input.pairs = pairs;
    const std::size_t d = problem.names().variables.size();
    std::vector<spaces::Axis> axes{support::axis("x", -4, 4, 32)};
    if (d == 2) axes.push_back(support::axis("y", -4, 4, 32));
    return dictionary_spectrum(problem, input, support::grid(std::move(axes)), file);
  }

  io::TemporaryFolder folder_;
  int count_ = 0;
};

TEST_F(DictionaryOfData, pairs_are_of_one_piece_and_of_the_blocks_that_count) {
  // Frames hold their file and row.
  std::vector<std::vector<double>> files(2);
  for (int t = 0; t < 700; ++t) files[0].push_back(t);
  for (int t = 0; t < 400; ++t) files[1].push_back(10'000 + t);
  const operators::TrajectorySource source(folder_.comm(), model(files, 3).trajectory);
  const operators::BlockSamples blocks(source, 100, 1);
  ASSERT_EQ(blocks.blocks(), 11);
  const auto starts = [&](const operators::BlockWeights& weights) {
    const operators::PairSamples samples(source, 3, blocks, weights, {{}}, true);
    std::map<double, double> found;
    const auto count = static_cast<std::size_t>(samples.count());
    for (std::size_t first = 0; first < count; first += 64) {
      std::vector<double> weight(std::min<std::size_t>(64, count - first));
      std::vector<double> x(2 * weight.size());
      samples.take(static_cast<std::int64_t>(first), x, weight);
      for (std::size_t i = 0; i < weight.size(); ++i) {
        EXPECT_EQ(x[weight.size() + i] - x[i], 3) << x[i];
        EXPECT_TRUE(found.emplace(x[i], weight[i]).second) << x[i];
      }
    }
    return found;
  };
  const std::map<double, double> all = starts(operators::BlockWeights(11, 1));
  EXPECT_EQ(all.size(), 697u + 397u);
  const operators::BlockWeights held_out = operators::spread_blocks(11, 0.2);
  const std::map<double, double> others = starts(held_out);
  const std::map<double, double> kept = starts(operators::other_blocks(held_out));
  EXPECT_EQ(others.size(), 200u); // blocks 4 and 9: frames 400 to 499, and 200 to 299 of the other
  EXPECT_TRUE(others.contains(400) && others.contains(499) && others.contains(10'200));
  EXPECT_EQ(kept.size() + others.size(), all.size());
  const operators::BlockWeights first = operators::half_of(operators::BlockWeights(11, 1), false);
  EXPECT_EQ(starts(first).size() +
                starts(operators::half_of(operators::BlockWeights(11, 1), true)).size(),
            all.size());
  const std::vector<std::int32_t> drawn = blocks.drawn(0);
  for (const auto& [start, weight] : starts(drawn)) {
    const auto piece = start < 10'000 ? 0 : 1;
    const auto frame = static_cast<std::int64_t>(start) % 10'000;
    EXPECT_EQ(weight, drawn[static_cast<std::size_t>(blocks.block(piece, frame))]);
  }
}

TEST_F(DictionaryOfData, linear_stochastic_data_have_the_powers_of_their_eigenvalue) {
  const double a = 0.8;
  const models::ModelInput data = model({linear(60'000, a, 1), linear(40'000, a, 2)});
  const BootstrapInput bootstrap{.samples = 20, .block = 1000, .confidence = 0.99};
  for (const char* estimator : {"plain", "reversible"}) {
    const DictionarySpectrum s = spectrum(
        data, std::string("family: monomial, degree: 3, estimator: ") + estimator, 4, bootstrap);
    ASSERT_EQ(s.values.size(), 4u);
    for (std::size_t n = 0; n < 4; ++n) {
      // 80 000 pairs: a standard error of the n-th power of some n^2 / 100 per cent.
      EXPECT_NEAR(s.values[n].real(), std::pow(a, n), 0.004 + 0.006 * static_cast<double>(n * n))
          << estimator << n;
      EXPECT_EQ(s.values[n].imag(), 0) << estimator << n;
      // Functions of x of degree 3 are carried to such: residuals are noise, and that is small.
      EXPECT_LE(s.residuals[n], 0.03 * (1 + static_cast<double>(n))) << estimator << n;
      EXPECT_LE(s.independent[n], 0.06 * (1 + static_cast<double>(n))) << estimator << n;
      EXPECT_LE(s.bands->real[n].lower, s.values[n].real() + 1e-12);
      EXPECT_GE(s.bands->real[n].upper, s.values[n].real() - 1e-12);
    }
    EXPECT_EQ(s.verdicts[0], "converged");
    EXPECT_GT(s.averaged, 0.99);
    EXPECT_LE(s.bands->real[1].lower, a);
    EXPECT_GE(s.bands->real[1].upper, a);
  }
  // Taken for exact, the same images miss the eigenfunction x by their noise sqrt(1 - a^2).
  const DictionarySpectrum exact =
      spectrum(data, "family: monomial, degree: 1, images: exact", 2, bootstrap);
  EXPECT_NEAR(exact.residuals[1], 0.6, 0.01);
  EXPECT_NEAR(exact.independent[1], 0.6, 0.02);
  EXPECT_EQ(exact.verdicts[1], "suspect");
}

TEST_F(DictionaryOfData, a_rotation_without_noise_keeps_its_eigenvalues_on_the_circle) {
  const double angle = 0.7;
  std::vector<double> frames;
  for (int t = 0; t < 4000; ++t) {
    frames.push_back(std::cos(angle * t));
    frames.push_back(std::sin(angle * t));
  }
  const models::ModelInput data = model({frames}, 2, 2);
  for (const bool plain : {true, false}) {
    const std::string estimator = plain ? "plain" : "measure_preserving";
    const DictionarySpectrum s = spectrum(
        data, "formulas: [1, x, y], images: exact, estimator: " + estimator, 3, {.samples = 0});
    // The measure of 3000 frames is not quite that of the circle, which an orthogonal matrix minds.
    const double tolerance = plain ? 1e-12 : 2e-3;
    for (const Complex exact :
         {Complex(1), std::polar(1.0, 2 * angle), std::polar(1.0, -2 * angle)}) {
      std::size_t best = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        if (std::abs(s.values[i] - exact) < std::abs(s.values[best] - exact)) best = i;
        EXPECT_NEAR(std::abs(s.values[i]), 1, 1e-12) << estimator;
      }
      EXPECT_LE(std::abs(s.values[best] - exact), tolerance) << estimator << exact;
      EXPECT_LE(std::max(s.residuals[best], s.independent[best]), 10 * tolerance) << estimator;
    }
  }
}

TEST_F(DictionaryOfData, centres_come_from_the_data) {
  const models::ModelInput data = model({linear(20'000, 0.5, 3)});
  const DictionarySpectrum s = spectrum(data, "family: rbf, functions: 8", 2, {.samples = 0});
  EXPECT_NEAR(s.values[0].real(), 1, 1e-10);
  EXPECT_NEAR(s.values[1].real(), 0.5, 0.03);
}

TEST_F(DictionaryOfData, what_does_not_fit_is_said) {
  const auto problem = [&](const models::ModelInput& model, const std::string& dictionary) {
    try {
      spectrum(model, dictionary, 2, {.samples = 0});
    } catch (const base::InputError& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  EXPECT_THAT(problem(model({{1, 2, 3}}, 3), "family: monomial, degree: 1"),
              HasSubstr("the longest of the 1 piece of the trajectory has 3 frames: there is no "
                        "pair; choose a shorter lag"));
  std::vector<double> bad = linear(300, 0.5, 1);
  bad[217] = std::nan("");
  EXPECT_THAT(problem(model({linear(300, 0.5, 2), bad}), "family: monomial, degree: 1"),
              HasSubstr("row 217, column 0 (from 0) is nan, but every value must be finite"));
  const models::ModelInput good = model({linear(3000, 0.5, 1)});
  EXPECT_THAT(problem(good, "formulas: [x, 2*x]"),
              HasSubstr("the functions 'x' and '2*x' are proportional at all samples, so that the "
                        "Gram matrix is singular"));
  EXPECT_THAT(problem(good, "family: legendre, degree: 2, on: {x: [-0.5, 0.5]}"),
              HasSubstr("lies outside 'dictionary.on.x' from -0.5 to 0.5; widen it, or set "
                        "'dictionary.outside: extrapolate'"));
  EXPECT_THAT(problem(good, "family: monomial, degree: 1, operator: transfer, inverse: {branches: "
                            "[x], weight: 1}"),
              HasSubstr("belongs to a model of kind 'map', but 'model.kind' is 'trajectory'"));
  EXPECT_THAT(problem(model({{1, 2, 1, 3}}), "family: monomial, degree: 6"),
              HasSubstr("the dictionary has 7 functions, but there are only"));
}

} // namespace
} // namespace komori::analyses
