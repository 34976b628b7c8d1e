/// Dominant invariant spaces of large matrices, as nested real Schur vectors.
#pragma once

#include <complex>
#include <functional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/petsc.hpp"
#include "linalg/eigen.hpp"

namespace komori::linalg {

/// A V = V T with V orthonormal and T quasi-triangular: for every k that splits no complex pair the
/// first k vectors span the invariant space of the first k values, defective or not.
struct SchurSpace {
  std::vector<std::complex<double>> values{}; ///< in the order asked for; of a pair, Im > 0 first
  std::vector<base::UniqueVec> vectors{};     ///< orthonormal
  std::vector<double> residuals{};            ///< ||A v_j - V t_j||, in the unit of the values
  PetscInt iterations = 0;
  std::string solver{};   ///< what was used, for the log
  bool whole = true;      ///< as many values as asked for, or as the matrix has
  bool all_copies = true; ///< copies of multiple values were searched for to the end
  /// The first k values split a complex pair. Local.
  bool splits(std::size_t k) const {
    return k > 0 && k <= values.size() && values[k - 1].imag() > 0;
  }
};

/// As `general_pairs`, but the vectors are an orthonormal basis of the invariant space of all
/// values found. Collective.
EigenPairs general_space(Mat matrix, const EigenRequest& request, base::Log& log);

/// Calls `general_space`, e.g. with checkpoints around it.
using SolvePairs = std::function<EigenPairs(const EigenRequest&)>;

/// The space of the `request.pairs` values that come first by `before`, one more where that would
/// split a pair. Values of the space are those that `request` finds (Krylov-Schur), and then copies
/// of multiple ones, which a Krylov space from one vector misses: the search is repeated on what
/// the space leaves over until nothing that belongs to it turns up. `solve` makes the first search.
/// The space is sorted on its own small matrix V^T A V (LAPACK's trexc by SLEPc's DS). Collective.
SchurSpace
schur_space(Mat matrix, EigenRequest request,
            const std::function<bool(std::complex<double>, std::complex<double>)>& before,
            const SolvePairs& solve, base::Log& log);

} // namespace komori::linalg
