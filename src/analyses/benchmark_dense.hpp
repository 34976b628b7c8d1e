/// What dense matrices take: the pass of a dictionary over its samples.
#pragma once

#include "analyses/benchmark_solves.hpp"

namespace komori::analyses {

/// All functions are collective.
class BenchmarkDense : public BenchmarkSolves {
protected:
  using BenchmarkSolves::BenchmarkSolves;

  /// Gram matrices of polynomials in two variables and of their images under a map, over random
  /// samples, as a share of what BLAS multiplies matrices of these sizes with in the same run.
  void dictionary_pass();

private:
  /// Floating-point operations per second of dgemm, all ranks at once.
  double multiplication_speed(int columns) const;
};

} // namespace komori::analyses
