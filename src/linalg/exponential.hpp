/// The action of exp(tM) on a vector at several times, with error control.
///
/// Three ways, all from one start vector to all output times:
/// - `chebyshev`: truncated Chebyshev series of exp(-tA) for symmetric positive semidefinite A
///   (Tal-Ezer, Kosloff, J. Chem. Phys. 81, 1984); products about sqrt(2 t rho ln(1/error)).
/// - `uniformisation`: Poisson-weighted powers of I + M/q for M with nonnegative off-diagonal
///   entries and column sums <= 0 (Jensen, 1953; Fox, Glynn, Comm. ACM 31, 1988); products about
///   t q. Every term is nonnegative, so positivity is kept and the error bound is exact in L1.
/// - `shift_invert`: Krylov space of (I - gamma M)^-1 (Moret, Novati, BIT 44, 2004; van den Eshof,
///   Hochbruck, SIAM J. Sci. Comput. 27, 2006); some twenty solves whatever t rho.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/petsc.hpp"
#include "linalg/solver.hpp"
#include "linalg/solver_state.hpp"

namespace komori::linalg {

/// What is asked of an exponential.
struct ExponentialRequest {
  std::vector<double> times{};    ///< >= 0, increasing
  double tolerance = 1e-8;        ///< bound of sum_i weight_i |error_i| at every time
  Vec weight = nullptr;           ///< nonnegative; null: all 1
  Method method = Method::direct; ///< for shift_invert
  std::string prefix{};           ///< of PETSc options, e.g. "evolve_"
  PetscInt dimension = 60;        ///< largest Krylov space; one vector of memory each
  Continuation continuation{};    ///< saving and resuming; without it signals end the run
};

/// What it took.
struct ExponentialReport {
  std::string solver{}; ///< what was used, for the log
  std::int64_t products = 0;
  std::int64_t solves = 0;
  std::int64_t factorisations = 0;
  std::int64_t iterations = 0; ///< within iterative solves
  std::int64_t spaces = 0;     ///< Krylov spaces built one after the other
};

/// All three go on from a saved state as if they had never stopped: the same operations in the same
/// order, and only the outputs not yet handed out.

/// Receives the state at `times[index]`, in order of time, with the bound or estimate of its error
/// in the measure of the request. The vector may be used until the call returns. Collective.
using ExponentialOutput = std::function<void(std::size_t index, Vec state, double error)>;

/// exp(-tA) start for symmetric A with spectrum in [0, norm]. The error is bounded a priori by
/// ||weight||_2 ||start||_2 times the neglected coefficients; throws ConvergenceError where
/// rounding (eps times the same norms) exceeds the tolerance. Collective.
ExponentialReport chebyshev(Mat matrix, double norm, Vec start, const ExponentialRequest& request,
                            const ExponentialOutput& output, base::Log& log);

/// exp(tM) start for M with nonnegative off-diagonal entries and column sums <= 0, `rate` >= every
/// |M_ii|. Needs weight null. Stops early where the powers have become stationary. Collective.
ExponentialReport uniformisation(Mat matrix, double rate, Vec start,
                                 const ExponentialRequest& request, const ExponentialOutput& output,
                                 base::Log& log);

/// Kind::general: exp(tM) start for any M whose semigroup does not grow in the weighted L1 norm;
/// Kind::positive_definite: exp(-tA) start for symmetric positive semidefinite A = `matrix`.
///
/// The states are start + V c(t) with V a basis of the Krylov space of (I - gamma M)^-1 on
/// (I - gamma M)^-1 start - start, so that linear invariants (y.start with M^T y = 0: the mass) are
/// kept as exactly as the linear solves are. The error is estimated from successive dimensions and
/// from the residuals of all solves. Throws ConvergenceError if even short steps do not reach the
/// tolerance. Collective.
ExponentialReport shift_invert(Mat matrix, Kind kind, Vec start, const ExponentialRequest& request,
                               const ExponentialOutput& output, base::Log& log);

/// Products that `chebyshev` and `uniformisation` need for these times, `relative` being the
/// tolerance over the norms in their error bounds; Krylov spaces that `shift_invert` needs at
/// least. All local.
std::int64_t chebyshev_products(double norm, const std::vector<double>& times, double relative);
std::int64_t uniformisation_products(double rate, const std::vector<double>& times,
                                     double relative);
std::int64_t shift_invert_spaces(const std::vector<double>& times);

/// What rounding adds to the error of a series, relative to the norms in its bound: the recurrence
/// commits one unit of round-off per product, the errors of different products being independent.
double series_rounding(std::int64_t products);

} // namespace komori::linalg
