/// Steps of uniform noise by cumulative sums against their matrices.
#include "operators/layer_boxes.hpp"

#include <array>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "operators/layer_chain.hpp"
#include "operators/layer_norms.hpp"

namespace komori::operators {
namespace {

using base::UniqueVec;
using models::Activation;
using models::NeuronNoise;

/// A layer of any widths with weights between -1 and 1.
models::NetworkLayer layer_of(std::size_t neurons, std::size_t inputs,
                              std::vector<NeuronNoise> noise) {
  models::NetworkLayer layer{.name = "layer",
                             .neurons = neurons,
                             .inputs = inputs,
                             .activation = {Activation::tanh},
                             .noise = std::move(noise)};
  const base::Random random(5);
  for (std::size_t i = 0; i < neurons * inputs; ++i) {
    layer.weight.push_back(2 * random.uniform(i) - 1);
  }
  layer.bias.assign(neurons, 0.1);
  return layer;
}

struct Step {
  Step(models::NetworkLayer its_layer, PetscInt cells) : layer(std::move(its_layer)) {
    const models::Network network{.input = inputs(layer.inputs), .layers = {layer}};
    const auto ranges = models::ranges(network);
    for (std::size_t n = 0; n < 2; ++n) {
      spaces.push_back(std::make_unique<LayerSpace>(
          PETSC_COMM_WORLD, network.variables(n), ranges[n],
          std::vector<PetscInt>(network.width(n), cells + static_cast<PetscInt>(n)), 1));
    }
    for (int kind = 0; kind < 2; ++kind) {
      LayerChain& chain = chains[static_cast<std::size_t>(kind)];
      chain.comm = PETSC_COMM_WORLD;
      for (const auto& space : spaces) chain.weights.push_back(UniqueVec::share(space->weights()));
    }
    LayerMatrix assembled = assemble_layer(layer, *spaces[0], *spaces[1], Integrand::polynomials);
    LayerMatrix boxes = box_layer(layer, *spaces[0], *spaces[1], make_box_scratch());
    EXPECT_NEAR(assembled.largest_leak, boxes.largest_leak, 1e-13);
    EXPECT_EQ(boxes.nonzeros, 0);
    EXPECT_FALSE(is_box_layer(assembled.matrix.get()));
    EXPECT_TRUE(is_box_layer(boxes.matrix.get()));
    chains[0].steps.push_back(std::move(assembled.matrix));
    chains[1].steps.push_back(std::move(boxes.matrix));
  }
  static std::vector<models::InputVariable> inputs(std::size_t count) {
    std::vector<models::InputVariable> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({fmt::format("x{}", i), {-1, 1.5}});
    return all;
  }
  UniqueVec function(std::size_t n) const {
    UniqueVec vec = base::duplicate(spaces[n]->weights());
    const base::Random random(3);
    const base::WriteArray values(vec.get());
    spaces[n]->grid().for_each_cell([&](PetscInt local, const spaces::Index& index) {
      values[static_cast<std::size_t>(local)] =
          random.uniform(static_cast<std::uint64_t>(spaces[n]->grid().natural(index))) - 0.3;
    });
    return vec;
  }

  models::NetworkLayer layer;
  std::vector<std::unique_ptr<LayerSpace>> spaces;
  std::array<LayerChain, 2> chains; ///< by matrix, by boxes
};

double distance(Vec a, Vec b) {
  UniqueVec gap = base::duplicate(a);
  base::check(VecWAXPY(gap.get(), -1, a, b));
  PetscReal largest = 0;
  base::check(VecNorm(gap.get(), NORM_INFINITY, &largest));
  return largest;
}

/// Values are of order 1 and sums have some 1e4 terms: 1e-13 is rounding. The norm of the matrix is
/// a sum over all its entries, one after the other.
void expect_alike(const Step& step, double rounding_of_norm = 1e-12) {
  const UniqueVec u = step.function(1);
  const UniqueVec p = step.function(0);
  EXPECT_LT(
      distance(step.chains[0].compose(0, u.get()).get(), step.chains[1].compose(0, u.get()).get()),
      1e-13);
  EXPECT_LT(distance(step.chains[0].transfer(0, p.get()).get(),
                     step.chains[1].transfer(0, p.get()).get()),
            1e-12);
  EXPECT_LT(step.chains[1].duality_gap(0, p.get(), u.get()), 1e-14);
  EXPECT_NEAR(hilbert_schmidt(step.chains[0], 0), hilbert_schmidt(step.chains[1], 0),
              rounding_of_norm);
}

TEST(LayerBoxes, AreTheMatricesInOneToFourDimensions) {
  for (std::size_t d = 1; d <= 4; ++d) {
    SCOPED_TRACE(d);
    expect_alike(Step(layer_of(d, d, {NeuronNoise::uniform(0.8)}), d < 3 ? 25 : d == 3 ? 9 : 5));
  }
}

TEST(LayerBoxes, TakeNoiseOfEveryNeuronAndNone) {
  expect_alike(Step(
      layer_of(3, 2, {NeuronNoise::uniform(0.5), NeuronNoise(), NeuronNoise::uniform(1.3)}), 12));
  expect_alike(Step(layer_of(1, 3, {NeuronNoise()}), 7));
}

TEST(LayerBoxes, TakeAFirstNeuronWithoutNoise) {
  // Ranks see some of its cells only, at their own places in the table.
  const double rounding = 1e-10; // of up to 1e5 entries
  expect_alike(
      Step(layer_of(3, 3, {NeuronNoise(), NeuronNoise::uniform(0.7), NeuronNoise::uniform(0.9)}),
           11),
      rounding);
  models::NetworkLayer layer = layer_of(2, 2, {NeuronNoise(), NeuronNoise::uniform(0.8)});
  layer.weight = {1, 0.1, 0.3, -0.8};
  expect_alike(Step(std::move(layer), 39), rounding);
}

TEST(LayerBoxes, TakeRanksThatSeeDifferentPartsOfTheTable) {
  // Along each neuron the images of a rank's points cover a part of all.
  models::NetworkLayer layer = layer_of(2, 2, {NeuronNoise::uniform(0.15)});
  layer.weight = {0.9, 0.05, 0.05, 0.8};
  expect_alike(Step(layer, 41), 1e-10); // of 1e5 entries
  layer = layer_of(1, 1, {NeuronNoise::uniform(0.2)});
  layer.weight = {0.9};
  expect_alike(Step(std::move(layer), 60));
}

TEST(LayerBoxes, TakeNoiseOfAWholeNumberOfCellsAndOfHardlyOne) {
  // The activation leaves [-1, 1]: 2.5 wide with the noise, cells of 0.1 and noise of five of them;
  // then cells of 2.08 / 26 and noise as wide.
  for (const double reach : {0.25, 0.04}) {
    SCOPED_TRACE(reach);
    models::NetworkLayer layer = layer_of(2, 2, {NeuronNoise::uniform(reach)});
    layer.weight = {3, 1e3, -1e3, 2};
    expect_alike(Step(std::move(layer), reach > 0.1 ? 24 : 25));
  }
}

TEST(LayerBoxes, TakeMorePointsThanATileHolds) {
  const double rounding = 1e-9; // of 1e7 entries and more
  expect_alike(Step(layer_of(2, 2, {NeuronNoise::uniform(0.6), NeuronNoise::uniform(0.9)}), 70),
               rounding);
  expect_alike(Step(layer_of(3, 3, {NeuronNoise::uniform(0.9)}), 17), rounding);
}

TEST(LayerBoxes, TakeImagesThatAreAllAlike) {
  models::NetworkLayer layer = layer_of(2, 2, {NeuronNoise::uniform(0.5), NeuronNoise()});
  layer.weight = {0, 0, 1, 0.5};
  expect_alike(Step(std::move(layer), 11));
  expect_alike(Step(layer_of(1, 2, {NeuronNoise::uniform(0.5)}), 3));
}

TEST(LayerBoxes, HaveTheSameNorms) {
  const Step step(layer_of(2, 2, {NeuronNoise::uniform(0.7)}), 12);
  const double exact = product_hilbert_schmidt(step.chains[0], 1).at(0);
  EXPECT_NEAR(product_hilbert_schmidt(step.chains[1], 1).at(0), exact, 1e-12);
}

TEST(LayerBoxes, ConserveMassAndOne) {
  const Step step(layer_of(3, 3, {NeuronNoise::uniform(0.6)}), 10);
  const UniqueVec one = base::duplicate(step.spaces[1]->weights());
  base::check(VecSet(one.get(), 1));
  const UniqueVec back = step.chains[1].compose(0, one.get());
  const UniqueVec ones = base::duplicate(step.spaces[0]->weights());
  base::check(VecSet(ones.get(), 1));
  EXPECT_LT(distance(back.get(), ones.get()), 1e-12);
  const UniqueVec p = step.function(0);
  const UniqueVec moved = step.chains[1].transfer(0, p.get());
  EXPECT_NEAR(step.chains[1].dot(1, moved.get(), one.get()),
              step.chains[1].dot(0, p.get(), ones.get()), 1e-12);
}

} // namespace
} // namespace komori::operators
