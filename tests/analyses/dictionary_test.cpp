#include "analyses/dictionary_spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "config/reader.hpp"
#include "io/temporary_folder.hpp"
#include "models/model.hpp"
#include "numbers.hpp"
#include "operators/pseudospectrum.hpp"
#include "support.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using support::near;

template <class T> T read(const std::string& yaml, T value = {}) {
  return config::read<T>(config::parse("{" + yaml + "}", "a.yaml"), std::move(value));
}

/// An operator on a dictionary with its Gram matrices.
class Case {
public:
  Case(const std::string& model, const std::string& dictionary, const std::string& sampling)
      : file_(test_session().comm(), folder_.file("r.h5")),
        problem_(test_session(), read<models::ModelInput>(model, {.accepted = {"map", "sde"}}),
                 read<DictionarySection>(dictionary), read<spaces::SamplingInput>(sampling), {}) {
    gram_section(problem_, file_);
  }
  DictionarySpectrum spectrum(std::int64_t pairs) {
    TransferSpectrumInput input;
    input.pairs = pairs;
    return dictionary_spectrum(problem_, input, support::grid({support::axis("x", 0, 1, 1)}),
                               file_);
  }
  DictionaryProblem& operator*() { return problem_; }
  const operators::KoopmanMatrix& matrix() { return problem_.matrix(file_); }

private:
  io::TemporaryFolder folder_;
  io::ResultFile file_;
  DictionaryProblem problem_;
};

std::string problem(const std::string& model, const std::string& dictionary,
                    const std::string& sampling) {
  try {
    Case(model, dictionary, sampling);
  } catch (const base::InputError& error) {
    return error.what();
  }
  return "nothing";
}

/// The number of the eigenvalue nearest to `value`.
std::size_t nearest(const DictionarySpectrum& s, Complex value) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    if (std::abs(s.values[i] - value) < std::abs(s.values[best] - value)) best = i;
  }
  return best;
}

const std::string exponential = "kind: map, variables: [x], map: [exp(-2*x^2)-1-exp(-2)]";

TEST(Dictionary, ResidualsExposeTheSpuriousRing) {
  // Colbrook and Townsend's example of pollution, Legendre N = 40, 100 Gauss nodes; figures from an
  // independent NumPy computation: residuals 0 (1), 8.8e-6 (.011652338), 3.6e-6 (.001923106), up to
  // .49 for the ring; the largest modulus is 1.00016.
  Case c(exponential, "family: legendre, functions: 40, on: {x: [-1, 0]}",
         "rule: gauss, points: 100");
  const DictionarySpectrum s = c.spectrum(40);
  ASSERT_EQ(s.values.size(), 40u);
  EXPECT_NEAR(std::abs(s.values[0]), 1.00016, 1e-5);
  const std::size_t one = nearest(s, 1.0);
  EXPECT_NEAR(std::abs(s.values[one] - 1.0), 0, 1e-10);
  EXPECT_LE(s.residuals[one], 1e-10);
  const std::size_t second = nearest(s, 0.011652338);
  EXPECT_NEAR(s.values[second].real(), 0.011652338, 1e-9);
  EXPECT_NEAR(s.residuals[second], 8.8e-6, 0.05e-6);
  EXPECT_NEAR(s.independent[second], 8.8e-6, 0.05e-6);
  const std::size_t third = nearest(s, 0.001923106);
  EXPECT_NEAR(s.values[third].real(), 0.001923106, 1e-9);
  EXPECT_NEAR(s.residuals[third], 3.6e-6, 0.05e-6);
  for (const std::size_t right : {one, second, third}) EXPECT_EQ(s.verdicts[right], "converged");
  double worst = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    if (std::abs(s.values[i]) < 0.5) continue;
    worst = std::max(worst, s.residuals[i]);
    EXPECT_EQ(s.verdicts[i] == "suspect",
              std::max(s.residuals[i], s.independent[i]) > 0.01 * std::abs(s.values[i]))
        << s.values[i];
    if (s.values[i].imag() != 0) {
      EXPECT_EQ(s.verdicts[i], "suspect") << s.values[i];
    }
  }
  EXPECT_NEAR(worst, 0.49, 0.005);
}

const std::string fractions = "kind: map, variables: [x], map: ['mod(1/x,1)']";
const std::string branches = ", operator: transfer, inverse: {branches: [1/(x+k)], weight: "
                             "1/(x+k)^2, from: 1, to: infinite}";

TEST(Dictionary, ContinuedFractions) {
  // Eigenvalues of the Gauss-Kuzmin-Wirsing operator.
  const std::vector<double> exact{1.0, -0.303663002898732658597, 0.1008845092931040753,
                                  -0.035496159021659845, 0.01284379036244};
  Case c(fractions, "family: chebyshev, degree: 23, on: {x: [0, 1]}" + branches, "points: 72");
  const DictionarySpectrum s = c.spectrum(8);
  for (const double value : exact) {
    const std::size_t i = nearest(s, value);
    // The sum over branches is known to 1e-12.
    EXPECT_TRUE(near(s.values[i].real(), value, {2e-12, 1e-11}));
    EXPECT_LE(s.independent[i], 1e-10);
    EXPECT_EQ(s.verdicts[i], "converged") << value;
  }
}

TEST(Dictionary, CollocationsDriftingEigenvalueIsFlagged) {
  // As many nodes as functions: every function is an exact eigenfunction at the nodes.
  std::vector<Complex> strangers;
  for (const char* degree : {"15", "23"}) {
    Case c(fractions,
           std::string("family: chebyshev, degree: ") + degree + ", on: {x: [0, 1]}" + branches,
           std::string("points: ") + (degree[0] == '1' ? "16" : "24"));
    const DictionarySpectrum s = c.spectrum(6);
    for (std::size_t i = 0; i < s.values.size(); ++i) {
      const bool known = std::abs(s.values[nearest(s, 1.0)] - s.values[i]) < 1e-8 ||
                         std::abs(s.values[i] + 0.3036630029) < 1e-6 ||
                         std::abs(s.values[i] - 0.1008845093) < 1e-6 ||
                         std::abs(s.values[i] + 0.0354961590) < 1e-5 ||
                         std::abs(s.values[i] - 0.0128437904) < 1e-4;
      if (known) continue;
      strangers.push_back(s.values[i]);
      EXPECT_EQ(s.verdicts[i], "suspect") << s.values[i];
      EXPECT_GT(s.independent[i], 1e-5) << s.values[i];
      EXPECT_GT(s.discretisation_error[i], 0.1 * std::abs(s.values[i])) << s.values[i];
    }
  }
  ASSERT_EQ(strangers.size(), 2u); // one of each size, at different places
  EXPECT_GT(std::abs(strangers[0] - strangers[1]), 1e-3);
}

TEST(Dictionary, PowersOfTheMultiplierOnTheBasin) {
  // x -> tanh(2x) on the basin of 0.957504024077269, multiplier 0.166372087751674.
  Case c("kind: map, variables: [x], map: [tanh(2*x)]",
         "family: legendre, degree: 20, on: {x: [0.7, 1.2]}", "points: 60");
  const DictionarySpectrum s = c.spectrum(6);
  for (std::size_t n = 0; n < 5; ++n) {
    EXPECT_TRUE(near(s.values[n].real(), std::pow(0.166372087751674, static_cast<double>(n)),
                     {5e-9, 1e-8})); // degree 20 leaves 1e-9
    EXPECT_EQ(s.verdicts[n], "converged");
  }
}

TEST(Dictionary, NoisyMaps) {
  Case layer("kind: map, variables: [x], map: [tanh(2*x)], noise: {kind: gaussian, sigma: 0.3}",
             "family: legendre, degree: 40, on: {x: [-3.6, 3.6]}", "points: 120");
  const DictionarySpectrum s = layer.spectrum(5);
  const std::vector<double> exact{1, 0.990307251931, 0.534821663911, 0.323774933602,
                                  0.185087821211};
  for (std::size_t i = 0; i < exact.size(); ++i) {
    // Poles of tanh(2x) at i pi/4 leave polynomials of degree 40 some 1e-4.
    EXPECT_TRUE(near(s.values[i].real(), exact[i], {3e-4, 0})) << i;
    EXPECT_LE(std::abs(s.values[i] - exact[i]), s.discretisation_error[i] + 1e-10) << i;
  }
  Case descent("kind: map, variables: [x], map: [x-0.05*4*x*(x^2-1)], noise: {kind: gaussian, "
               "sigma: sqrt(0.025)}",
               "family: legendre, degree: 50, on: {x: [-2.6, 2.6]}",
               "points: 150, noise_points: 32");
  const DictionarySpectrum t = descent.spectrum(3 + 1);
  const std::vector<double> rates{1, 0.998364749468, 0.850461561047, 0.747161031852};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_TRUE(near(t.values[i].real(), rates[i], {1e-6, 0})) << i;
  }
}

TEST(Dictionary, AutoregressionIsExactOnHermiteFunctions) {
  // x' = 0.6 x + 0.8 xi has the standard normal density; eigenvalues 0.6^n.
  Case c("kind: map, variables: [x], map: [0.6*x], noise: {kind: gaussian, sigma: 0.8}",
         "family: hermite, degree: 9", "points: 30");
  const DictionarySpectrum s = c.spectrum(10);
  for (std::size_t n = 0; n < 10; ++n) {
    EXPECT_TRUE(near(s.values[n].real(), std::pow(0.6, static_cast<double>(n)), {1e-11, 1e-9}));
    EXPECT_LE(s.residuals[n], 1e-11);
  }
}

TEST(Dictionary, CircleMapWithNoise) {
  // exp(2 pi i k a) exp(-2 pi^2 k^2 s^2), a = 0.3, s = 0.05.
  Case c("kind: map, variables: [x], map: [x+0.3], noise: {kind: gaussian, sigma: 0.05}",
         "family: fourier, degree: 3, on: {x: [0, 1]}", "points: 40");
  const DictionarySpectrum s = c.spectrum(7);
  for (const int k : {-3, -2, -1, 0, 1, 2, 3}) {
    const double size = std::exp(-2 * std::pow(std::numbers::pi * k * 0.05, 2));
    const Complex exact = std::polar(size, 2 * std::numbers::pi * k * 0.3);
    const std::size_t i = nearest(s, exact);
    EXPECT_LE(std::abs(s.values[i] - exact), 1e-11) << k;
    EXPECT_LE(s.residuals[i], 1e-11) << k;
  }
}

TEST(Dictionary, GeneratorsOfOrnsteinUhlenbeckProcesses) {
  // Rates n; rotating in two dimensions: (n + m) +- i w (n - m).
  Case line("kind: sde, variables: [x], potential: x^2/2, diffusion: 1",
            "family: hermite, degree: 6", "points: 20");
  const DictionarySpectrum s = line.spectrum(7);
  for (std::size_t n = 0; n < 7; ++n) {
    // The potential's gradient is a difference quotient.
    EXPECT_NEAR(s.values[n].real(), -static_cast<double>(n), 1e-9);
    EXPECT_LE(s.residuals[n], 1e-9);
    // The smaller dictionary does not have the last one.
    if (n < 6) {
      EXPECT_EQ(s.verdicts[n], "converged");
    }
  }
  Case plane("kind: sde, variables: [x, y], drift: [-x+2*y, -2*x-y], diffusion: [[1, 0], [0, 1]]",
             "family: hermite, degree: 3", "points: 8");
  const DictionarySpectrum t = plane.spectrum(10);
  for (int n = 0; n <= 3; ++n) {
    for (int m = 0; n + m <= 3; ++m) {
      const Complex exact(-(n + m), 2.0 * (n - m));
      EXPECT_LE(std::abs(t.values[nearest(t, exact)] - exact), 1e-11) << n << m;
    }
  }
}

TEST(Dictionary, MeasurePreservingMatricesStayOnTheCircle) {
  // The rotation by 0.3 from random samples: plain eigenvalues scatter, those of the orthogonal
  // matrix do not leave the circle.
  const std::string model = "kind: map, variables: [x], map: [x+0.3]";
  const std::string functions = "family: fourier, degree: 4, on: {x: [0, 1]}";
  const std::string sampling = "rule: monte_carlo, points: 3000";
  Case c(model, functions + ", estimator: measure_preserving", sampling);
  for (const Complex& value : c.spectrum(9).values) EXPECT_NEAR(std::abs(value), 1, 1e-12);
  Case symmetric(model, functions + ", estimator: reversible", sampling);
  for (const Complex& value : symmetric.spectrum(9).values) EXPECT_EQ(value.imag(), 0);
}

TEST(Dictionary, FunctionsOfTheOperatorAreNotMixedWithOthersOfTheSameEigenvalue) {
  // A shear keeps all functions of y. Those of x it leads out of the span, so that what stands for
  // them in the orthogonal matrix is arbitrary, and on some machines the eigenvalue 1 among it.
  Case c("kind: map, variables: [x, y], map: [x+y, y]",
         "family: fourier, degree: 2, cross: hyperbolic, on: {x: [0, 1], y: [0, 1]}, estimator: "
         "measure_preserving",
         "rule: uniform, points: 20");
  const DictionarySpectrum s = c.spectrum(9);
  int kept = 0;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    if (std::abs(s.values[i] - 1.0) > 1e-9) continue;
    const bool found = s.residuals[i] < 1e-9;
    if (found) ++kept;
    EXPECT_EQ(s.verdicts[i], found ? "converged" : "suspect");
  }
  EXPECT_EQ(kept, 5);
}

TEST(Dictionary, ModuliThatAreEqualUpToRoundingDoNotDecideTheOrder) {
  // Of a turn by an irrational angle all eigenvalues lie on the circle.
  const double turn = 0.3819660113;
  Case c("kind: map, variables: [x], map: [x+0.3819660113]",
         "family: fourier, degree: 3, on: {x: [0, 1]}", "rule: monte_carlo, points: 2000");
  const DictionarySpectrum s = c.spectrum(7);
  ASSERT_EQ(s.values.size(), 7);
  std::vector<double> heights{0};
  for (int k = 1; k <= 3; ++k) {
    heights.push_back(std::abs(std::sin(2 * std::numbers::pi * k * turn)));
  }
  std::sort(heights.begin(), heights.end());
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    EXPECT_NEAR(std::abs(s.values[i].imag()), heights[(i + 1) / 2], 1e-9) << i;
    EXPECT_TRUE(std::isnan(s.time_scales[i])) << i; // nothing decays
  }
}

TEST(Dictionary, TheLargestCoefficientDecidesThePhase) {
  // All functions have one norm, so that any basis whitens them.
  Case c("kind: map, variables: [x], map: [x+0.3], noise: {kind: gaussian, sigma: 0.1}",
         "family: fourier, degree: 3, on: {x: [0, 1]}", "rule: uniform, points: 40");
  const DictionarySpectrum s = c.spectrum(7);
  for (const Eigen::MatrixXd* side : {&s.right, &s.left}) {
    for (Eigen::Index i = 0; i < side->cols(); ++i) {
      const bool pair = s.values[static_cast<std::size_t>(i)].imag() != 0;
      const Eigen::VectorXd re = side->col(i);
      const Eigen::VectorXd im = pair ? Eigen::VectorXd(side->col(i + 1)) : 0 * re;
      const Eigen::VectorXd size = (re.cwiseAbs2() + im.cwiseAbs2()).cwiseSqrt();
      Eigen::Index at = 0;
      while (size[at] < 0.9 * size.maxCoeff()) ++at;
      EXPECT_NEAR(re[at], size[at], 1e-10) << i;
      EXPECT_NEAR(im[at], 0, 1e-10) << i;
      if (pair) ++i;
    }
  }
}

TEST(Dictionary, PseudospectrumOfANormalOperatorIsTheDistance) {
  Case c("kind: map, variables: [x], map: [x+0.3]", "family: fourier, degree: 2, on: {x: [0, 1]}",
         "points: 40");
  for (const Complex z : {Complex(0, 0), Complex(1.2, 0.3), Complex(-0.5, -0.5), Complex(3, 0)}) {
    double distance = 10;
    for (int k = -2; k <= 2; ++k) {
      const Complex value = std::polar(1.0, 2 * std::numbers::pi * k * 0.3);
      distance = std::min(distance, std::abs(z - value));
    }
    EXPECT_NEAR(operators::least_residual(c.matrix(), z), distance, 1e-3 * distance) << z;
  }
  EXPECT_LE(operators::least_residual(c.matrix(), 1.0), 10 * operators::residual_floor(c.matrix()));
}

TEST(Dictionary, SumsDoNotDependOnTheRanksNorOnAStop) {
  const std::string model = "kind: map, variables: [x], map: [tanh(2*x)]";
  Case c(model, "family: chebyshev, degree: 9, on: {x: [-1, 1]}",
         "rule: quasi_monte_carlo, points: 20000");
  operators::GramPass alone(MPI_COMM_SELF, (*c).pass());
  while (!alone.finished()) alone.advance();
  const operators::GramMatrices expected = alone.result();
  operators::GramPass first(test_session().comm(), (*c).pass());
  first.advance();
  operators::GramPass second(test_session().comm(), (*c).pass());
  second.restore(first.state());
  while (!second.finished()) second.advance();
  const operators::GramMatrices found = second.result();
  EXPECT_LE((found.g - expected.g).cwiseAbs().maxCoeff(), 1e-13);
  EXPECT_LE((found.a - expected.a).cwiseAbs().maxCoeff(), 1e-13);
  EXPECT_LE((found.l - expected.l).cwiseAbs().maxCoeff(), 1e-13);
  EXPECT_NEAR(found.weight, 1, 1e-12);
}

TEST(Dictionary, SingularGramMatricesAreExplained) {
  const std::string model = "kind: map, variables: [x], map: [x/2]";
  EXPECT_THAT(problem(model, "formulas: [x, 2*x]", "on: {x: [0, 1]}"),
              testing::StartsWith("the functions 'x' and '2*x' are proportional at all samples, so "
                                  "that the Gram matrix is singular; remove one of them"));
  EXPECT_THAT(
      problem(model, "formulas: [1, x, 3-x]", "on: {x: [0, 1]}"),
      testing::StartsWith("the function '3-x' depends linearly on the functions before it"));
  EXPECT_THAT(problem(model, "formulas: [x, 0*x]", "on: {x: [0, 1]}"),
              testing::StartsWith("the function '0*x' is 0 at every sample"));
  EXPECT_THAT(problem(model, "family: legendre, degree: 12, on: {x: [0, 1]}", "points: 5"),
              testing::StartsWith("the dictionary has 13 functions, but there are only 5 samples"));
  EXPECT_THAT(problem(model, "family: monomial, degree: 30, singular: error", "on: {x: [0, 1]}"),
              testing::HasSubstr("the Gram matrix is singular to rounding"));
  EXPECT_EQ(problem(model, "formulas: [x, 2*x], singular: cut", "on: {x: [0, 1]}"), "nothing");
}

TEST(Dictionary, BadModelsAreNamed) {
  EXPECT_THAT(problem("kind: map, variables: [x], map: [3*x]",
                      "family: legendre, degree: 3, on: {x: [-1, 1]}", "points: 4"),
              testing::HasSubstr("leads to x = -2.58341, beyond the lower end of 'dictionary.on.x' "
                                 "(-1), from x = -0.861136; widen 'dictionary.on'"));
  EXPECT_THAT(
      problem("kind: map, variables: [x], map: [x]", "formulas: [sqrt(x)]", "on: {x: [-1, 1]}"),
      testing::StartsWith("the function 'sqrt(x)' is not finite (it is "));
  EXPECT_THAT(problem("kind: sde, variables: [x], drift: [-x], diffusion: 1", "formulas: [x]",
                      "on: {x: [-1, 1]}"),
              testing::HasSubstr("the generator of an sde needs derivatives"));
  EXPECT_THAT(problem("kind: map, variables: [x], map: [x]", "formulas: [x]", "points: 4"),
              testing::HasSubstr("'sampling.on' is missing"));
}

} // namespace
} // namespace komori::analyses
