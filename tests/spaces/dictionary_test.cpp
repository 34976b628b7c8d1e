#include "spaces/dictionary.hpp"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "config/reader.hpp"
#include "numbers.hpp"
#include "spaces/gauss_rules.hpp"
#include "spaces/k_means.hpp"
#include "spaces/samples.hpp"

namespace komori::spaces {

/// Lets the reader treat the keys of a dictionary as a section.
struct WholeInput : DictionaryInput {};
void declare(config::Declarer& declarer, WholeInput& input) {
  declare_keys(declarer, input);
}

namespace {

using support::near;

DictionaryInput read(const std::string& yaml) {
  return config::read<WholeInput>(config::parse("{" + yaml + "}", "a.yaml"));
}

std::unique_ptr<Dictionary> made(const std::string& yaml, std::vector<std::string> variables,
                                 const Draw& drawn = {}) {
  return make_dictionary(read(yaml), {std::move(variables), {}}, drawn);
}

std::string problem(const std::string& yaml, std::vector<std::string> variables) {
  try {
    made(yaml, std::move(variables));
  } catch (const base::InputError& error) {
    return error.what();
  }
  return "nothing";
}

/// All functions at one point.
std::vector<double> at(const Dictionary& dictionary, std::vector<double> x, Derivative order = {}) {
  std::vector<double> values(dictionary.size());
  dictionary.evaluate({x, 1}, order, values);
  return values;
}

TEST(GaussRules, LegendreIntegratesPolynomialsExactly) {
  for (const std::size_t n : {1, 2, 5, 40, 201}) {
    const Rule rule = gauss_legendre(n);
    for (const std::size_t degree : {std::size_t{0}, n, 2 * n - 2, 2 * n - 1}) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) {
        sum += rule.weights[i] * std::pow(rule.nodes[i], static_cast<double>(degree));
      }
      // The mean of x^k under the uniform probability on [-1, 1].
      const double exact = degree % 2 == 1 ? 0 : 1 / static_cast<double>(degree + 1);
      EXPECT_TRUE(near(sum, exact, {1e-14, 1e-12})) << n << " points, degree " << degree;
    }
  }
}

TEST(GaussRules, HermiteIntegratesMomentsExactly) {
  const Rule rule = gauss_hermite(12);
  double exact = 1; // (k - 1)!! of the standard normal distribution
  for (int k = 0; k <= 22; k += 2) {
    double sum = 0;
    for (std::size_t i = 0; i < 12; ++i) sum += rule.weights[i] * std::pow(rule.nodes[i], k);
    EXPECT_TRUE(near(sum, exact, {1e-14, 1e-11})) << k;
    exact *= k + 1;
  }
}

TEST(GaussRules, QuantilesInvertTheDistribution) {
  for (const double x : {-7.5, -2.0, -0.3, 0.0, 1e-3, 1.7, 5.0}) {
    const double u = 0.5 * std::erfc(-x / std::sqrt(2.0));
    EXPECT_TRUE(near(normal_quantile(u), x, {1e-9, 1e-9})) << u;
  }
}

TEST(Dictionaries, KnownValues) {
  const auto legendre = made("family: legendre, degree: 3, on: {x: [0, 2]}", {"x"});
  // P_n(t) sqrt(2n+1) at t = 0.5.
  EXPECT_THAT(at(*legendre, {1.5}),
              testing::ElementsAre(testing::DoubleNear(1, 1e-15),
                                   testing::DoubleNear(std::sqrt(3.0) * 0.5, 1e-15),
                                   testing::DoubleNear(std::sqrt(5.0) * -0.125, 1e-14),
                                   testing::DoubleNear(std::sqrt(7.0) * -0.4375, 1e-14)));
  const auto hermite = made("family: hermite, degree: 3, scale: 2", {"x"});
  EXPECT_THAT(at(*hermite, {4}),
              testing::ElementsAre(testing::DoubleNear(1, 1e-15), testing::DoubleNear(2, 1e-15),
                                   testing::DoubleNear(3 / std::sqrt(2.0), 1e-14),
                                   testing::DoubleNear(2 / std::sqrt(6.0), 1e-14)));
  const auto cells = made("family: indicator, cells: 2, on: {x: [0, 1], y: [0, 1]}", {"x", "y"});
  EXPECT_THAT(at(*cells, {0.7, 1.0}), testing::ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(at(*cells, {0.7, 1.1}), testing::ElementsAre(0, 0, 0, 0));
  const auto own = made("family: monomial, degree: 1, formulas: [sin(x), x*y]", {"x", "y"});
  EXPECT_EQ(own->size(), 5u);
  EXPECT_EQ(own->name(4), "x*y");
  EXPECT_THAT(at(*own, {2, 3}),
              testing::ElementsAre(1, 3, 2, testing::DoubleNear(std::sin(2.0), 1e-15), 6));
}

TEST(Dictionaries, CrossesHaveTheirSizes) {
  const std::string axes = ", on: {x: [-1, 1], y: [-1, 1], z: [-1, 1]}";
  const std::vector<std::string> names{"x", "y", "z"};
  EXPECT_EQ(made("family: legendre, degree: 4, cross: tensor" + axes, names)->size(), 125u);
  EXPECT_EQ(made("family: legendre, degree: 4" + axes, names)->size(), 35u); // C(7, 3)
  // Triples with product of (n + 1) <= 5: 1, and 3 x (2, 3, 4, 5), and 3 x (2, 2).
  EXPECT_EQ(made("family: legendre, degree: 4, cross: hyperbolic" + axes, names)->size(), 16u);
  EXPECT_EQ(made("family: fourier, degree: 2, cross: tensor" + axes, names)->size(), 125u);
  EXPECT_EQ(made("family: legendre, degree: 4" + axes, names)->smaller().size(), 20u);
}

TEST(Dictionaries, DerivativesMatchDifferences) {
  const std::vector<std::string> all{"family: monomial, degree: 4",
                                     "family: legendre, degree: 5, on: {x: [-1, 2], y: [0, 3]}",
                                     "family: chebyshev, degree: 5, on: {x: [-1, 2], y: [0, 3]}",
                                     "family: hermite, degree: 4, scale: [1, 2], center: 0.2",
                                     "family: fourier, degree: 3, on: {x: [-1, 2], y: [0, 3]}",
                                     "family: rbf, centers: [[0, 1], [1, 0.5]], width: 0.8"};
  const double h = 1e-4;
  for (const std::string& yaml : all) {
    const auto dictionary = made(yaml, {"x", "y"});
    ASSERT_TRUE(dictionary->differentiable());
    const std::vector<Derivative> orders{{1, 0}, {0, 1}, {2, 0}, {1, 1}, {0, 2}};
    for (const Derivative& order : orders) {
      Derivative lower = order;
      const std::size_t k = order[0] > 0 ? 0 : 1;
      --lower[k];
      std::vector<double> above{0.3, 0.7};
      std::vector<double> below = above;
      above[k] += h;
      below[k] -= h;
      const std::vector<double> exact = at(*dictionary, {0.3, 0.7}, order);
      const std::vector<double> up = at(*dictionary, above, lower);
      const std::vector<double> down = at(*dictionary, below, lower);
      for (std::size_t j = 0; j < exact.size(); ++j) {
        // Central differences: error h^2 f'''/6, and rounding 1e-16/h.
        EXPECT_TRUE(near((up[j] - down[j]) / (2 * h), exact[j], {3e-5, 3e-6}))
            << yaml << ": " << dictionary->name(j) << " " << order[0] << order[1];
      }
    }
  }
}

TEST(Dictionaries, WrongInputIsNamed) {
  EXPECT_EQ(problem("family: legendre, degree: 3, on: {x: [-1, 1], z: [0, 1]}", {"x", "y"}),
            "a.yaml:1: 'dictionary.on.z' is not a variable of the model. Variables: x, "
            "y");
  EXPECT_EQ(problem("family: legendre, degree: 3, on: {x: [-1, 1]}", {"x", "y"}),
            "a.yaml:1: 'dictionary.on' has no interval of 'y'; add 'y: [from, to]' to it");
  EXPECT_EQ(problem("family: legendre, degree: 3, on: {x: [1, -1]}", {"x"}),
            "a.yaml:1: 'dictionary.on.x' must be two numbers, the lower one first, e.g. [-1, 1]");
  EXPECT_EQ(
      problem("family: hermite, degree: 3, scale: [1, 2, 3]", {"x", "y"}),
      "a.yaml:1: 'dictionary.scale' has 3 values, but the model has 2 variables; give one for "
      "all, or one per variable");
  EXPECT_THAT(problem("family: legendre, degree: 3", {"x"}),
              testing::HasSubstr("needs 'on', the interval of every variable"));
  EXPECT_THAT(problem("family: legendre, on: {x: [0, 1]}", {"x"}),
              testing::HasSubstr("needs 'degree', e.g. 'degree: 10'"));
  EXPECT_THAT(problem("family: rbf", {"x"}), testing::HasSubstr("needs either 'centers"));
  EXPECT_THAT(problem("family: fourier, functions: 4, on: {x: [0, 1]}", {"x"}),
              testing::HasSubstr("an odd number of functions"));
  EXPECT_THAT(problem("family: monomial, degree: 400, cross: tensor", {"x", "y"}),
              testing::HasSubstr("more than 20000 functions"));
  EXPECT_THAT(problem("degree: 3", {"x"}), testing::HasSubstr("but 'family' is 'none'"));
}

TEST(KMeans, FindsSeparatedClusters) {
  Draw points;
  for (int i = 0; i < 60; ++i) {
    const double angle = 0.7 * i;
    points.push_back({5.0 * (i % 3) + 0.1 * std::cos(angle), 0.1 * std::sin(angle)});
  }
  Draw centers = k_means(points, 3);
  std::sort(centers.begin(), centers.end());
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(centers[c][0], 5.0 * static_cast<double>(c), 0.1);
    EXPECT_NEAR(centers[c][1], 0, 0.1);
  }
  EXPECT_THROW(k_means({{1.0}, {1.0}, {1.0}}, 2), base::InputError);
}

/// Sum of w f over all samples.
double integral(const Samples& samples, double (*f)(double, double)) {
  const auto count = static_cast<std::size_t>(samples.count());
  std::vector<double> x(2 * count);
  std::vector<double> weights(count);
  samples.take(0, x, weights);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += weights[i] * f(x[i], x[count + i]);
  return sum;
}

TEST(Sampling, RulesIntegrate) {
  const Names names{{"x", "y"}, {}};
  const std::vector<Extent> box{{.from = 0, .to = 1, .given = true},
                                {.from = 0, .to = 2, .given = true}};
  const auto f = [](double x, double y) { return x * x * y; }; // mean 1/3
  for (const auto& [rule, points, error] :
       {std::tuple{"gauss", 5, 1e-14}, std::tuple{"uniform", 100, 1e-4},
        std::tuple{"monte_carlo", 20000, 0.01}, std::tuple{"quasi_monte_carlo", 20000, 3e-4}}) {
    SamplingInput input;
    input.rule = rule;
    input.points = points;
    const auto samples = make_samples(input, names, box);
    EXPECT_NEAR(integral(*samples, f), 1.0 / 3, error) << rule;
    EXPECT_NEAR(integral(*samples->others(), f), 1.0 / 3, 50 * error) << rule;
  }
  SamplingInput weighted;
  weighted.weight = {"y", {"a.yaml", 1}, "sampling.weight"};
  EXPECT_NEAR(integral(*make_samples(weighted, names, box), f), 4.0 / 9, 1e-14);
}

TEST(Sampling, PointsDoNotDependOnHowTheyAreTaken) {
  SamplingInput input;
  input.rule = "quasi_monte_carlo";
  input.points = 1000;
  const std::vector<Extent> normal{{.scale = 2, .normal = true}};
  const auto samples = make_samples(input, {{"x"}, {}}, normal);
  std::vector<double> all(1000);
  std::vector<double> weights(1000);
  samples->take(0, all, weights);
  std::vector<double> some(10);
  samples->take(500, some, std::span(weights).subspan(0, 10));
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(some[i], all[500 + i]);
}

} // namespace
} // namespace komori::spaces
