#include "operators/line_product.hpp"

#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

struct LineProduct {
  [[gnu::always_inline]] static void run(const LineTerms& line, std::size_t cells,
                                         double* __restrict to) {
    const double* const diagonal = line.diagonal;
    const double* const own = line.own;
    const double* const above = line.above;
    const double* const below = line.below;
    const auto cell = [&](std::size_t j, double lower, double upper)
        __attribute__((always_inline)) {
      to[j] = diagonal[j] * own[j] - above[j] * upper - below[j] * lower;
    };
    const std::size_t last = cells - 1;
    cell(0, line.before, last > 0 ? own[1] : line.after);
    for (std::size_t j = 1; j < last; ++j) cell(j, own[j - 1], own[j + 1]);
    if (last > 0) cell(last, own[last - 1], line.after);
    for (std::size_t k = 0; k < line.axes; ++k) {
      const LineTerms::Across side = line.across[k];
      for (std::size_t j = 0; j < cells; ++j) {
        to[j] -= side.above[j] * side.next[j] + side.below[j] * side.previous[j];
      }
    }
    if (!line.negative) return;
    for (std::size_t j = 0; j < cells; ++j) to[j] = -to[j];
  }
};

} // namespace

void line_product(const LineTerms& line, std::size_t cells, double* to) {
  base::run_widest<LineProduct>(line, cells, to);
}

} // namespace komori::operators
