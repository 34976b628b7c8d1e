/// What a result file says about the run that made it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <mpi.h>

#include "base/log.hpp"
#include "io/blas.hpp"
#include "io/result_file.hpp"

namespace komori::io {

/// The facts only a driver knows. Versions, host and ranks are found by `write`.
struct RunRecord {
  std::string driver;       ///< "fokker_planck"
  std::string command_line; ///< as typed
  std::string input_file;
  std::string input;      ///< YAML with every default filled in
  std::string early_exit; ///< why the run ended before its work was done, empty if it was
  std::chrono::system_clock::time_point start{};
  double seconds = -1; ///< of the run; negative: from `start` until the record is written
  std::vector<base::PhaseRecord> phases;
  std::vector<std::string> warnings;
  std::int64_t cells = -1;    ///< unknowns of the problem, -1 where there is no grid
  std::int64_t nonzeros = -1; ///< of the assembled operator, -1 where there is none
};

/// Writes group /run. Only rank 0's record counts. Collective.
///
/// Attributes: driver, version, git_hash, petsc, slepc, hdf5, mpi, blas, index_bits, ranks, nodes,
/// host (of rank 0), start_time (ISO 8601, UTC), seconds, early_exit, input_file, and cells,
/// nonzeros where known. Datasets: input, command_line, warnings[w],
/// phases/{name, seconds, peak_bytes, mean_bytes, messages, message_bytes, reductions, flops,
/// ...}[p].
void write(ResultFile& file, MPI_Comm comm, const RunRecord& record);

/// "komori 0.1.0 (1a2b3c4d5e6f)" and a line with the libraries below it, for --version. Local; also
/// before MPI starts.
std::string version_text();

/// "2031-02-03T04:05:06Z".
std::string utc_text(std::chrono::system_clock::time_point time);

} // namespace komori::io
