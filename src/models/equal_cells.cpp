#include "models/equal_cells.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

#include "base/vector_width.hpp"

namespace komori::models {
namespace {

// Without branches or integers, so that it vectorises. All but the place u is exact in whole
// numbers, so the width of the vectors does not show in the result.
struct AddEqualCells {
  [[gnu::always_inline]] static void run(const EqualCells& axis, std::span<const double> images,
                                         double stride, std::span<double> columns) {
    constexpr double nowhere = -std::numeric_limits<double>::infinity();
    // Sums and differences with this number round to whole ones; up to `far` they are exact.
    constexpr double rounder = 6755399441055744.0; // 1.5 * 2^52
    constexpr double far = 1e15;
    const double from = axis.from;
    const double scale = axis.scale;
    const double cells = axis.cells;
    const double* const image = images.data();
    double* __restrict const column = columns.data();
    const std::size_t count = images.size();
    if (!axis.periodic) {
      for (std::size_t s = 0; s < count; ++s) {
        const double u = (image[s] - from) * scale;
        double i = (u + rounder) - rounder;
        i -= i > u ? 1.0 : 0.0;
        const double sum = column[s] + stride * i;
        column[s] = (i >= 0) & (i < cells) ? sum : nowhere;
      }
      return;
    }
    const double turn = 1 / cells;
    for (std::size_t s = 0; s < count; ++s) {
      const double u = (image[s] - from) * scale;
      double i = (u + rounder) - rounder;
      i -= i > u ? 1.0 : 0.0;
      const double turns = (i * turn + rounder) - rounder; // to the nearest, so half a turn off
      double rest = i - turns * cells;
      rest += rest < 0 ? cells : 0.0;
      rest -= rest >= cells ? cells : 0.0;
      const double sum = column[s] + stride * rest;
      column[s] = std::fabs(u) < far ? sum : nowhere;
    }
  }
};

} // namespace

void add_equal_cells(const EqualCells& axis, std::span<const double> images, double stride,
                     std::span<double> columns) {
  base::run_widest<AddEqualCells>(axis, images, stride, columns);
}

} // namespace komori::models
