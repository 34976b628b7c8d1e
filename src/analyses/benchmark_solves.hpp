/// What whole solves take: eigenpairs, stationary densities, series.
#pragma once

#include "analyses/benchmark_rows.hpp"

namespace komori::analyses {

/// All functions are collective.
class BenchmarkSolves : public BenchmarkRows {
protected:
  using BenchmarkRows::BenchmarkRows;

  void eigensolve();
  /// In a plane; elsewhere that is what the former does.
  void eigensolve_in_three_dimensions();
  /// By rank 0 for itself, while the others wait.
  void eigensolve_on_one_rank();
  /// The iterations on the finest grid, from a tenth of the usual cells to the most.
  void eigensolve_at_other_sizes();
  void stationary_density_of_a_rotation();
  /// Of four observables in a plane, and what another observable and another rate take.
  void memory_rates();
  /// A Chebyshev series of some hundred products, on a stencil and on a matrix.
  void series();

private:
  struct Solved {
    double seconds = 0;
    PetscInt iterations = 0;
  };
  Solved eigenpairs(const std::string& form, double cells, int dimension, MPI_Comm comm) const;

  double memory(const std::vector<std::string>& observables, int rates) const;

  Solved usual_; ///< the eigensolve of the usual size
};

} // namespace komori::analyses
