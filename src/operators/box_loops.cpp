#include "operators/box_loops.hpp"

#include <algorithm>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

// A compiler takes operations on vectors apart where it reads a function for a machine that has
// none as wide, before it puts one function into another: each machine has functions of its own.
namespace plain {
#include "operators/box_loops.ipp"
} // namespace plain

#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace wide {
#include "operators/box_loops.ipp" // NOLINT(readability-duplicate-include): for this machine
} // namespace wide
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
namespace wide = plain;
#endif

const bool is_wide = base::vector_width() != base::VectorWidth::plain;

} // namespace

void average_lines(const BoxLines& lines, const double* values, double* at_nodes) {
  is_wide ? wide::average(lines, values, at_nodes) : plain::average(lines, values, at_nodes);
}
void spread_lines(const BoxLines& lines, const double* at_nodes, double* values) {
  is_wide ? wide::spread(lines, at_nodes, values) : plain::spread(lines, at_nodes, values);
}
void gather_points(const BoxPlaces& points, const double* table, double* values) {
  is_wide ? wide::by_axes<wide::Gather>(points, table, values)
          : plain::by_axes<plain::Gather>(points, table, values);
}
void scatter_points(const BoxPlaces& points, const double* values, double* table) {
  is_wide ? wide::by_axes<wide::Scatter>(points, values, table)
          : plain::by_axes<plain::Scatter>(points, values, table);
}

} // namespace komori::operators
