/// Assemblies of Ulam's matrices that are stopped and go on.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <gtest/gtest.h>
#include <mpi.h>

#include "base/error.hpp"
#include "operators/ulam.hpp"

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

/// Stops `assemble`, which is to use the continuation, before some row and once more before a later
/// one. What was done is given to the first rank of the run after. Returns the rows that were done
/// in the end, of all ranks. Collective.
inline std::int64_t interrupted_twice(const spaces::Grid& grid,
                                      operators::UlamContinuation& continuation,
                                      const std::function<void()>& assemble) {
  std::int64_t seen = 0;
  for (const int pauses : {9, 6}) {
    int left = pauses;
    operators::UlamRowsDone kept;
    continuation.seconds = 0; // a pause before every row
    continuation.step = [&](const std::function<operators::UlamRowsDone()>& done, std::int64_t) {
      if (--left > 0) return;
      kept = done();
      throw base::Stopped("enough");
    };
    EXPECT_THROW(assemble(), base::Stopped);
    continuation.from =
        operators::UlamRowsDone{on_first_rank(grid.comm(), kept.rows),
                                on_first_rank(grid.comm(), kept.entries), kept.largest_cut};
    std::int64_t rows = static_cast<std::int64_t>(kept.rows.size()) / 3;
    MPI_Allreduce(MPI_IN_PLACE, &rows, 1, MPI_INT64_T, MPI_SUM, grid.comm());
    EXPECT_GT(rows, seen);
    EXPECT_LT(rows, grid.cells());
    seen = rows;
  }
  return seen;
}

} // namespace komori::support
