/// Gauss's quadrature rules of one variable.
#pragma once

#include <cstddef>
#include <vector>

namespace komori::spaces {

/// Nodes in ascending order and their weights, of sum 1.
struct Rule {
  std::vector<double> nodes;
  std::vector<double> weights;
};

/// For the uniform probability on [-1, 1]; exact up to degree 2n - 1 (Newton's iteration on the
/// Legendre polynomial). n >= 1. Local.
Rule gauss_legendre(std::size_t n);
/// For the standard normal distribution (eigenvalues of the Jacobi matrix; Golub and Welsch, Math.
/// Comp. 23, 1969). 1 <= n <= 500. Local.
Rule gauss_hermite(std::size_t n);
/// The place below which a standard normal number lies with probability u, 0 < u < 1.
double normal_quantile(double u);

} // namespace komori::spaces
