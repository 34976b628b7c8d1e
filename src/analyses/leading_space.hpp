/// The dominant real Schur space of a transfer problem. Internal to analyses.
#pragma once

#include <string>

#include "analyses/transfer_problem.hpp"
#include "linalg/schur.hpp"

namespace komori::analyses {

/// What `leading_space` is asked for.
struct LeadingSpaceRequest {
  std::int64_t values = 2;
  double tolerance = 1e-10;
  std::string phase;  ///< of checkpoints
  std::string prefix; ///< of PETSc options
};

/// Schur vectors of P for the eigenvalues of largest modulus (of rates: of largest real part). By
/// products with P alone, and next to 1 (or 0) by a factorisation where that is too slow. Throws
/// ConvergenceError, Stopped. Collective.
linalg::SchurSpace leading_space(TransferProblem& problem, const LeadingSpaceRequest& request);

} // namespace komori::analyses
