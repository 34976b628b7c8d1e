/// GMRES for several systems with one operator at once, with bases in single precision.
#pragma once

#include <complex>
#include <functional>
#include <span>
#include <vector>

#include "linalg/lane_loops.hpp"

namespace komori::linalg {

/// A real operator A on vectors that lie side by side: of s - A and its transpose, products and
/// approximations of the inverse.
class LaneOperator {
public:
  LaneOperator() = default;
  LaneOperator(const LaneOperator&) = delete;
  LaneOperator& operator=(const LaneOperator&) = delete;
  virtual ~LaneOperator() = default;
  virtual MPI_Comm comm() const = 0;
  virtual std::size_t rows() const = 0; ///< of this rank
  virtual double shift() const = 0;
  /// The local entry of a Vec that each row is; empty if they have the same order.
  virtual std::span<const PetscInt> places() const = 0;
  /// Takes rows, of which the first is `first`, as they come, and may overwrite them.
  using Take = std::function<void(std::size_t first, std::span<base::WideLanes> rows)>;
  /// Hands each row of (s - A) x, or of the transpose, over once. Collective.
  virtual void product(bool transposed, const WideLaneVectors& x, const Take& take) = 0;
  /// x = P^-1 b. Collective.
  virtual void precondition(bool transposed, const LaneVectors& b, WideLaneVectors& x) = 0;
};

/// Of one lane, or of it and the next, which hold real and imaginary part: (theta - A) x = b.
struct LaneSystem {
  std::size_t lane = 0;
  std::complex<double> theta;
  double tolerance = 0; ///< of ||b - (theta - A) x|| / ||b||
  bool complex() const { return theta.imag() != 0; }
};

/// x - X Y^T x, or transposed, for columns with Y^T X = 1 and Y^T A X = Lambda.
struct LaneComplement {
  struct Side {
    LaneColumns columns;   ///< X, or Y
    LaneColumns residuals; ///< A X - X Lambda, or A^T Y - Y Lambda^T; only of rough ones
  };
  Side right;
  Side left;
  /// Whether A is so far from mapping the range to itself that this counts in a product.
  bool rough = true;
  const Side& range(bool transposed) const { return transposed ? left : right; }
  const LaneColumns& dual(bool transposed) const { return range(!transposed).columns; }
};

/// Right-preconditioned GMRES for (1 - X Y^T) (theta - A) (1 - X Y^T) x = b.
class LaneGmres {
public:
  /// Keeps up to `most_iterations` + 1 blocks of vectors, once used. Local.
  LaneGmres(LaneOperator& matrix, int most_iterations);
  /// Where right sides are put, which solve() overwrites; 0 in lanes of no system. Local.
  LaneVectors& right_sides() { return basis(0); }
  /// x becomes the solutions on the complement, as near to their tolerances as that many iterations
  /// come. Returns the iterations. Collective.
  int solve(bool transposed, std::span<const LaneSystem> systems, const LaneComplement& complement,
            WideLaneVectors& x);

private:
  class Reduced;
  LaneVectors& basis(std::size_t k);
  /// z = P^-1 v of basis vector k, and theta - A times it, from which columns of the complement are
  /// still to be taken, becomes vector k + 1. Returns how much of each.
  ColumnSums multiply(bool transposed, const LaneFactors& sigma, const LaneComplement& complement,
                      std::size_t k, WideLaneVectors& z);

  LaneOperator& matrix_;
  int most_iterations_;
  std::vector<LaneVectors> basis_;
};

} // namespace komori::linalg
