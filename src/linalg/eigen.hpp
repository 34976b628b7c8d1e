/// Eigenpairs of large sparse operators by SLEPc, each with a residual computed apart from it.
#pragma once

#include <complex>
#include <functional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/petsc.hpp"

namespace komori::linalg {

/// How the linear systems behind an eigensolve are solved.
enum class Method {
  direct,   ///< sparse factorisation: CHOLMOD on one rank, MUMPS on several
  iterative ///< algebraic multigrid (hypre BoomerAMG) as preconditioner
};

/// What is asked of an eigensolver.
struct EigenRequest {
  PetscInt pairs = 1;
  double tolerance = 1e-10; ///< bound of residual / norm (backward error)
  double shift = 0;         ///< eigenvalues nearest to it are found; never an eigenvalue itself
  double norm = 1;          ///< of the operator, e.g. its largest absolute row sum
  bool largest = false;     ///< general pairs of largest modulus, by products alone, in place of
                            ///< those nearest to `shift`
  bool costly = false;      ///< a product of these is a solve: the space is larger, so that fewer
                            ///< are needed, and residuals are left NaN for the caller to compute
  Method method = Method::direct;
  std::string prefix;           ///< of PETSc options, e.g. "spectrum_"
  std::vector<Vec> start{};     ///< approximate eigenvectors to begin with; may be empty
  std::vector<Vec> deflation{}; ///< an invariant space to search beside; may be empty
  /// Called once the solver has copies of `start`, if given: the vectors may go.
  std::function<void()> started{};
  PetscInt max_iterations = 0; ///< 0: SLEPc's default
  /// Asked by all ranks after every iteration, if given; true interrupts the solve: `save` gets the
  /// approximate eigenvectors reached so far, from which this solve goes on, and a later one can.
  /// `settled` is false in the first iterations, which only restore what an interruption costs.
  std::function<bool(bool settled)> pause{};
  std::function<void(const std::vector<Vec>& reached)> save{}; ///< needed with `pause`
};

/// Eigenvalues with vectors of 2-norm 1. A complex pair takes two entries, the value with positive
/// imaginary part first; its vectors are then the real and the imaginary part.
struct EigenPairs {
  std::vector<std::complex<double>> values;
  std::vector<base::UniqueVec> vectors;
  std::vector<double> residuals; ///< ||A x - lambda x|| / ||x||, in the unit of lambda
  PetscInt asked = 0;
  PetscInt iterations = 0;
  double farthest = 0; ///< every eigenvalue nearer to the shift than this has been found
  std::string solver;  ///< what was used, for the log
  bool complete() const { return static_cast<PetscInt>(values.size()) >= asked; }
};

/// Pairs of a symmetric positive semidefinite matrix nearest to `shift` < 0, i.e. its smallest, or
/// nearest to any other shift; ascending distance from the shift. Krylov-Schur with
/// shift-and-invert (direct) or LOBPCG with multigrid (iterative, smallest only). Collective.
EigenPairs symmetric_pairs(Mat matrix, const EigenRequest& request, base::Log& log);

/// Pairs of any real matrix nearest to `shift`, by Krylov-Schur with shift-and-invert, or of
/// largest modulus, by Krylov-Schur on products with it; in real arithmetic, a complex pair is
/// never split. Collective.
EigenPairs general_pairs(Mat matrix, const EigenRequest& request, base::Log& log);

/// ||A x - lambda x|| / ||x|| for x = re + i im (im may be null for real pairs). Collective.
double eigen_residual(Mat matrix, std::complex<double> value, Vec re, Vec im);

} // namespace komori::linalg
