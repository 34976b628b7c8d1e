#include "analyses/estimate.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <petscsys.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"

namespace komori::analyses {
namespace {

/// Resident memory of a process that has only started the libraries.
constexpr double library_bytes = 90e6;

/// Nonzeros of a Cholesky factor after nested dissection of a d-dimensional grid (George, SIAM J.
/// Numer. Anal. 10, 1973), with constants fitted to what CHOLMOD and MUMPS take.
double factor_nonzeros(int dimension, double cells) {
  if (dimension == 1) return 4 * cells;
  if (dimension == 2) return 4.5 * cells * std::log2(std::max(cells, 2.0));
  const double exponent = 2.0 * (dimension - 1) / dimension;
  return 12 * std::pow(cells, exponent);
}

} // namespace

Estimate estimate(const Workload& workload) {
  Estimate result;
  result.nonzeros = workload.cells *
                    (workload.row_entries > 0 ? workload.row_entries : 2 * workload.dimension + 1);
  const double entry = sizeof(PetscScalar) + sizeof(PetscInt);
  const double matrix = result.nonzeros * entry;
  double total = workload.matrices * matrix + workload.vectors * 8 * workload.cells;
  if (workload.factorised) {
    total += (workload.symmetric ? 1 : 2) * 8 * factor_nonzeros(workload.dimension, workload.cells);
  }
  if (workload.multigrid) total += (workload.dimension <= 2 ? 2.5 : 4.0) * matrix;
  result.bytes_per_rank = library_bytes + total / workload.ranks;
  return result;
}

void require_memory(MPI_Comm comm, const Workload& workload, const Estimate& estimate) {
  const int sharing = base::ranks_on_node(comm);
  const double needed = estimate.bytes_per_rank * sharing;
  const double available = base::node_memory_bytes();
  int short_of = needed > available ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &short_of, 1, MPI_INT, MPI_MAX, comm);
  if (short_of == 0) return;
  throw base::MemoryError(fmt::format(
      "this run needs about {} on a node with {} ({:.4g} cells, {} ranks here, about {} each); use "
      "more nodes, fewer cells{}",
      base::bytes_text(needed), base::bytes_text(available), workload.cells, sharing,
      base::bytes_text(estimate.bytes_per_rank),
      workload.factorised ? ", or 'solver: iterative'" : ""));
}

} // namespace komori::analyses
