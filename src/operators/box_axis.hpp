/// Means over the interval that uniform noise spreads a value to, along one axis of a grid.
///
/// Of a function with one value per cell, the mean over [y - b, y + b] is linear in y between the
/// places where an end of the interval meets an edge of a cell. Taken at these nodes alone it is
/// known at every y by interpolation: two values per axis in place of a sum over cells. From one
/// node to the next the interval gains a part of one cell and loses a part of another.
#pragma once

#include <cstddef>
#include <vector>

#include "operators/box_loops.hpp"

namespace komori::operators {

/// One axis of the layer that a step leads to. An axis without noise has a node per cell, so that
/// "between" two nodes is the value of the first. All functions are local.
class BoxAxis {
public:
  /// An axis of one cell and one node, which takes no part.
  BoxAxis() = default;
  /// Edges of cells of equal width, ascending; the noise is uniform on [-reach, reach], or 0. The
  /// edges must outlive the axis.
  BoxAxis(const std::vector<double>& edges, double reach);

  /// Places nodes for all values of y in [from, to]. The last one is repeated until their number is
  /// a multiple of `multiple`.
  void cover(double from, double to, std::size_t multiple = 1);
  std::size_t cells() const noexcept { return cells_; }
  std::size_t nodes() const noexcept { return nodes_; }
  /// Nodes before any is repeated.
  std::size_t distinct() const noexcept { return distinct_; }
  bool noisy() const noexcept { return reach_ > 0; }
  /// Where y lies among the nodes: j + s, 0 <= s < 1, s of the way from node j to node j + 1.
  double place(double y) const;
  /// The share of the noise around y that stays on the axis.
  double inside(double y) const;
  /// sum over cells of (probability of the cell)^2 / width, around y.
  double squares(double y) const;

  /// From values per cell, [before][cells()][after], to values per node, [before][nodes()][after].
  /// `work` is made as large as it must be; `stream` is that of `BoxLines`.
  void average(const double* values, std::size_t before, std::size_t after, double* at_nodes,
               std::vector<double>& work, bool stream = false) const;
  /// The transposed.
  void spread(const double* at_nodes, std::size_t before, std::size_t after, double* values,
              std::vector<double>& work) const;

  /// The same for the first axis of [cells()][size], node by node: values at the first one, ...
  void begin(const double* values, std::size_t size, double* at_node) const;
  /// ... and those at node `node` > 0 from those at the one before.
  void proceed(std::size_t node, const double* values, std::size_t size, const double* before,
               double* at_node) const;
  /// The transposed, from the last node to the first: adds to `values`. `sum` holds zeros at first.
  void spread_node(std::size_t node, const double* at_node, std::size_t size, double* sum,
                   double* values) const;

private:
  BoxLines lines() const;
  double clamped(double y) const;
  std::size_t cell(double y) const;
  BoxMove move(double from, double to) const;

  const std::vector<double>* edges_ = nullptr;
  double reach_ = 0;
  double inverse_width_ = 0;
  std::size_t cells_ = 1;
  std::size_t nodes_ = 1;
  std::size_t distinct_ = 1;
  std::size_t first_ = 0;         ///< the cell of the first node, without noise
  std::size_t kept_ = 1;          ///< cells that have a node, without noise
  std::vector<double> widths_;    ///< of the cells
  std::vector<double> where_;     ///< the nodes, ascending
  std::vector<std::size_t> near_; ///< a node before all y of one of as many equal parts
  double parts_per_length_ = 0;   ///< of these parts
  std::vector<double> shares_;    ///< of the cells in the interval around the first node
  std::vector<BoxMove> moves_;    ///< from every node to the next
};

} // namespace komori::operators
