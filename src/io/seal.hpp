/// A seal in the first 512 bytes of a file: what it is, how long, and a checksum of the rest.
#pragma once

#include <string>

#include <mpi.h>

namespace komori::io {

inline constexpr int seal_bytes = 512;

/// Fills the first 512 bytes of a closed file. Every rank reads its share of the rest. Collective.
/// Throws std::runtime_error on all ranks alike.
void write_seal(MPI_Comm comm, const std::string& path);

/// What is wrong with a sealed file, one sentence without its name; empty if nothing. Collective.
std::string check_seal(MPI_Comm comm, const std::string& path);

} // namespace komori::io
