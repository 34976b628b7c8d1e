#include "operators/csr.hpp"

#include <algorithm>
#include <array>

namespace komori::operators {

using base::check;

CsrBuilder::CsrBuilder(PetscInt rows, PetscInt first_column, PetscInt columns,
                       PetscInt entries_per_row)
    : rows_(rows), first_column_(first_column), columns_(columns) {
  const auto expected = static_cast<std::size_t>(rows) * static_cast<std::size_t>(entries_per_row);
  arrays_->inner_rows.reserve(static_cast<std::size_t>(rows) + 1);
  arrays_->outer_rows.reserve(static_cast<std::size_t>(rows) + 1);
  arrays_->inner_columns.reserve(expected);
  arrays_->inner_values.reserve(expected);
}

void CsrBuilder::end_row() {
  std::sort(row_.begin(), row_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  PetscInt previous = -1;
  for (const auto& [column, value] : row_) {
    const bool inner = column >= first_column_ && column < first_column_ + columns_;
    auto& values = inner ? arrays_->inner_values : arrays_->outer_values;
    if (column == previous) {
      values.back() += value;
      continue;
    }
    previous = column;
    (inner ? arrays_->inner_columns : arrays_->outer_columns)
        .push_back(inner ? column - first_column_ : column);
    values.push_back(value);
  }
  arrays_->inner_rows.push_back(static_cast<PetscInt>(arrays_->inner_columns.size()));
  arrays_->outer_rows.push_back(static_cast<PetscInt>(arrays_->outer_columns.size()));
  row_.clear();
}

base::UniqueMat CsrBuilder::finish(MPI_Comm comm, PetscInt all_rows, PetscInt all_columns) && {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  base::UniqueMat matrix;
  Arrays& a = *arrays_;
  if (ranks == 1) {
    check(MatCreateSeqAIJWithArrays(comm, rows_, columns_, a.inner_rows.data(),
                                    a.inner_columns.data(), a.inner_values.data(), matrix.put()));
  } else {
    check(MatCreateMPIAIJWithSplitArrays(
        comm, rows_, columns_, all_rows, all_columns, a.inner_rows.data(), a.inner_columns.data(),
        a.inner_values.data(), a.outer_rows.data(), a.outer_columns.data(), a.outer_values.data(),
        matrix.put()));
  }
  // The matrix works on these arrays, so they live and die with it.
  PetscContainer container = nullptr;
  check(PetscContainerCreate(comm, &container));
  check(PetscContainerSetPointer(container, arrays_.release()));
  check(PetscContainerSetUserDestroy(container, [](void* pointer) -> PetscErrorCode {
    delete static_cast<Arrays*>(pointer);
    return 0;
  }));
  check(PetscObjectCompose(reinterpret_cast<PetscObject>(matrix.get()), "komori_arrays",
                           reinterpret_cast<PetscObject>(container)));
  check(PetscContainerDestroy(&container));
  check(MatSetOption(matrix.get(), MAT_NEW_NONZERO_LOCATION_ERR, PETSC_TRUE));

  std::array<char, 64> type{};
  PetscBool given = PETSC_FALSE;
  check(PetscOptionsGetString(nullptr, nullptr, "-mat_type", type.data(), type.size(), &given));
  if (!given) return matrix;
  base::UniqueMat converted;
  check(MatConvert(matrix.get(), type.data(), MAT_INITIAL_MATRIX, converted.put()));
  return converted;
}

} // namespace komori::operators
