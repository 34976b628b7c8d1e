/// A block of a distributed array cut into pieces that one MPI-IO call can move.
#pragma once

#include <cstdint>
#include <vector>

#include <mpi.h>

#include "io/hdf5.hpp"

namespace komori::io {

/// A contiguous piece of a block in natural order: where it lies in the array, and where in memory.
struct Layer {
  std::vector<hsize_t> start;
  std::vector<hsize_t> count; ///< all 0 for a rank that is already done
  std::size_t offset = 0;     ///< of its first value from the block's first
  hsize_t values = 0;
};

/// The pieces, at most `max_values` values each, of the block that begins at `start` and has
/// `count` entries per axis. Every rank gets the same number of pieces, so that collective calls
/// match. A scalar is one piece of one value. Collective.
std::vector<Layer> layers(MPI_Comm comm, const std::vector<hsize_t>& start,
                          const std::vector<hsize_t>& count, hsize_t max_values = 100'000'000);

/// Selects the layer in a dataspace of the whole array; nothing where it is empty.
void select(const Dataspace& space, const Layer& layer);

} // namespace komori::io
