/// Linear systems with s - L, or with its restriction to the complement of a projection, by GMRES
/// with sweeps along lines as the preconditioner: for processes whose noise acts along one axis.
#pragma once

#include <memory>
#include <string>

#include "base/petsc.hpp"
#include "operators/line_sweeps.hpp"
#include "operators/projection.hpp"

namespace komori::operators {

/// What the systems are made of; it refers to what others own and must outlive the solver.
struct SweptSystem {
  Mat matrix = nullptr;  ///< L, for products with it and its transpose
  Mat entries = nullptr; ///< the same with entries, of type aij
  double shift = 0;      ///< s > 0
  const spaces::Grid* grid = nullptr;
  int axis = 0;                           ///< along which noise acts
  const Projection* projection = nullptr; ///< null: s - L itself
};

/// Repeated solves, each checked.
class SweptSolver {
public:
  /// `tolerance` is that of ||b - A x|| / ||b||. Collective.
  SweptSolver(const SweptSystem& system, double tolerance);
  SweptSolver(const SweptSolver&) = delete;
  SweptSolver& operator=(const SweptSolver&) = delete;
  ~SweptSolver();
  /// x = (s - L)^-1 b, or x = Q x with Q (s - L) x = Q b; and the same of the transposed matrices,
  /// whose sweeps are set up when first asked for. Throws ConvergenceError. Collective.
  void solve(Vec b, Vec x);
  void solve_transposed(Vec b, Vec x);
  /// From now on a tolerance of `tolerance` will do if it is larger than the one given at first.
  /// Local.
  void relax(double tolerance) noexcept { relaxed_ = tolerance; }
  PetscInt iterations() const noexcept { return iterations_; }

private:
  class Side;
  Side& side(bool transposed);
  void run(bool transposed, Vec b, Vec x);

  SweptSystem system_;
  double tolerance_;
  double relaxed_ = 0;
  std::unique_ptr<Side> forward_;
  std::unique_ptr<Side> transposed_;
  PetscInt iterations_ = 0;
};

} // namespace komori::operators
