#include "base/elementary.hpp"

#include "base/elementary_loops.hpp"

namespace komori::base {

void apply(Elementary f, const double* a, const double* b, double* to, std::size_t count) {
  static const detail::Loops loops = detail::widest_loops();
  loops(f, a, b, to, count);
}

} // namespace komori::base
