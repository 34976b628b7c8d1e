/// Operators between the layers of networks: duality, mass, sign, norms, and the Mori-Zwanzig
/// equation. Numbers were computed independently with numpy and scipy.
#include "operators/layer_chain.hpp"

#include <cmath>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/signals.hpp"
#include "operators/layer_matrix.hpp"
#include "operators/layer_norms.hpp"
#include "operators/layer_reduction.hpp"

namespace komori::operators {
namespace {

using base::UniqueVec;
using models::Activation;
using models::Interval;
using models::NeuronNoise;

models::NetworkLayer layer_1d(double weight, double bias, NeuronNoise noise) {
  return {.name = "layer",
          .neurons = 1,
          .inputs = 1,
          .weight = {weight},
          .bias = {bias},
          .activation = {Activation::tanh},
          .noise = {noise}};
}

models::Network t1() {
  return {.input = {{"x", {-1, 1}}},
          .layers = {layer_1d(1, 1, NeuronNoise::uniform(2)),
                     layer_1d(2, -1, NeuronNoise::uniform(3))}};
}

models::Network t2() {
  models::Network network{.input = {{"x", {-1, 1}}}, .layers = {}};
  double c = 1;
  for (int n = 0; n < 6; ++n) {
    const double b = c / 0.64;
    network.layers.push_back(layer_1d(1.5, n % 2 == 0 ? 0.3 : -0.3, NeuronNoise::uniform(b)));
    c = 1 + b;
  }
  return network;
}

/// [-c_n, c_n] with c_{n+1} = 1 + b_n: all that tanh can reach.
std::vector<std::vector<Interval>> t2_ranges() {
  std::vector<std::vector<Interval>> ranges;
  double c = 1;
  for (int n = 0; n <= 6; ++n) {
    ranges.push_back({{-c, c}});
    c = 1 + c / 0.64;
  }
  return ranges;
}

/// Widths 2-3-1-2: every layer another one; kinds of noise mixed.
models::Network changing_widths() {
  return {.input = {{"a", {-1, 1}}, {"b", {0, 2}}},
          .layers = {
              {.name = "first",
               .neurons = 3,
               .inputs = 2,
               .weight = {1, -0.5, 0.3, 0.8, -1, 0.2},
               .bias = {0.1, -0.2, 0.3},
               .activation = {Activation::tanh},
               .noise = {NeuronNoise::uniform(0.9)}},
              {.name = "second",
               .neurons = 1,
               .inputs = 3,
               .weight = {0.5, -1, 0.7},
               .bias = {0.2},
               .activation = {Activation::sigmoid},
               .noise = {NeuronNoise::gaussian(0.4, 8)}},
              {.name = "third",
               .neurons = 2,
               .inputs = 1,
               .weight = {1.5, -1},
               .bias = {0, 0.5},
               .activation = {Activation::softplus, Activation::erf},
               .noise = {NeuronNoise::truncated_gaussian(0.5, 0.8), NeuronNoise::uniform(0.7)}}}};
}

/// Grids of all layers, of one number of cells or one per layer, and the operators between them.
struct Grids {
  Grids(const models::Network& network, const std::vector<PetscInt>& cells, int order,
        Integrand integrand = Integrand::polynomials)
      : Grids(network, models::ranges(network), cells, order, integrand) {}
  Grids(const models::Network& network, std::vector<std::vector<Interval>> ranges,
        const std::vector<PetscInt>& cells, int order, Integrand integrand = Integrand::polynomials)
      : all(std::move(ranges)) {
    for (std::size_t n = 0; n <= network.depth(); ++n) {
      spaces.push_back(std::make_unique<LayerSpace>(
          PETSC_COMM_WORLD, network.variables(n), all[n],
          std::vector<PetscInt>(network.width(n), cells[cells.size() == 1 ? 0 : n]), order));
      chain.weights.push_back(UniqueVec::share(spaces.back()->weights()));
    }
    chain.comm = PETSC_COMM_WORLD;
    for (std::size_t n = 0; n < network.depth(); ++n) {
      LayerMatrix layer = assemble_layer(network.layers[n], *spaces[n], *spaces[n + 1], integrand);
      leak = std::max(leak, layer.largest_leak);
      chain.steps.push_back(std::move(layer.matrix));
    }
  }
  const LayerSpace& space(int n) const { return *spaces[static_cast<std::size_t>(n)]; }

  std::vector<std::vector<Interval>> all;
  std::vector<std::unique_ptr<LayerSpace>> spaces;
  LayerChain chain;
  double leak = 0;
};

UniqueVec random_function(const LayerSpace& space, std::uint64_t seed) {
  UniqueVec vec = base::duplicate(space.weights());
  const base::Random random(seed);
  const base::WriteArray values(vec.get());
  space.grid().for_each_cell([&](PetscInt local, const spaces::Index& index) {
    values[static_cast<std::size_t>(local)] =
        random.uniform(static_cast<std::uint64_t>(space.grid().natural(index)));
  });
  return vec;
}

double least(Vec vec) {
  PetscReal value = 0;
  base::check(VecMin(vec, nullptr, &value));
  return value;
}

double largest(Vec vec) {
  PetscReal value = 0;
  base::check(VecMax(vec, nullptr, &value));
  return value;
}

TEST(LayerOperators, ExpectationsOfTwoLayers) {
  const models::Network network = t1();
  const Grids grids(network, {12}, 8);
  const UniqueVec y = grids.space(2).sampled([](std::span<const double> x) { return x[0]; });

  const UniqueVec inner = grids.chain.compose(1, y.get());
  const std::vector<double> points{-1, -0.5, 0, 0.5, 1};
  const std::vector<double> values =
      composition_at(network.layers[0], grids.space(0), grids.space(1), inner.get(), points);

  const std::vector<double> expected{-0.249696214220, -0.018928668729, 0.130692465248,
                                     0.202370583619, 0.231752310929};
  for (std::size_t i = 0; i < points.size(); ++i) EXPECT_NEAR(values[i], expected[i], 2e-12);
  const UniqueVec outer = grids.chain.compose(0, inner.get());
  EXPECT_NEAR(
      0.5 * grids.chain.dot(0, grids.space(0).sampled([](auto) { return 1; }).get(), outer.get()),
      0.081170573177, 3e-12);
}

TEST(LayerOperators, ContractionAndNorms) {
  const models::Network network = t1();
  const Grids grids(network, {12}, 8);
  base::Log log(PETSC_COMM_WORLD);
  log.set_level(base::Log::Level::quiet);

  EXPECT_NEAR(std::exp(log_contraction(network.layers[0], grids.all[0])), 0.5, 1e-15);
  EXPECT_NEAR(std::exp(log_contraction(network.layers[1], grids.all[1])), 0.827337930013, 1e-12);
  const auto first = product_values(grids.chain, 0, 1, 1, 1e-12, "norms_", log);
  const auto second = product_values(grids.chain, 1, 2, 1, 1e-12, "norms_", log);
  EXPECT_NEAR(first.values[0], 0.67951, 1e-5);
  EXPECT_NEAR(second.values[0], 0.83312, 1.5e-5);
  EXPECT_LT(first.residuals[0], 1e-10);
  // The norm of a product is at most the product, and the HS norm at least the norm.
  const auto both = product_values(grids.chain, 0, 2, 1, 1e-12, "norms_", log);
  EXPECT_LE(both.values[0], first.values[0] * second.values[0] + 1e-12);
  EXPECT_GE(hilbert_schmidt(grids.chain, 0), first.values[0]);
  EXPECT_NEAR(hilbert_schmidt(grids.chain, 0), std::sqrt(0.5), 2e-3);
}

TEST(LayerOperators, NoiseThatContractsAsWanted) {
  const models::Network network = t1();

  const std::vector<double> factors = noise_for_contraction(network, 0.64);

  // b_1 = 1 / 0.64, then the range of tanh(x + 1) widened by it.
  EXPECT_NEAR(2 * factors[0], 1 / 0.64, 1e-13);
  const double half = 0.5 * (std::tanh(2.0) - std::tanh(0.0) + 2 / 0.64);
  EXPECT_NEAR(3 * factors[1], half / 0.64, 1e-13);
}

TEST(LayerOperators, DualityMassAndSignOnChangingWidths) {
  const models::Network network = changing_widths();
  for (const int order : {1, 3}) {
    const Grids smooth(network, {6, 6, 12, 9}, order);
    const Grids shares(network, {6, 6, 12, 9}, order, Integrand::shares);
    EXPECT_LT(smooth.leak, 1e-13);
    for (const Grids* grids : {&smooth, &shares}) {
      for (int n = 0; n < 3; ++n) {
        const UniqueVec one = grids->space(n + 1).sampled([](auto) { return 1; });
        const UniqueVec back = grids->chain.compose(n, one.get());
        EXPECT_NEAR(least(back.get()), 1, 1e-12) << n << " order " << order;
        EXPECT_NEAR(largest(back.get()), 1, 1e-12) << n;
        const UniqueVec p = random_function(grids->space(n), 11);
        const UniqueVec u = random_function(grids->space(n + 1), 12);
        EXPECT_LT(grids->chain.duality_gap(n, p.get(), u.get()), 1e-14);
        const UniqueVec here = grids->space(n).sampled([](auto) { return 1; });
        const UniqueVec q = grids->chain.transfer(n, p.get());
        const double mass = grids->chain.dot(n, here.get(), p.get());
        EXPECT_NEAR(grids->chain.dot(n + 1, one.get(), q.get()), mass, 1e-12 * mass);
        if (grids == &shares) {
          EXPECT_GE(least(q.get()), 0);
        }
      }
    }
  }
}

TEST(LayerOperators, PiecewiseConstantsConvergeWithOrderTwo) {
  const models::Network network = t1();
  std::vector<double> errors;
  for (const PetscInt cells : {20, 40, 80}) {
    const Grids grids(network, {cells}, 1);
    const UniqueVec y = grids.space(2).sampled([](std::span<const double> x) { return x[0]; });
    const UniqueVec inner = grids.chain.compose(1, y.get());
    const UniqueVec outer = grids.chain.compose(0, inner.get());
    const UniqueVec half = grids.space(0).sampled([](auto) { return 0.5; });
    errors.push_back(std::abs(grids.chain.dot(0, half.get(), outer.get()) - 0.081170573177));
  }
  EXPECT_GT(errors[0] / errors[1], 3);
  EXPECT_GT(errors[1] / errors[2], 3);
}

/// Projections on Legendre polynomials up to a degree below `rank` in every layer of one variable.
std::vector<std::unique_ptr<LayerProjection>> legendre(const Grids& grids, int rank) {
  std::vector<std::unique_ptr<LayerProjection>> all;
  for (std::size_t n = 0; n < grids.spaces.size(); ++n) {
    std::vector<UniqueVec> functions;
    for (int m = 0; m < rank; ++m) {
      functions.push_back(grids.spaces[n]->sampled([&](std::span<const double> x) {
        const Interval range = grids.spaces[n]->range(0);
        return std::pow((2 * x[0] - range.from - range.to) / (range.to - range.from), m);
      }));
    }
    all.push_back(project_on(grids.chain, static_cast<int>(n), std::move(functions)));
  }
  return all;
}

TEST(LayerMemory, SixLayersByLag) {
  const models::Network network = t2();
  const Grids grids(network, t2_ranges(), {120}, 1);
  base::Log log(PETSC_COMM_WORLD);
  log.set_level(base::Log::Level::quiet);
  const std::vector<double> norms{0.706, 0.752, 0.774, 0.785, 0.791, 0.795};
  for (int n = 0; n < 6; ++n) {
    EXPECT_NEAR(std::exp(log_contraction(network.layers[static_cast<std::size_t>(n)],
                                         grids.all[static_cast<std::size_t>(n)])),
                0.64, 1e-14);
    const auto values = product_values(grids.chain, n, n + 1, 1, 1e-10, "norms_", log);
    EXPECT_NEAR(values.values[0], norms[static_cast<std::size_t>(n)], 6e-4);
  }
  const UniqueVec u =
      grids.space(6).sampled([](std::span<const double> y) { return std::tanh(2 * y[0]); });
  const std::vector<std::vector<double>> expected{{2.24e-7, 4.54e-8, 1.55e-8, 6.31e-9, 2.80e-9},
                                                  {1.62e-7, 3.37e-8, 1.15e-8, 4.67e-9, 2.08e-9}};
  for (const int rank : {2, 3}) {
    double identity = 0;
    std::vector<double> memory;
    memory_terms(grids.chain, Direction::backward, legendre(grids, rank), u.get(),
                 [&](const MemoryTerms& terms) {
                   identity = std::max(identity, terms.identity);
                   memory = terms.memory;
                 });
    EXPECT_LT(identity, 1e-13);
    const std::vector<double>& wanted = expected[static_cast<std::size_t>(rank) - 2];
    ASSERT_EQ(memory.size(), wanted.size());
    for (std::size_t l = 0; l < wanted.size(); ++l) EXPECT_NEAR(memory[l] / wanted[l], 1, 3e-3);
  }
}

TEST(LayerMemory, ConstantsRememberNothingAndResolvedFunctionsHaveNoNoise) {
  const Grids grids(t2(), t2_ranges(), {30}, 2);
  const UniqueVec u =
      grids.space(6).sampled([](std::span<const double> y) { return std::tanh(2 * y[0]); });
  const UniqueVec line = grids.space(6).sampled([](std::span<const double> y) { return y[0]; });

  memory_terms(grids.chain, Direction::backward, legendre(grids, 1), u.get(),
               [](const MemoryTerms& terms) {
                 EXPECT_LT(terms.identity, 1e-13);
                 for (const double norm : terms.memory) EXPECT_LT(norm, 1e-14);
               });
  memory_terms(grids.chain, Direction::backward, legendre(grids, 2), line.get(),
               [](const MemoryTerms& terms) { EXPECT_LT(terms.noise, 1e-14); });
}

TEST(LayerMemory, IdentityHoldsForNeuronsOnChangingWidthsBothWays) {
  const Grids grids(changing_widths(), {5, 5, 10, 8}, 2);
  std::vector<std::unique_ptr<LayerProjection>> projections;
  const std::vector<std::vector<int>> kept{{0}, {0, 2}, {0}, {1}};
  for (int n = 0; n <= 3; ++n) {
    projections.push_back(project_on_variables(grids.space(n), kept[static_cast<std::size_t>(n)]));
    // P is idempotent and symmetric.
    const UniqueVec a = random_function(grids.space(n), 3);
    const UniqueVec b = random_function(grids.space(n), 4);
    const UniqueVec pa = projections.back()->apply(a.get());
    const UniqueVec pb = projections.back()->apply(b.get());
    const UniqueVec ppa = projections.back()->apply(pa.get());
    base::check(VecAXPY(ppa.get(), -1, pa.get()));
    EXPECT_LT(grids.chain.norm(n, ppa.get()), 1e-13);
    EXPECT_NEAR(grids.chain.dot(n, pa.get(), b.get()), grids.chain.dot(n, a.get(), pb.get()),
                1e-13);
  }
  const UniqueVec u = grids.space(3).sampled(
      [](std::span<const double> y) { return std::sin(y[0]) + y[0] * y[1]; });
  const UniqueVec p = random_function(grids.space(0), 5);
  int steps = 0;
  const auto holds = [&](const MemoryTerms& terms) {
    EXPECT_LT(terms.identity, 1e-13);
    ++steps;
  };

  memory_terms(grids.chain, Direction::backward, projections, u.get(), holds);
  memory_terms(grids.chain, Direction::forward, projections, p.get(), holds);

  EXPECT_EQ(steps, 6);
}

/// Of an observable that is not resolved at the outputs every layer leaves something out, which the
/// reduced layers carry on.
TEST(LayerReduction, ErrorsAreBoundedWhereTheObservableIsNotResolved) {
  const Grids grids(changing_widths(), {5, 5, 10, 8}, 2);
  std::vector<std::unique_ptr<LayerProjection>> projections;
  for (int n = 0; n <= 3; ++n) {
    std::vector<UniqueVec> functions;
    functions.push_back(grids.space(n).sampled([](std::span<const double>) { return 1.0; }));
    functions.push_back(
        grids.space(n).sampled([](std::span<const double> x) { return std::exp(x[0]); }));
    projections.push_back(project_on(grids.chain, n, std::move(functions)));
  }
  std::vector<UniqueVec> observables;
  observables.push_back(
      grids.space(3).sampled([](std::span<const double> y) { return y[0] * y[1]; }));
  observables.push_back(
      grids.space(3).sampled([](std::span<const double> y) { return std::sin(5 * y[1]); }));

  const ReducedChain reduced = reduce(grids.chain, projections, observables);

  ASSERT_EQ(reduced.measured.size(), 3U);
  for (std::size_t lags = 0; lags < 3; ++lags) {
    EXPECT_GT(reduced.measured[lags], 0.01) << lags;
    EXPECT_GE(reduced.predicted[lags], reduced.measured[lags]) << lags;
    EXPECT_LT(reduced.predicted[lags], 50 * reduced.measured[lags]) << lags;
  }
  // One step: what is left out is the noise term alone, and nothing carries it on.
  LayerChain last{.comm = PETSC_COMM_WORLD};
  last.weights.push_back(UniqueVec::share(grids.chain.weight(2)));
  last.weights.push_back(UniqueVec::share(grids.chain.weight(3)));
  last.steps.push_back(base::UniqueMat::share(grids.chain.steps[2].get()));
  std::vector<std::unique_ptr<LayerProjection>> two;
  two.push_back(std::move(projections[2]));
  two.push_back(std::move(projections[3]));
  const ReducedChain one = reduce(last, two, observables);
  EXPECT_NEAR(one.predicted[0], one.measured[0], 1e-12 * one.measured[0]);
}

TEST(LayerOperators, AssemblyGoesOnFromRowsThatAreDone) {
  const models::Network network = changing_widths();
  const std::vector<std::vector<Interval>> ranges = models::ranges(network);
  const LayerSpace from(PETSC_COMM_WORLD, {"a", "b"}, ranges[0], {9, 7}, 2);
  const LayerSpace to(PETSC_COMM_WORLD, {"c", "d", "e"}, ranges[1], {6, 5, 7}, 1);
  const auto assembled = [&](const UlamContinuation& continuation) {
    return assemble_layer(network.layers[0], from, to, Integrand::polynomials, continuation);
  };
  const LayerMatrix whole = assembled({});
  // Stopped in the middle, by all ranks at once, with what each of them has done.
  UlamContinuation stopping;
  UlamRowsDone done;
  int rounds = 0;
  stopping.seconds = 0;
  stopping.step = [&](const std::function<UlamRowsDone()>& so_far, std::int64_t computed) {
    if (++rounds < 20) return;
    done = so_far();
    EXPECT_EQ(done.rows.size(), 3 * static_cast<std::size_t>(computed));
    throw base::Stopped("for a test");
  };
  EXPECT_THROW(assembled(stopping), base::Stopped);
  ASSERT_EQ(rounds, 20);
  UlamContinuation resuming;
  std::int64_t computed = 0;
  resuming.seconds = 0;
  resuming.step = [&](const std::function<UlamRowsDone()>&, std::int64_t count) {
    computed = count;
  };
  resuming.from = done;

  const LayerMatrix resumed = assembled(resuming);

  const auto own = static_cast<std::int64_t>(from.grid().local_cells());
  EXPECT_LT(computed, own);
  PetscBool same = PETSC_FALSE;
  base::check(MatEqual(resumed.matrix.get(), whole.matrix.get(), &same));
  EXPECT_TRUE(same);
  EXPECT_EQ(resumed.nonzeros, whole.nonzeros);
  EXPECT_EQ(resumed.largest_leak, whole.largest_leak);
}

TEST(LayerOperators, SayWhatDoesNotFit) {
  const auto problem_of = [](auto body) -> std::string {
    try {
      body();
    } catch (const base::InputError& error) {
      return error.what();
    }
    return "(no error)";
  };
  const models::Network narrow{.input = {{"x", {-1, 1}}},
                               .layers = {layer_1d(1, 0, NeuronNoise::uniform(0.01))}};
  EXPECT_THAT(problem_of([&] { const Grids grids(narrow, {10}, 1); }),
              testing::HasSubstr("the noise of x1_1 is 0.02 wide, less than a cell (0.154); it "
                                 "takes at least 78 cells in place of 10"));
  EXPECT_THAT(problem_of([&] {
                require_covered(narrow.layers[0], {{-1, 1}}, {{-0.5, 1}}, {"x1_1"});
              }),
              testing::HasSubstr("x1_1 reaches [-0.77159415595"));
}

/// The Hilbert-Schmidt norm of a product is that of the product of its matrices.
TEST(LayerNorms, HilbertSchmidtOfProducts) {
  const Grids grids(t1(), {40, 30, 50}, 1);
  base::UniqueMat product;
  base::check(MatMatMult(grids.chain.steps[0].get(), grids.chain.steps[1].get(), MAT_INITIAL_MATRIX,
                         PETSC_DEFAULT, product.put()));
  LayerChain whole;
  whole.comm = PETSC_COMM_WORLD;
  whole.weights.push_back(UniqueVec::share(grids.chain.weight(0)));
  whole.weights.push_back(UniqueVec::share(grids.chain.weight(2)));
  whole.steps.push_back(std::move(product));
  const std::vector<double> found = product_hilbert_schmidt(grids.chain, 2);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NEAR(found[0], hilbert_schmidt(whole, 0), 1e-13);
  EXPECT_DOUBLE_EQ(found[1], hilbert_schmidt(grids.chain, 1));
  EXPECT_LT(found[0], hilbert_schmidt(grids.chain, 0) * found[1]);
}

} // namespace
} // namespace komori::operators
