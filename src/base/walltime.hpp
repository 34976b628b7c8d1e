/// How long this run may still take.
#pragma once

#include <optional>

#include <mpi.h>

namespace komori::base {

/// Seconds until SLURM ends the job this process runs in, from SLURM_JOB_END_TIME or from squeue;
/// empty outside SLURM and for jobs without a limit. Collective: rank 0 asks.
std::optional<double> slurm_seconds_left(MPI_Comm comm);

/// "1-02:03:04", "02:03:04", "03:04" (minutes and seconds) as squeue prints them, in seconds; empty
/// for anything else ("UNLIMITED", "INVALID"). Local.
std::optional<double> slurm_duration(const char* text);

} // namespace komori::base
