/// What a study will need before it is run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mpi.h>

namespace komori::analyses {

/// How a section solves what it has to solve.
enum class Solve {
  products,      ///< by products with the operator alone
  factorisation, ///< a sparse direct one
  multigrid,     ///< an algebraic hierarchy on an assembled matrix
  block          ///< the block eigensolver and its multigrid, on a stencil
};

/// What one section holds at its peak.
struct Section {
  Solve solve = Solve::products;
  bool symmetric = false; ///< of what is factorised
  double vectors = 12;    ///< of one value per cell
  int matrices = 0;       ///< assembled copies of the operator
  double pairs = 0;       ///< for `block`
};

/// The size of a problem and what is to be done with it.
struct Workload {
  int dimension = 1;
  double cells = 0;
  int ranks = 1;
  double row_entries = 0; ///< nonzeros per row; 0: a cell and its neighbours along the axes
  bool matrix_free = true;
  std::vector<Section> sections{};
};

/// Predicted sizes.
struct Estimate {
  double nonzeros = 0;       ///< of the operator
  double bytes_per_rank = 0; ///< peak, with the libraries themselves
  int suggested_ranks = 1;   ///< enough work for each, and no more than a factorisation gains from
};
Estimate estimate(const Workload& workload);

/// Throws MemoryError if there are more cells, or more nonzeros in a rank's part of an assembled
/// matrix, than an index of this build can number, or if the ranks of a node together need more
/// than it has. Collective.
void require_memory(MPI_Comm comm, const Workload& workload, const Estimate& estimate);

} // namespace komori::analyses
