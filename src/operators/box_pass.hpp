/// One pass of means over intervals: from values of cells along an axis to values at its nodes.
#pragma once

#include <cstddef>
#include <vector>

#include "operators/box_loops.hpp"

namespace komori::operators {

/// Some of the nodes of a pass, one after the other, and what they are made of.
struct BoxPart {
  std::size_t node = 0; ///< the first
  std::size_t nodes = 1;
  std::size_t cell = 0;         ///< the first of those that they are made of
  std::vector<double> shares{}; ///< of these cells in the interval around the first node
};

/// Lines that lie next to each other.
struct BoxColumns {
  std::size_t lines = 1;
  std::size_t cell_step = 1; ///< between values of one line
  std::size_t node_step = 1;
  std::size_t ahead = 0; ///< that of `BoxLines`, of cells
};

/// What a pass along an axis adds up. Values are arrays of [before][cells or nodes][after]. `work`
/// is made as large as it must be. All functions are local.
struct BoxPass {
  bool noisy = false;
  std::size_t first_cell = 0; ///< of all cells of the axis, the first of `cells`
  std::size_t cells = 1;
  std::size_t nodes = 1;
  std::size_t skipped = 0;      ///< without noise: cells before that of the first node
  std::size_t kept = 1;         ///< without noise: cells that have a node
  std::vector<double> shares{}; ///< of the cells in the interval around the first node
  std::vector<BoxMove> moves{}; ///< from every node to the next
  std::vector<BoxTerm> terms{};
  std::vector<std::size_t> begins{}; ///< of the terms of every cell

  /// Sets the terms by the moves.
  void order_by_cells();
  /// `stream` is that of `BoxLines`.
  void average(const double* values, std::size_t before, std::size_t after, double* at_nodes,
               std::vector<double>& work, bool stream = false) const;
  /// The transposed.
  void spread(const double* at_nodes, std::size_t before, std::size_t after, double* values,
              std::vector<double>& work) const;
  /// The values at the nodes of a part, from those of all cells.
  void average(const BoxPart& part, const BoxColumns& columns, const double* values,
               double* at_nodes, std::vector<double>& work) const;
  /// The transposed, which adds to the values of cells.
  void spread(const BoxPart& part, const BoxColumns& columns, const double* at_nodes,
              double* values, std::vector<double>& work) const;

private:
  BoxLines lines(std::vector<double>& work) const;
  BoxLines lines(const BoxPart& part, const BoxColumns& columns, std::vector<double>& work) const;
};

} // namespace komori::operators
