#include "linalg/singular.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/signals.hpp"
#include "linalg/solver.hpp"

namespace komori::linalg {
namespace {

using base::check;

PetscErrorCode monitor(SVD svd, PetscInt its, PetscInt converged, PetscReal*, PetscReal* errors,
                       PetscInt estimates, void* context) {
  return base::guarded([&] {
    PetscInt wanted = 0;
    check(SVDGetDimensions(svd, &wanted, nullptr, nullptr));
    PetscReal worst = 0;
    for (PetscInt i = converged; i < std::min(wanted, estimates); ++i) {
      worst = std::max(worst, errors[i]);
    }
    static_cast<base::Log*>(context)->iteration("Lanczos", static_cast<int>(its),
                                                static_cast<int>(converged), worst);
    base::stop_if_asked(PetscObjectComm(reinterpret_cast<PetscObject>(svd)),
                        "no result was written");
  });
}

} // namespace

SingularValues singular_values(Mat matrix, PetscInt count, double tolerance,
                               const std::string& prefix, base::Log& log) {
  MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(matrix));
  PetscInt rows = 0;
  PetscInt columns = 0;
  check(MatGetSize(matrix, &rows, &columns));
  const PetscInt smaller = std::min(rows, columns);
  const PetscInt wanted = std::min(count, smaller);
  UniqueSvd svd;
  check(SVDCreate(comm, svd.put()));
  check(SVDSetOptionsPrefix(svd.get(), prefix.c_str()));
  check(SVDSetOperators(svd.get(), matrix, nullptr));
  check(SVDSetType(svd.get(), SVDTRLANCZOS));
  check(SVDSetImplicitTranspose(svd.get(), PETSC_TRUE));
  check(SVDSetDimensions(svd.get(), wanted, std::min(smaller, std::max<PetscInt>(2 * wanted, 20)),
                         PETSC_DEFAULT));
  check(SVDSetTolerances(svd.get(), tolerance, PETSC_DEFAULT));
  check(SVDMonitorSet(svd.get(), monitor, &log, nullptr));
  check(SVDSetFromOptions(svd.get()));
  // The same beginning whatever the number of ranks.
  base::UniqueVec left;
  base::UniqueVec right;
  check(MatCreateVecs(matrix, right.put(), left.put()));
  const auto fill = [](Vec vec) {
    PetscInt first = 0;
    check(VecGetOwnershipRange(vec, &first, nullptr));
    const base::Random random(20230107);
    const base::WriteArray values(vec);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = 0.5 + random.uniform(static_cast<std::uint64_t>(first) + i);
    }
  };
  fill(left.get());
  fill(right.get());
  Vec first_left = left.get();
  Vec first_right = right.get();
  check(SVDSetInitialSpaces(svd.get(), 1, &first_right, 1, &first_left));
  check(SVDSetUp(svd.get()));
  require_options_used(prefix);
  check(SVDSolve(svd.get()));
  PetscInt converged = 0;
  SingularValues result;
  check(SVDGetConverged(svd.get(), &converged));
  check(SVDGetIterationNumber(svd.get(), &result.iterations));
  if (converged < wanted) {
    throw base::ConvergenceError(fmt::format("{} of {} singular values converged in {} iterations; "
                                             "raise -{}svd_ncv or -{}svd_max_it",
                                             converged, wanted, result.iterations, prefix, prefix));
  }
  for (PetscInt i = 0; i < wanted; ++i) {
    PetscReal value = 0;
    PetscReal residual = 0;
    check(SVDGetSingularTriplet(svd.get(), i, &value, nullptr, nullptr));
    check(SVDComputeError(svd.get(), i, SVD_ERROR_ABSOLUTE, &residual));
    result.values.push_back(value);
    result.residuals.push_back(residual);
  }
  return result;
}

} // namespace komori::linalg
