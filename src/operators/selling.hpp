/// Selling's decomposition of a symmetric positive definite matrix on the integer lattice.
#pragma once

#include <array>
#include <span>

namespace komori::operators {

/// weight * offset offset^T.
struct LatticeTerm {
  std::array<int, 3> offset{}; ///< its first non-zero entry is positive
  double weight = 0;           ///< >= 0
};

/// D = sum of the first `count` terms.
struct LatticeTerms {
  int count = 0;
  std::array<LatticeTerm, 6> term{};
};

/// Decomposes the n x n matrix D (row by row, n = 1, 2, 3, symmetric positive definite) into at
/// most n (n + 1) / 2 terms with weights >= 0, to round-off: a superbase of the lattice that is
/// obtuse in the metric D is found by reduction, and -(b_i, D b_j) is the weight of the offset
/// orthogonal to the other vectors. (Selling, J. reine angew. Math. 77, 1874; Conway, Sloane, Proc.
/// R. Soc. A 436, 1992; Fehrenbach, Mirebeau, J. Math. Imaging Vis. 49, 2014.) The weights depend
/// continuously on D. Offsets are about as long as the square root of the condition number. Local.
/// Throws std::invalid_argument where the reduction does not end: D is not positive definite.
LatticeTerms selling(std::span<const double> matrix, int n);

} // namespace komori::operators
