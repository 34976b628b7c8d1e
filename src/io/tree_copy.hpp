/// Copies of whole HDF5 trees, every rank moving its share.
#pragma once

#include <vector>

#include <mpi.h>

#include "io/hdf5.hpp"
#include "io/result_file.hpp"

namespace komori::io {

/// The share of a dataset that this rank moves: rows of its first axis, contiguous.
Slab share_of(MPI_Comm comm, const std::vector<hsize_t>& shape);

/// Copies groups, datasets and attributes below `from` to below `to`, which exists and is empty, or
/// holds members of its own, which stay. Collective.
void copy_tree(MPI_Comm comm, hid_t from, hid_t to);

} // namespace komori::io
