/// Networks: what layers do to points and ranges, noise, and shapes that do not fit.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "config/reader.hpp"
#include "models/network.hpp"
#include "support.hpp"

namespace komori::models {
namespace {

struct Section {
  NetworkInput model;
};
void declare(config::Declarer& declarer, Section& section) {
  declare_keys(declarer, section.model);
}

Network network_of(const std::string& yaml) {
  return make_network(config::read<Section>(config::parse(yaml, "inputs/a.yaml")).model);
}

std::string problem_of(const std::string& yaml) {
  try {
    network_of(yaml);
  } catch (const base::InputError& error) {
    return error.what();
  }
  return "(no error)";
}

/// Two layers with uniform noise; numbers computed independently.
const char* const two_layers = "input: {x: [-1, 1]}\n"
                               "layers:\n"
                               "  - {weight: [[1]], bias: [1], activation: tanh, "
                               "noise: {kind: uniform, half_width: 2}}\n"
                               "  - {weight: [[2]], bias: [-1], activation: tanh, "
                               "noise: {kind: uniform, half_width: 3}}\n";

TEST(Network, RangesAreIntervalBounds) {
  const Network network = network_of(two_layers);

  const auto all = ranges(network);

  ASSERT_EQ(all.size(), 3u);
  EXPECT_DOUBLE_EQ(all[1][0].from, -2);
  EXPECT_NEAR(all[1][0].to, 2.964027580076, 1e-12);
  EXPECT_NEAR(all[2][0].from, -3 + std::tanh(-5.0), 1e-12);
  EXPECT_EQ(network.variables(1), std::vector<std::string>{"x1_1"});
}

TEST(Network, EveryActivationAndItsRange) {
  const std::vector<std::pair<std::string, double (*)(double)>> table{
      {"identity", [](double z) { return z; }},
      {"tanh", [](double z) { return std::tanh(z); }},
      {"relu", [](double z) { return std::max(z, 0.0); }},
      {"leaky_relu", [](double z) { return z > 0 ? z : 0.01 * z; }},
      {"sigmoid", [](double z) { return 1 / (1 + std::exp(-z)); }},
      {"softplus", [](double z) { return std::log(1 + std::exp(z)); }},
      {"gelu", [](double z) { return z * 0.5 * (1 + std::erf(z / std::sqrt(2.0))); }},
      {"erf", [](double z) { return std::erf(z); }}};
  for (const auto& [word, function] : table) {
    const Activation activation = activation_of(word);
    for (const double z : {-3.0, -0.4, 0.0, 0.7, 2.5}) {
      EXPECT_NEAR(activate(activation, 0.01, z), function(z), 1e-15) << word << " at " << z;
    }
    EXPECT_TRUE(std::isfinite(activate(activation, 0.01, 800.0))) << word;
    EXPECT_TRUE(std::isfinite(activate(activation, 0.01, -800.0))) << word;
    // The range of a fan holds every value, and little more.
    const Network one = network_of("input: {x: [-2, 1]}\nlayers: [{weight: [[" +
                                   std::string("1.5]], activation: ") + word + "}]\n");
    const Interval range = ranges(one)[1][0];
    double lowest = 1e9;
    double highest = -1e9;
    for (int i = 0; i <= 3000; ++i) {
      const double x = -2 + i * 1e-3;
      double y = 0;
      propagate(one.layers[0], std::span(&x, 1), std::span(&y, 1));
      EXPECT_GE(y, range.from - 1e-15);
      EXPECT_LE(y, range.to + 1e-15);
      lowest = std::min(lowest, y);
      highest = std::max(highest, y);
    }
    EXPECT_NEAR(lowest, range.from, 1e-5) << word;
    EXPECT_NEAR(highest, range.to, 1e-5) << word;
  }
}

TEST(Network, PropagatesBatchesAsSinglePoints) {
  const Network network =
      network_of("input: {a: [0, 1], b: [0, 1]}\n"
                 "layers:\n"
                 "  - {weight: [[1, 2], [-1, 0.5], [3, 1]], bias: [0.1, 0.2, 0.3], "
                 "activation: [relu, tanh, identity]}\n"
                 "  - {weight: [[1, 0, 0], [0, 2, 0], [0, 0, 1]], residual: true}\n");
  const std::vector<double> points{0.25, 0.5, 1, 0};
  std::vector<double> first(6);
  std::vector<double> second(6);

  propagate(network.layers[0], 2, points, first);
  propagate(network.layers[1], 2, first, second);

  const std::vector<double> expected{1.35, std::tanh(0.2),  1.55, // the first point
                                     1.1,  std::tanh(-0.8), 3.3};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(first[i], expected[i], 1e-15);
    EXPECT_NEAR(second[i], (i % 3 == 1 ? 3 : 2) * expected[i], 1e-14);
  }
}

TEST(Network, RepeatedLayersAndTheirInvariantRange) {
  const Network network = network_of("input: {x: [-1, 1]}\n"
                                     "layers: [{weight: [[2]], activation: tanh, repeat: 3}]\n"
                                     "noise: {kind: uniform, half_width: 0.5}\n");
  ASSERT_EQ(network.depth(), 3u);

  const auto box = invariant_range(network.layers[0], ranges(network)[0]);

  // b = tanh(2 b) + 1/2 at the end of the range.
  EXPECT_NEAR(box[0].to, std::tanh(2 * box[0].to) + 0.5, 1e-13);
  EXPECT_NEAR(box[0].from, -box[0].to, 1e-13);
  const Network grows = network_of("input: {x: [-1, 1]}\nlayers: [{weight: [[2]]}]\n");
  EXPECT_THROW(invariant_range(grows.layers[0], ranges(grows)[0]), base::InputError);
}

TEST(Network, NoiseIsIntegratedSquaredAndSampled) {
  const std::vector<NeuronNoise> all{NeuronNoise::uniform(2), NeuronNoise::gaussian(0.7, 8),
                                     NeuronNoise::truncated_gaussian(0.7, 1.1)};
  const base::Random random(7, 3);
  for (const NeuronNoise& noise : all) {
    // Midpoints over the support: mass, variance and squared density.
    const int cells = 200'000;
    const double h = 2 * noise.reach() / cells;
    double mass = 0;
    double variance = 0;
    double squared = 0;
    for (int i = 0; i < cells; ++i) {
      const double z = -noise.reach() + (i + 0.5) * h;
      const double rho = noise.density(z);
      mass += rho * h;
      variance += z * z * rho * h;
      squared += rho * rho * h;
    }
    EXPECT_NEAR(mass, 1, 1e-9);
    EXPECT_NEAR(variance, noise.variance(), 1e-9);
    EXPECT_NEAR(squared, noise.squared_density(), 1e-9);
    EXPECT_NEAR(noise.probability(-0.3, 0.9),
                noise.probability(-0.3, 0.1) + noise.probability(0.1, 0.9), 1e-15);
    EXPECT_NEAR(noise.probability(-100, 100), 1, 1e-15);
    // Samples: mean within 4 standard errors, variance within 5 per cent.
    const int samples = 20'000;
    double first = 0;
    double second = 0;
    for (int i = 0; i < samples; ++i) {
      const double z = noise.sample(random, static_cast<std::uint64_t>(i));
      first += z / samples;
      second += z * z / samples;
    }
    EXPECT_NEAR(first, 0, 4 * std::sqrt(noise.variance() / samples));
    EXPECT_NEAR(second, noise.variance(), 0.05 * noise.variance());
  }
  EXPECT_NEAR(NeuronNoise::gaussian(0.7, 8).lost(), 1.244e-15, 1e-18);
}

TEST(Network, ShapesThatDoNotFitNameThePair) {
  EXPECT_EQ(problem_of("input: {x: [-1, 1]}\n"
                       "layers:\n"
                       "  - {weight: [[1], [2]]}\n"
                       "  - {weight: [[1, 2, 3]]}\n"),
            "inputs/a.yaml:4: 'model.layers[1]' takes 3 inputs (columns of its weight), but "
            "inputs/a.yaml:3: 'model.layers[0]' has 2 neurons; the two must be the same");
  EXPECT_THAT(problem_of("input: {x: [-1, 1], y: [0, 1]}\nlayers: [{weight: [[1]]}]\n"),
              testing::HasSubstr("takes 1 input (columns of its weight), but the input has 2 "
                                 "variables"));
  EXPECT_THAT(problem_of("input: {x: [-1, 1]}\nlayers: [{weight: [[1]], bias: [1, 2]}]\n"),
              testing::HasSubstr("has a bias of 2 numbers, but a weight of 1 neuron (rows)"));
  EXPECT_THAT(problem_of("input: {x: [1, -1]}\nlayers: [{weight: [[1]]}]\n"),
              testing::HasSubstr("must be two numbers, the lower one first"));
  EXPECT_THAT(problem_of("input: {x: [-1, 1]}\nlayers: [{weight: [[1], [2]], residual: true}]\n"),
              testing::HasSubstr("is residual"));
  EXPECT_THAT(problem_of("input: {x: [-1, 1]}\nlayers: [{weight: [[1]], "
                         "noise: {kind: uniform, half_width: [1, 2]}}]\n"),
              testing::HasSubstr("has 2 values, but the layer has 1 neuron"));
  EXPECT_THAT(problem_of("input: {x: [-1, 1]}\n"
                         "layers: [{weight: [[1]], noise: {kind: uniform, sigma: 1}}]\n"),
              testing::HasSubstr("of kind 'uniform' needs 'half_width'"));
  EXPECT_THAT(problem_of("input: {x: [-1, 1]}\n"), testing::HasSubstr("'model.layers' is missing"));
}

} // namespace
} // namespace komori::models
