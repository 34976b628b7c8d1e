/// Linear systems with certificates, and the solver choices that eigen- and other solves share.
#pragma once

#include <memory>
#include <string>

#include "base/petsc.hpp"
#include "base/session.hpp"
#include "linalg/eigen.hpp"

namespace komori::linalg {

/// Whether a matrix is symmetric positive definite (Cholesky, conjugate gradients) or general.
enum class Kind { positive_definite, general };

/// Sets up a solver for `matrix`: factorisation, or Krylov iteration with algebraic multigrid to
/// the relative tolerance given. Options may change it under `prefix`. Collective.
void configure(KSP ksp, Mat matrix, Kind kind, Method method, double tolerance,
               const std::string& prefix);

/// Repeated solves with one matrix; each is checked.
class LinearSolver {
public:
  LinearSolver(Mat matrix, Kind kind, Method method, double tolerance, const std::string& prefix);
  /// x = A^-1 b, or A^-T b. Throws ConvergenceError that names the solver. Iterative solves with
  /// A^T build that matrix and a preconditioner of its own when first asked for. Collective.
  void solve(Vec b, Vec x);
  void solve_transposed(Vec b, Vec x);
  /// From now on an iterative solver keeps its preconditioner although the matrix changes.
  void keep_preconditioner();
  PetscInt iterations() const noexcept { return iterations_; }

private:
  void require_converged();
  base::UniqueKsp ksp_;
  Mat matrix_;
  Kind kind_;
  Method method_;
  double tolerance_;
  std::string prefix_;
  base::UniqueMat transposed_matrix_;
  std::unique_ptr<LinearSolver> transposed_;
  PetscInt iterations_ = 0;
};

/// Throws InputError if options under `prefix` were given that no solver used. Collective.
void require_options_used(const std::string& prefix);

/// Turns what PETSc says of a factorisation that lacked memory into MemoryError; throws the error
/// itself if it is about anything else. To be called with the error caught. Local.
[[noreturn]] void throw_memory_error(const base::PetscError& error, const std::string& prefix);

/// "MUMPS Cholesky", "GMRES + BoomerAMG", ...
std::string describe(KSP ksp);

} // namespace komori::linalg
