/// The lines of a grid as sweeps along them need them: factors of their tridiagonal blocks, and
/// what couples them to one another.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "base/petsc.hpp"
#include "operators/sweep_border.hpp"

namespace komori::operators {

/// Couplings of cells, in the order of lines, to cells of other lines: `width` of each cell, some
/// of them 0.
struct LineCouplings {
  std::size_t width = 0;
  std::vector<PetscInt> cells;
  std::vector<float> values;
  std::vector<char> coupled; ///< lines that have any
  /// Where cells lie in the order of lines, and those of a line are coupled to those of one other,
  /// place by place: the first of these; else below 0.
  std::vector<PetscInt> beside;
};

/// What the sweeps on this rank's part work with, cells in the order of lines.
struct LineFactors {
  static constexpr int most_borders = 3;
  // Each line is eliminated from both ends towards its middle, in two chains that a processor runs
  // at the same time. Single precision: M need not be exact, but has to be the same every time.
  std::vector<float> inward;  ///< multipliers of the elimination
  std::vector<float> inverse; ///< of pivots
  std::vector<float> outward; ///< multipliers of the substitution; in the middle, of elimination
  /// Of rings: what couples the first cell of every line to its last, and the other way round.
  std::vector<double> corners;
  LineCouplings earlier;
  LineCouplings later;
  int borders = 0; ///< two of rings, then that of the projection
  bool projected = false;
  /// Weights of cells among those of their line: r of the projection's border, whose c is 1, or c
  /// of the transposed one, whose r is 1.
  std::vector<double> shares;
  /// D^-1 times the columns of the border, one after the other.
  std::array<std::vector<float>, most_borders> solved;
  std::vector<double> schur; ///< inverse Schur complements, line by line
};

/// Of s - L, or its transpose, whose `rows`, of type aij, are those of L, or of its transpose; no
/// borders yet. What other ranks hold is left out. Local.
LineFactors line_factors(Mat rows, double shift, const Lines& lines);

} // namespace komori::operators
