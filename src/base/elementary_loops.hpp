/// The loops behind `apply`. Internal to base.
#pragma once

#include "base/elementary.hpp"

namespace komori::base::detail {

using Loops = void (*)(Elementary f, const double* a, const double* b, double* to,
                       std::size_t count);

/// The loops for the widest vectors that this machine has.
Loops widest_loops();

} // namespace komori::base::detail
