/// (s - Q L Q)^-1 on the range of Q, by bordered systems in which Q is never formed:
///
///   [ s - L  V ] [x]   [b]
///   [  W^T   0 ] [y] = [0],   P = V W^T,
///
/// has x = Q x and Q (s - L) x = Q b.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <Eigen/LU>

#include "base/petsc.hpp"
#include "linalg/solver.hpp"
#include "operators/projection.hpp"
#include "operators/swept_solver.hpp"

namespace komori::operators {

/// Solves with s - L, by a factorisation, multigrid or sweeps, which several projections may share.
class ShiftedSolver {
public:
  /// `matrix` has entries; the solver's options stand under `prefix`. Collective.
  ShiftedSolver(Mat matrix, double shift, linalg::Method method, double tolerance,
                const std::string& prefix);
  /// By sweeps; `system` has no projection. Collective.
  ShiftedSolver(const SweptSystem& system, double tolerance);
  /// x = (s - L)^-1 b; and the same of the transposed matrix. Throws ConvergenceError, MemoryError.
  /// Collective.
  void solve(Vec b, Vec x) { solver_ ? solver_->solve(b, x) : swept_->solve(b, x); }
  void solve_transposed(Vec b, Vec x) {
    solver_ ? solver_->solve_transposed(b, x) : swept_->solve_transposed(b, x);
  }
  /// As `OrthogonalResolvent::relax`. Local.
  void relax(double tolerance) {
    if (swept_) swept_->relax(tolerance);
  }

private:
  base::UniqueMat matrix_;
  std::unique_ptr<linalg::LinearSolver> solver_;
  std::unique_ptr<SweptSolver> swept_;
};

/// One way to solve with a given projection and shift; all functions are collective.
class OrthogonalResolvent {
public:
  OrthogonalResolvent() = default;
  OrthogonalResolvent(const OrthogonalResolvent&) = delete;
  OrthogonalResolvent& operator=(const OrthogonalResolvent&) = delete;
  virtual ~OrthogonalResolvent() = default;
  /// x = Q x with Q (s - L) x = Q b; and the same of the transposed matrices. Throws
  /// ConvergenceError, MemoryError.
  virtual void solve(Vec b, Vec x) = 0;
  virtual void solve_transposed(Vec b, Vec x) = 0;
  /// From now on a residual of this share of the right side will do, where solves are iterative and
  /// gain by it; 0: as exact as the solver was made for.
  virtual void relax(double /*tolerance*/) {}
};

/// Ranks up to this are eliminated by as many solves with s - L; above, the bordered matrix itself
/// is factorised.
inline constexpr PetscInt largest_eliminated = 64;

/// By the Schur complement W^T (s - L)^-1 V, rank x rank, on every rank.
std::unique_ptr<OrthogonalResolvent> eliminated_resolvent(std::shared_ptr<ShiftedSolver> shifted,
                                                          const Projection& projection);

/// By a sparse factorisation of the bordered matrix; for partitions. `matrix` has entries.
std::unique_ptr<OrthogonalResolvent> bordered_resolvent(Mat matrix, double shift,
                                                        const Projection& projection,
                                                        const std::string& prefix);

/// By Krylov iteration to the relative `tolerance`, preconditioned by approximate solves with
/// s - L; no rank or dimension makes it need more memory than some vectors. `matrix` has entries
/// and must outlive it.
std::unique_ptr<OrthogonalResolvent> iterated_resolvent(Mat matrix, double shift,
                                                        const Projection& projection,
                                                        double tolerance,
                                                        const std::string& prefix);

/// By sweeps along lines, for processes whose noise acts along one axis; what `system` refers to
/// must outlive it.
std::unique_ptr<OrthogonalResolvent> swept_resolvent(const SweptSystem& system, double tolerance);

/// The operator of a resolvent as a matrix without entries, for products with it and its transpose.
/// `resolvent` and `projection` must outlive it.
base::UniqueMat resolvent_matrix(OrthogonalResolvent& resolvent, const Projection& projection);

} // namespace komori::operators
