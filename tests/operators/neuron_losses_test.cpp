/// Neurons left out one by one, against projections made anew for each.
#include "operators/neuron_losses.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/QR>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "mpi_main.hpp"

namespace komori::operators {
namespace {

using base::UniqueVec;

/// 3-7-7-2, tanh with noise. Neuron 4 of the first hidden layer is a copy of neuron 1, noise aside:
/// the layer's noise is uniform, but for those two without any.
models::Network network() {
  models::Network network;
  for (const char* name : {"a", "b", "c"}) network.input.push_back({name, {-1, 1}});
  const std::vector<std::size_t> widths{3, 7, 7, 2};
  const base::Random random(5);
  std::uint64_t drawn = 0;
  for (std::size_t n = 0; n + 1 < widths.size(); ++n) {
    models::NetworkLayer layer{.name = "layer",
                               .neurons = widths[n + 1],
                               .inputs = widths[n],
                               .activation = {models::Activation::tanh},
                               .noise = {models::NeuronNoise::uniform(0.3)}};
    for (std::size_t i = 0; i < layer.neurons * layer.inputs; ++i) {
      layer.weight.push_back(random.normal(drawn++));
    }
    for (std::size_t i = 0; i < layer.neurons; ++i) layer.bias.push_back(random.normal(drawn++));
    network.layers.push_back(std::move(layer));
  }
  models::NetworkLayer& first = network.layers[0];
  for (std::size_t j = 0; j < 3; ++j) first.weight[4 * 3 + j] = first.weight[1 * 3 + j];
  first.bias[4] = first.bias[1];
  first.noise.assign(7, models::NeuronNoise::uniform(0.3));
  first.noise[1] = first.noise[4] = models::NeuronNoise();
  return network;
}

Eigen::MatrixXd gathered(Mat matrix) {
  PetscInt rows = 0;
  PetscInt columns = 0;
  base::check(MatGetSize(matrix, &rows, &columns));
  Eigen::MatrixXd all(rows, columns);
  for (PetscInt j = 0; j < columns; ++j) {
    UniqueVec unit;
    UniqueVec image;
    base::check(MatCreateVecs(matrix, unit.put(), image.put()));
    base::check(VecSetValue(unit.get(), j, 1, INSERT_VALUES));
    base::check(VecAssemblyBegin(unit.get()));
    base::check(VecAssemblyEnd(unit.get()));
    base::check(MatMult(matrix, unit.get(), image.get()));
    Eigen::VectorXd column = Eigen::VectorXd::Zero(rows);
    PetscInt first = 0;
    base::check(VecGetOwnershipRange(image.get(), &first, nullptr));
    {
      const base::ReadArray own(image.get());
      for (std::size_t i = 0; i < own.size(); ++i) {
        column[first + static_cast<Eigen::Index>(i)] = own[i];
      }
    }
    MPI_Allreduce(MPI_IN_PLACE, column.data(), static_cast<int>(rows), MPI_DOUBLE, MPI_SUM,
                  MPI_COMM_WORLD);
    all.col(j) = column;
  }
  return all;
}

/// v without its projection on columns: by their singular values, those below 1e-6 left out.
Eigen::MatrixXd rest(const Eigen::MatrixXd& columns, const Eigen::MatrixXd& v) {
  Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> solver;
  solver.setThreshold(1e-6);
  solver.compute(columns);
  return v - columns * solver.solve(v);
}

TEST(NeuronLosses, AreThoseOfProjectionsMadeAnew) {
  const models::Network whole = network();
  const auto chains =
      sample_chains(test_session(), whole, {.degree = 2, .outputs = 1, .samples = 4000}, {4000},
                    {{.layer = 3, .value = [](std::span<const double> y) { return y[0]; }},
                     {.layer = 3, .value = [](std::span<const double> y) { return y[1] * y[0]; }}});
  const SampledChain& sampled = chains[0];
  std::vector<Eigen::MatrixXd> steps;
  for (const base::UniqueMat& step : sampled.chain.steps) steps.push_back(gathered(step.get()));
  for (const int n : {1, 2}) {
    std::vector<UniqueVec> functions;
    for (const UniqueVec& u : sampled.functions) {
      UniqueVec g = sampled.chain.compose(2, u.get());
      if (n == 1) g = sampled.chain.compose(1, g.get());
      functions.push_back(std::move(g));
    }
    double share = -1;
    std::size_t looks = 0;
    const std::vector<double> losses =
        neuron_losses(sampled, n, {functions[0].get(), functions[1].get()}, 1e-7, [&](double done) {
          EXPECT_GT(done, share);
          EXPECT_LT(done, 1);
          share = done;
          ++looks;
        });

    int ranks = 1;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    EXPECT_EQ(looks, (7 + static_cast<std::size_t>(ranks) - 1) / static_cast<std::size_t>(ranks));
    const auto layer = static_cast<std::size_t>(n);
    const Eigen::MatrixXd& expand = sampled.expand[layer];
    // All functions of layer n by unit functions: M(n,3) of what is kept.
    Eigen::MatrixXd given(expand.rows(), 2);
    for (Eigen::Index f = 0; f < 2; ++f) {
      given.col(f) =
          expand * dictionary_weights(sampled, n, functions[static_cast<std::size_t>(f)].get());
    }
    for (std::int64_t neuron = 0; neuron < 7; ++neuron) {
      std::vector<Eigen::Index> all;
      std::vector<Eigen::Index> others;
      for (std::size_t i = 0; i < sampled.dictionaries[layer].size(); ++i) {
        const std::int64_t own = sampled.dictionaries[layer].neuron(i);
        if (own == -2) continue;
        all.push_back(static_cast<Eigen::Index>(i));
        if (own != neuron) others.push_back(static_cast<Eigen::Index>(i));
      }
      const Eigen::MatrixXd resolved = given - rest(expand(Eigen::all, all), given);
      Eigen::MatrixXd lost = rest(expand(Eigen::all, others), resolved);
      for (int k = n - 1; k >= 0; --k) lost = steps[static_cast<std::size_t>(k)] * lost;
      EXPECT_NEAR(losses[static_cast<std::size_t>(neuron)], lost.norm(), 1e-10) << n << neuron;
    }
    const auto [least, largest] = std::minmax_element(losses.begin(), losses.end());
    EXPECT_GT(*largest, 1e-3);
    if (n == 1) { // either copy can go, not both
      EXPECT_LT(losses[1], 1e-10);
      EXPECT_LT(losses[4], 1e-10);
    } else {
      EXPECT_GT(*least, 1e-6);
    }
  }
}

TEST(NeuronLosses, ProjectionOnChosenFunctions) {
  const models::Network whole = network();
  const auto chains = sample_chains(test_session(), whole,
                                    {.degree = 2, .outputs = 0, .samples = 4000}, {4000}, {});
  const SampledChain& sampled = chains[0];
  const auto size = static_cast<Eigen::Index>(sampled.dictionaries[1].size());
  // The constant and both copies: five independent functions of seven.
  std::vector<Eigen::Index> chosen;
  for (Eigen::Index i = 0; i < size; ++i) {
    const std::int64_t neuron = sampled.dictionaries[1].neuron(static_cast<std::size_t>(i));
    if (neuron == -1 || neuron == 1 || neuron == 2 || neuron == 4) chosen.push_back(i);
  }
  const auto projection = project_on(sampled, 1, chosen, 1e-7);

  EXPECT_EQ(projection->rank(), 5);
  for (Eigen::Index i = 0; i < size; ++i) {
    const UniqueVec function = coefficients(sampled, 1, Eigen::VectorXd::Unit(size, i));
    const UniqueVec once = projection->apply(function.get());
    const UniqueVec twice = projection->apply(once.get());
    base::check(VecAXPY(twice.get(), -1, once.get()));
    EXPECT_LT(sampled.chain.norm(1, twice.get()), 1e-13);
    base::check(VecAXPY(once.get(), -1, function.get()));
    const bool kept = std::find(chosen.begin(), chosen.end(), i) != chosen.end();
    if (kept) {
      EXPECT_LT(sampled.chain.norm(1, once.get()), 1e-7);
    } else {
      EXPECT_GT(sampled.chain.norm(1, once.get()), 1e-3);
    }
  }
}

} // namespace
} // namespace komori::operators
