#include "base/indices.hpp"

#include <limits>

#include <fmt/format.h>
#include <petscsys.h>

#include "base/error.hpp"

namespace komori::base {

std::string own_indices() {
  return fmt::format("this build's {}-bit indices", 8 * sizeof(PetscInt));
}

std::string wider_indices() {
  return "a komori built with 64-bit indices (on Debian: -DKOMORI_INDEX64=ON, with "
         "libpetsc64-real-dev and libslepc64-real-dev)";
}

void require_countable(double count, std::string_view whole, std::string_view things,
                       std::string_view instead) {
  if (count <= static_cast<double>(std::numeric_limits<PetscInt>::max())) return;
  throw MemoryError(fmt::format("{} {:.4g} {}, more than {} can number; use {}, or {}", whole,
                                count, things, own_indices(), instead, wider_indices()));
}

} // namespace komori::base
