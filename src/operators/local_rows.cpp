#include "operators/local_rows.hpp"

#include <stdexcept>

#include "base/petsc.hpp"

namespace komori::operators {
namespace {

using base::check;

void open(LocalRows::Part& part) {
  PetscBool done = PETSC_FALSE;
  check(MatGetRowIJ(part.matrix, 0, PETSC_FALSE, PETSC_FALSE, &part.rows, &part.starts,
                    &part.columns, &done));
  if (!done) throw std::logic_error("the rows of this type of matrix cannot be read");
  check(MatSeqAIJGetArrayRead(part.matrix, &part.values));
}

void close(LocalRows::Part& part) {
  if (part.values) (void)MatSeqAIJRestoreArrayRead(part.matrix, &part.values);
  PetscBool done = PETSC_FALSE;
  if (part.starts) {
    (void)MatRestoreRowIJ(part.matrix, 0, PETSC_FALSE, PETSC_FALSE, &part.rows, &part.starts,
                          &part.columns, &done);
  }
}

} // namespace

LocalRows::LocalRows(Mat matrix) {
  PetscBool parallel = PETSC_FALSE;
  check(PetscObjectTypeCompare(reinterpret_cast<PetscObject>(matrix), MATMPIAIJ, &parallel));
  if (parallel) {
    const PetscInt* columns = nullptr;
    PetscInt count = 0;
    check(MatMPIAIJGetSeqAIJ(matrix, &own_.matrix, &others_.matrix, &columns));
    check(MatGetLocalSize(others_.matrix, nullptr, &count));
    columns_of_others_ = {columns, static_cast<std::size_t>(count)};
    open(others_);
  } else {
    own_.matrix = matrix;
  }
  open(own_);
}

LocalRows::~LocalRows() {
  close(own_);
  close(others_);
}

std::size_t LocalRows::entries() const {
  PetscInt count = 0;
  for (const Part* part : {&own_, &others_}) {
    if (part->starts) count += part->starts[part->rows];
  }
  return static_cast<std::size_t>(count);
}

} // namespace komori::operators
