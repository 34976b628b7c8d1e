/// Parts of a chain that never meet.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/petsc.hpp"

namespace komori::operators {

/// The parts into which the states fall where those that lead to each other, in either direction,
/// belong together.
struct SeparateParts {
  base::UniqueVec first;  ///< of each state the lowest name in its part
  std::int64_t count = 1; ///< of parts
};

/// Of the graph of the entries != 0 of `matrix`; `names` are numbers of this rank's states that no
/// other state has. Every rank joins what its own rows join at once, then ranks exchange names;
/// nothing where they would have to do so very often. The same parts whatever the number of ranks.
/// Collective.
std::optional<SeparateParts> separate_parts(Mat matrix, std::span<const double> names);

} // namespace komori::operators
