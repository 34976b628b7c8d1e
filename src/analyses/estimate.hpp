/// What a study will need before it is run.
#pragma once

#include <cstdint>
#include <string>

#include <mpi.h>

namespace komori::analyses {

/// The size of a problem and what is to be done with it.
struct Workload {
  int dimension = 1;
  double cells = 0;
  int ranks = 1;
  double row_entries = 0;  ///< nonzeros per row; 0: a cell and its neighbours along the axes
  double vectors = 10;     ///< cell vectors held at once
  int matrices = 1;        ///< assembled copies of the operator
  bool factorised = false; ///< a sparse factorisation is made
  bool symmetric = false;  ///< ... of a symmetric matrix
  bool multigrid = false;  ///< an algebraic multigrid hierarchy is made
};

/// Predicted sizes.
struct Estimate {
  double nonzeros = 0;       ///< of the operator
  double bytes_per_rank = 0; ///< peak, with the libraries themselves
};
Estimate estimate(const Workload& workload);

/// Throws MemoryError if the ranks of a node together need more than it has. Collective.
void require_memory(MPI_Comm comm, const Workload& workload, const Estimate& estimate);

} // namespace komori::analyses
