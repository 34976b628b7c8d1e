#include "operators/box_lines.hpp"

#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

struct Average {
  /// `side` is 1 where lines lie next to each other.
  [[gnu::always_inline]] static void strip(const BoxLines& a, const double* __restrict values,
                                           double* __restrict at_nodes, std::size_t cell_side,
                                           std::size_t node_side) {
    const std::size_t n = a.lines;
    double* __restrict const sums = a.sums;
    for (std::size_t l = 0; l < n; ++l) sums[l] = 0;
    for (std::size_t i = 0; i < a.cells; ++i) {
      const double width = a.widths[i];
      const double* const row = values + i * a.cell_step;
      const double* const before = sums + i * n;
      double* const after = sums + (i + 1) * n;
      for (std::size_t l = 0; l < n; ++l) after[l] = before[l] + width * row[l * cell_side];
    }
    for (std::size_t j = 0; j < a.nodes; ++j) {
      const BoxEnds& ends = a.ends[j];
      const double* const high = sums + ends.high * n;
      const double* const low = sums + ends.low * n;
      const double w0 = ends.weights[0];
      const double w1 = ends.weights[1];
      const double w2 = ends.weights[2];
      const double w3 = ends.weights[3];
      double* const row = at_nodes + j * a.node_step;
      for (std::size_t l = 0; l < n; ++l) {
        row[l * node_side] = (w0 * high[l] + w1 * high[l + n]) + (w2 * low[l] + w3 * low[l + n]);
      }
    }
  }
};

struct Spread {
  [[gnu::always_inline]] static void strip(const BoxLines& a, const double* __restrict at_nodes,
                                           double* __restrict values, std::size_t cell_side,
                                           std::size_t node_side) {
    const std::size_t n = a.lines;
    double* __restrict const sums = a.sums;
    for (std::size_t l = 0; l < (a.cells + 1) * n; ++l) sums[l] = 0;
    for (std::size_t j = 0; j < a.nodes; ++j) {
      const BoxEnds& ends = a.ends[j];
      const double* const row = at_nodes + j * a.node_step;
      // The two may share an edge, so one after the other.
      double* const high = sums + ends.high * n;
      const double w0 = ends.weights[0];
      const double w1 = ends.weights[1];
      for (std::size_t l = 0; l < n; ++l) high[l] += w0 * row[l * node_side];
      for (std::size_t l = 0; l < n; ++l) high[l + n] += w1 * row[l * node_side];
      double* const low = sums + ends.low * n;
      const double w2 = ends.weights[2];
      const double w3 = ends.weights[3];
      for (std::size_t l = 0; l < n; ++l) low[l] += w2 * row[l * node_side];
      for (std::size_t l = 0; l < n; ++l) low[l + n] += w3 * row[l * node_side];
    }
    for (std::size_t i = a.cells; i-- > 0;) {
      const double width = a.widths[i];
      double* const row = values + i * a.cell_step;
      double* const before = sums + i * n;
      const double* const after = sums + (i + 1) * n;
      for (std::size_t l = 0; l < n; ++l) row[l * cell_side] = width * after[l];
      for (std::size_t l = 0; l < n; ++l) before[l] += after[l];
    }
  }
};

template <class Loop> struct Either {
  [[gnu::always_inline]] static void run(const BoxLines& a, const double* from, double* to) {
    if (a.cell_side == 1 && a.node_side == 1) {
      Loop::strip(a, from, to, 1, 1);
    } else {
      Loop::strip(a, from, to, a.cell_side, a.node_side);
    }
  }
};

} // namespace

void average_lines(const BoxLines& lines, const double* values, double* at_nodes) {
  base::run_widest<Either<Average>>(lines, values, at_nodes);
}
void spread_lines(const BoxLines& lines, const double* at_nodes, double* values) {
  base::run_widest<Either<Spread>>(lines, at_nodes, values);
}

} // namespace komori::operators
