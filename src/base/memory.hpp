/// How much memory there is and how much is in use.
#pragma once

#include <mpi.h>

namespace komori::base {

/// Largest resident memory of this process so far, bytes. Local.
double peak_resident_bytes();
/// Memory this node gives to jobs, bytes: physical memory, or less where a control group or
/// SLURM's allocation says so. Local.
double node_memory_bytes();
/// Ranks of `comm` that share this rank's node. Collective.
int ranks_on_node(MPI_Comm comm);

} // namespace komori::base
