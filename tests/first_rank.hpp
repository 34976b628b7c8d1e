/// Where a test hands everything to one rank.
#pragma once

#include <vector>

#include <mpi.h>

namespace komori::support {

/// The numbers of all ranks, on the first one. Collective.
inline std::vector<double> on_first_rank(MPI_Comm comm, const std::vector<double>& own) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  int count = static_cast<int>(own.size());
  std::vector<int> counts(static_cast<std::size_t>(ranks));
  MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, comm);
  std::vector<int> starts(counts.size(), 0);
  for (std::size_t r = 1; r < starts.size(); ++r) starts[r] = starts[r - 1] + counts[r - 1];
  std::vector<double> all(rank == 0 ? static_cast<std::size_t>(starts.back() + counts.back()) : 0);
  MPI_Gatherv(own.data(), count, MPI_DOUBLE, all.data(), counts.data(), starts.data(), MPI_DOUBLE,
              0, comm);
  return all;
}

} // namespace komori::support
