/// Modes of a memory as numbers for a checkpoint, and back.
#pragma once

#include <vector>

#include "analyses/memory_result.hpp"

namespace komori::analyses {

/// Modes with what is said of their search. Local.
std::vector<double> packed_modes(const MemoryResult& result);
void unpack_modes(const std::vector<double>& numbers, MemoryResult& result);

} // namespace komori::analyses
