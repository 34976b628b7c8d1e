/// GMRES for several systems with one operator at once, with bases in single precision.
#pragma once

#include <complex>
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
  /// y = (s - A) x, or of the transpose. Collective.
  virtual void product(bool transposed, const WideLaneVectors& x, WideLaneVectors& y) = 0;
  virtual void precondition(bool transposed, const LaneVectors& b, WideLaneVectors& x) = 0;
};

/// Of one lane, or of it and the next, which hold real and imaginary part: (theta - A) x = b.
struct LaneSystem {
  std::size_t lane = 0;
  std::complex<double> theta;
  double tolerance = 0; ///< of ||b - (theta - A) x|| / ||b||
  bool complex() const { return theta.imag() != 0; }
};

/// x - X Y^T x, or transposed, for columns with Y^T X = 1.
struct LaneComplement {
  LaneColumns right;
  LaneColumns left;
  /// Whether A is so far from mapping the range to itself that this counts in a product: whatever
  /// it is applied to is projected as well, then.
  bool rough = true;
  const LaneColumns& range(bool transposed) const { return transposed ? left : right; }
  const LaneColumns& dual(bool transposed) const { return transposed ? right : left; }
};

class LaneGmres {
public:
  /// Keeps up to `most_iterations` + 1 blocks of vectors, once used. Local.
  LaneGmres(LaneOperator& matrix, int most_iterations);
  /// x, which holds the right sides, becomes the solutions on the complement, as near to their
  /// tolerances as that many iterations come. Lanes of no system hold 0. Returns the iterations.
  /// Collective.
  int solve(bool transposed, std::span<const LaneSystem> systems, const LaneComplement& complement,
            WideLaneVectors& x);

private:
  class Reduced;
  /// Products of what is left with itself.
  LaneProducts complement(bool transposed, const LaneComplement& complement,
                          WideLaneVectors& x) const;
  LaneVectors& basis(std::size_t k);

  LaneOperator& matrix_;
  int most_iterations_;
  std::vector<LaneVectors> basis_;
  LaneVectors combined_;
  WideLaneVectors solved_;
  WideLaneVectors image_;
};

} // namespace komori::linalg
