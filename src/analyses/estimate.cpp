#include "analyses/estimate.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <petscsys.h>

#include "base/error.hpp"
#include "base/indices.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"

namespace komori::analyses {
namespace {

/// Resident memory of a process beside its share of the problem: libraries, MPI's buffers.
constexpr double library_bytes = 53e6;

/// Up to this size every rank factorises the whole matrix (linalg/solver.cpp).
constexpr double redundant_cells = 50'000;

constexpr double scalar = 8;

/// Nonzeros of a Cholesky factor after nested dissection of a d-dimensional grid (George, SIAM J.
/// Numer. Anal. 10, 1973), with constants fitted to what CHOLMOD and MUMPS take.
double factor_nonzeros(int dimension, double cells) {
  if (dimension == 1) return 4 * cells;
  if (dimension == 2) return 4.5 * cells * std::log2(std::max(cells, 2.0));
  const double exponent = 2.0 * (dimension - 1) / dimension;
  return 12 * std::pow(cells, exponent);
}

/// Bytes per cell of the block eigensolver: basis vectors and what it hands out, single-precision
/// fields of the multigrid cycle in chunks of columns, coefficients.
double block_bytes(int dimension, double pairs) {
  const double block = pairs + std::max(3.0, std::floor(pairs / 5));
  const double chunk = block > 8 ? 16 : block > 4 ? 8 : 4;
  return scalar * (5 * block + 1 + pairs) + 28 * chunk + 40 + 50 * dimension;
}

/// Bytes of one section: shared among the ranks, and held by each.
std::pair<double, double> section_bytes(const Workload& load, const Section& section,
                                        double matrix) {
  double shared = load.cells * scalar * section.vectors + section.matrices * matrix;
  double each = 0;
  switch (section.solve) {
  case Solve::products:
    break;
  case Solve::factorisation: {
    const double factor =
        (section.symmetric ? 1 : 1.5) * scalar * factor_nonzeros(load.dimension, load.cells);
    (load.ranks > 1 && load.cells <= redundant_cells ? each : shared) += factor;
    break;
  }
  case Solve::multigrid:
    shared += 6 * matrix;
    break;
  case Solve::block:
    shared += load.cells * block_bytes(load.dimension, section.pairs);
    break;
  }
  return {shared, each};
}

} // namespace

Estimate estimate(const Workload& workload) {
  Estimate result;
  const double row = workload.row_entries > 0 ? workload.row_entries : 2 * workload.dimension + 1;
  result.nonzeros = workload.cells * row;
  const double matrix = result.nonzeros * (sizeof(PetscScalar) + sizeof(PetscInt));
  double most = 0;
  bool factorised = false;
  for (const Section& section : workload.sections) {
    const auto [shared, each] = section_bytes(workload, section, matrix);
    most = std::max(most, shared / workload.ranks + each);
    factorised = factorised || section.solve == Solve::factorisation;
  }
  // Held throughout: the generator, volumes, equilibrium, formulas at the cells.
  const double held =
      workload.matrix_free ? workload.cells * scalar * (2 * workload.dimension + 3) : matrix;
  result.bytes_per_rank = library_bytes + most + held / workload.ranks;
  constexpr double cells_per_rank = 200'000;
  constexpr double most_for_factors = 4; // triangular solves are bound by messages
  const double ranks = std::max(1.0, std::round(workload.cells / cells_per_rank));
  result.suggested_ranks =
      static_cast<int>(std::min({ranks, factorised ? most_for_factors : ranks, 1e6}));
  return result;
}

void require_memory(MPI_Comm comm, const Workload& workload, const Estimate& estimate) {
  base::require_countable(workload.cells, "the grid has", "cells", "fewer cells");
  const bool assembled =
      !workload.matrix_free || std::any_of(workload.sections.begin(), workload.sections.end(),
                                           [](const Section& s) { return s.matrices > 0; });
  if (assembled) {
    base::require_countable(estimate.nonzeros / workload.ranks,
                            "a rank's part of the assembled matrix would have", "nonzeros",
                            "more ranks, fewer cells");
  }
  const int sharing = base::ranks_on_node(comm);
  const double needed = estimate.bytes_per_rank * sharing;
  const double available = base::node_memory_bytes();
  int short_of = needed > available ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &short_of, 1, MPI_INT, MPI_MAX, comm);
  if (short_of == 0) return;
  const bool factorised =
      std::any_of(workload.sections.begin(), workload.sections.end(),
                  [](const Section& s) { return s.solve == Solve::factorisation; });
  throw base::MemoryError(fmt::format(
      "this run needs about {} on a node with {} ({:.4g} cells, {} ranks here, about {} each); use "
      "more nodes, fewer cells{}",
      base::bytes_text(needed), base::bytes_text(available), workload.cells, sharing,
      base::bytes_text(estimate.bytes_per_rank), factorised ? ", or 'solver: iterative'" : ""));
}

} // namespace komori::analyses
