/// Means over the interval that uniform noise spreads a value to, along one axis of a grid.
///
/// Of a function with one value per cell, the mean over [y - b, y + b] is linear in y between the
/// places where an end of the interval meets an edge of a cell. Taken at these nodes alone it is
/// known at every y by interpolation: two values per axis in place of a sum over cells. From one
/// node to the next the interval gains a part of one cell and loses a part of another.
#pragma once

#include <cstddef>
#include <vector>

#include "operators/box_pass.hpp"

namespace komori::operators {

/// One axis of the layer that a step leads to. An axis without noise has a node per cell, so that
/// "between" two nodes is the value of the first. All functions are local.
class BoxAxis {
public:
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

  /// From values of all cells to values at all nodes.
  BoxPass pass() const;
  /// From the cells that the nodes first, ..., first + count - 1 take, to values at these.
  BoxPass pass(std::size_t first, std::size_t count) const;
  /// These nodes as a part of all, made of cells counted from that number on.
  BoxPart part(std::size_t first, std::size_t count) const;

private:
  /// The share of a cell in the interval around y.
  double share(std::size_t cell, double y) const;
  double clamped(double y) const;
  std::size_t cell(double y) const;
  BoxMove move(double from, double to) const;

  const std::vector<double>* edges_;
  double reach_;
  double inverse_width_;
  std::size_t cells_;
  std::size_t nodes_ = 1;
  std::size_t distinct_ = 1;
  std::size_t first_ = 0;         ///< the cell of the first node, without noise
  std::size_t kept_ = 1;          ///< cells that have a node, without noise
  std::vector<double> widths_;    ///< of the cells
  std::vector<double> where_;     ///< the nodes, ascending
  std::vector<std::size_t> near_; ///< a node before all y of one of as many equal parts
  double parts_per_length_ = 0;   ///< of these parts
};

} // namespace komori::operators
