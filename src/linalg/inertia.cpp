#include "linalg/inertia.hpp"

#include "linalg/solver.hpp"

namespace komori::linalg {

using base::check;

std::optional<PetscInt> eigenvalues_below(Mat matrix, double value) {
  PetscBool assembled = PETSC_FALSE;
  check(PetscObjectTypeCompareAny(reinterpret_cast<PetscObject>(matrix), &assembled, MATSEQAIJ,
                                  MATMPIAIJ, ""));
  if (!assembled) return std::nullopt;
  base::UniqueMat shifted;
  check(MatDuplicate(matrix, MAT_COPY_VALUES, shifted.put()));
  check(MatShift(shifted.get(), -value));
  check(MatSetOption(shifted.get(), MAT_SYMMETRIC, PETSC_TRUE));
  base::UniqueMat factor;
  try {
    check(MatGetFactor(shifted.get(), MATSOLVERMUMPS, MAT_FACTOR_CHOLESKY, factor.put()));
    constexpr PetscInt root_on_one_rank = 13; // else MUMPS does not count the pivots of its root
    check(MatMumpsSetIcntl(factor.get(), root_on_one_rank, 1));
    MatFactorInfo info;
    check(MatFactorInfoInitialize(&info));
    check(MatCholeskyFactorSymbolic(factor.get(), shifted.get(), nullptr, &info));
    check(MatCholeskyFactorNumeric(factor.get(), shifted.get(), &info));
  } catch (const base::PetscError& error) {
    throw_memory_error(error, "inertia_");
  }
  MatFactorError failure = MAT_FACTOR_NOERROR;
  check(MatFactorGetError(factor.get(), &failure));
  if (failure != MAT_FACTOR_NOERROR) return std::nullopt;
  PetscInt negative = 0;
  check(MatGetInertia(factor.get(), &negative, nullptr, nullptr));
  return negative;
}

} // namespace komori::linalg
