/// Checksums of arrays that do not depend on who holds which part.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5.hpp"

namespace komori::io {

/// Sum over the block's values of a hash of value and place in the whole array, modulo 2^64: the
/// fingerprints of disjoint blocks add up to that of the array. `block` is in natural order and
/// covers `count` entries per axis from `start` of an array of `shape`. Local.
std::uint64_t fingerprint(std::span<const double> block, const std::vector<hsize_t>& shape,
                          const std::vector<hsize_t>& start, const std::vector<hsize_t>& count);

/// The same of values `first` to `last` of an array that lies at byte `offset` of a file, read past
/// HDF5. Throws std::runtime_error with the system's reason. Local.
std::uint64_t stored_fingerprint(const std::string& path, std::uint64_t offset, hsize_t first,
                                 hsize_t last);

} // namespace komori::io
