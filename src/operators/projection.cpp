#include "operators/projection.hpp"

#include <algorithm>

namespace komori::operators {

using base::check;

Projection Projection::onto(const spaces::Grid& grid, const std::vector<base::UniqueVec>& functions,
                            Vec weights) {
  const auto count = static_cast<PetscInt>(functions.size());
  base::UniqueMat matrix;
  check(MatCreateDense(grid.comm(), grid.local_cells(), PETSC_DECIDE, grid.cells(), count, nullptr,
                       matrix.put()));
  for (PetscInt j = 0; j < count; ++j) {
    Vec column = nullptr;
    check(MatDenseGetColumnVecWrite(matrix.get(), j, &column));
    check(VecCopy(functions[static_cast<std::size_t>(j)].get(), column));
    check(MatDenseRestoreColumnVecWrite(matrix.get(), j, &column));
  }
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return {std::move(matrix), weights, false};
}

Projection Projection::onto_parts(const spaces::Grid& grid, std::span<const PetscInt> part,
                                  PetscInt parts, Vec weights) {
  base::UniqueMat matrix;
  check(MatCreateAIJ(grid.comm(), grid.local_cells(), PETSC_DECIDE, grid.cells(), parts, 1, nullptr,
                     1, nullptr, matrix.put()));
  for (PetscInt i = 0; i < grid.local_cells(); ++i) {
    check(MatSetValue(matrix.get(), grid.first() + i, part[static_cast<std::size_t>(i)], 1,
                      INSERT_VALUES));
  }
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return {std::move(matrix), weights, true};
}

Projection::Projection(base::UniqueMat functions, Vec weights, bool partition)
    : functions_(std::move(functions)), weights_(base::duplicate(weights)),
      work_(base::duplicate(weights)), full_(base::duplicate(weights)), partition_(partition) {
  check(VecCopy(weights, weights_.get()));
  check(MatGetSize(functions_.get(), nullptr, &rank_));
  check(MatCreateVecs(functions_.get(), squares_.put(), nullptr));
  coefficients_ = base::duplicate(squares_.get());
  if (partition) {
    check(MatMultTranspose(functions_.get(), weights, squares_.get()));
  } else {
    check(VecSet(squares_.get(), 1));
  }
}

void Projection::apply(Vec u, Vec result) const {
  check(VecPointwiseMult(work_.get(), u, weights_.get()));
  check(MatMultTranspose(functions_.get(), work_.get(), coefficients_.get()));
  check(VecPointwiseDivide(coefficients_.get(), coefficients_.get(), squares_.get()));
  check(MatMult(functions_.get(), coefficients_.get(), result));
}

void Projection::apply_transposed(Vec masses, Vec result) const {
  check(MatMultTranspose(functions_.get(), masses, coefficients_.get()));
  check(VecPointwiseDivide(coefficients_.get(), coefficients_.get(), squares_.get()));
  check(MatMult(functions_.get(), coefficients_.get(), result));
  check(VecPointwiseMult(result, result, weights_.get()));
}

void Projection::complement(Vec u) const {
  apply(u, full_.get());
  check(VecAXPY(u, -1, full_.get()));
}

void Projection::complement_transposed(Vec masses) const {
  apply_transposed(masses, full_.get());
  check(VecAXPY(masses, -1, full_.get()));
}

std::vector<base::UniqueVec> Projection::columns() const {
  std::vector<base::UniqueVec> columns;
  for (PetscInt j = 0; j < rank_; ++j) {
    base::UniqueVec column = base::duplicate(weights_.get());
    check(MatGetColumnVector(functions_.get(), column.get(), j));
    columns.push_back(std::move(column));
  }
  return columns;
}

std::vector<base::UniqueVec> Projection::duals() const {
  std::vector<base::UniqueVec> duals = columns();
  for (const base::UniqueVec& dual : duals) {
    check(VecPointwiseMult(work_.get(), dual.get(), weights_.get()));
    const double square = base::dot(work_.get(), dual.get());
    check(VecAXPBY(dual.get(), 1 / square, 0, work_.get()));
  }
  return duals;
}

double Projection::product(Vec u, Vec v) const {
  check(VecPointwiseMult(work_.get(), u, weights_.get()));
  return base::dot(work_.get(), v);
}

} // namespace komori::operators
