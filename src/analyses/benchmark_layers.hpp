/// What products with a layer of a network take where no matrix of it is stored.
#pragma once

#include "analyses/benchmark_dense.hpp"

namespace komori::analyses {

/// All functions are collective.
class BenchmarkLayers : public BenchmarkDense {
protected:
  using BenchmarkDense::BenchmarkDense;

  /// The first layer of inputs/three_neurons.yaml: both products on `layer_cells` along each of
  /// three variables, and how much longer a matrix takes where one has room.
  void layer_products();
};

} // namespace komori::analyses
