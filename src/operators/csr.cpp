#include "operators/csr.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/indices.hpp"

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

void CsrBuilder::add_rows(std::span<const Band> bands, std::size_t count) {
  for (const bool inner : {true, false}) {
    std::vector<PetscInt>& rows = inner ? arrays_->inner_rows : arrays_->outer_rows;
    std::vector<PetscInt>& columns = inner ? arrays_->inner_columns : arrays_->outer_columns;
    std::vector<PetscScalar>& values = inner ? arrays_->inner_values : arrays_->outer_values;
    const auto is_inner = [&](const Band& band) {
      return band.column >= first_column_ && band.column < first_column_ + columns_;
    };
    const auto width = static_cast<std::size_t>(std::count_if(
        bands.begin(), bands.end(), [&](const Band& band) { return is_inner(band) == inner; }));
    const std::size_t start = columns.size();
    columns.resize(start + width * count);
    values.resize(start + width * count);
    std::size_t place = start;
    for (const Band& band : bands) {
      if (is_inner(band) != inner) continue;
      const PetscInt column = inner ? band.column - first_column_ : band.column;
      PetscInt* const to_column = columns.data() + place;
      PetscScalar* const to_value = values.data() + place;
      for (std::size_t i = 0; i < count; ++i) {
        to_column[i * width] = column + static_cast<PetscInt>(i);
        to_value[i * width] = band.values[i];
      }
      ++place;
    }
    for (std::size_t i = 1; i <= count; ++i) {
      rows.push_back(static_cast<PetscInt>(start + i * width));
    }
  }
}

base::UniqueMat CsrBuilder::finish(MPI_Comm comm, PetscInt all_rows, PetscInt all_columns) && {
  std::int64_t largest = nonzeros();
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_INT64_T, MPI_MAX, comm);
  base::require_countable(static_cast<double>(largest), "a rank's part of the matrix has",
                          "nonzeros", "more ranks");
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

CsrValues::CsrValues(Mat matrix, PetscInt first, PetscInt rows)
    : matrix_(matrix), first_(first), rows_(rows) {
  PetscBool parallel = PETSC_FALSE;
  check(PetscObjectTypeCompare(reinterpret_cast<PetscObject>(matrix), MATMPIAIJ, &parallel));
  if (parallel) {
    check(MatMPIAIJGetSeqAIJ(matrix, &inner_.matrix, &outer_.matrix, nullptr));
    open(outer_);
  } else {
    inner_.matrix = matrix;
  }
  open(inner_);
}

void CsrValues::open(Part& part) {
  PetscInt rows = 0;
  const PetscInt* starts = nullptr;
  PetscBool done = PETSC_FALSE;
  check(MatGetRowIJ(part.matrix, 0, PETSC_FALSE, PETSC_FALSE, &rows, &starts, nullptr, &done));
  if (!done) throw std::logic_error("the values of this type of matrix cannot be replaced");
  part.size = static_cast<std::size_t>(starts[rows]);
  check(MatRestoreRowIJ(part.matrix, 0, PETSC_FALSE, PETSC_FALSE, &rows, &starts, nullptr, &done));
  check(MatSeqAIJGetArray(part.matrix, &part.values));
}

CsrValues::~CsrValues() {
  for (Part* part : {&inner_, &outer_}) {
    if (part->values) (void)MatSeqAIJRestoreArray(part->matrix, &part->values);
  }
}

void CsrValues::finish() && {
  if (inner_.used != inner_.size || outer_.used != outer_.size) {
    throw std::logic_error("fewer entries than the matrix has");
  }
  for (Part* part : {&inner_, &outer_}) {
    if (part->values) check(MatSeqAIJRestoreArray(part->matrix, &part->values));
  }
  // Whoever keeps something made from the matrix sees that it has changed.
  check(MatAssemblyBegin(matrix_, MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix_, MAT_FINAL_ASSEMBLY));
}

void CsrValues::end_row() {
  std::sort(row_.begin(), row_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  PetscInt previous = -1;
  for (const auto& [column, value] : row_) {
    Part& part = is_inner(column) ? inner_ : outer_;
    if (column == previous) {
      part.values[part.used - 1] += value;
      continue;
    }
    previous = column;
    if (part.used == part.size) throw std::logic_error("more entries than the matrix has");
    part.values[part.used++] = value;
  }
  row_.clear();
}

void CsrValues::add_rows(std::span<const Band> bands, std::size_t count) {
  for (Part* part : {&inner_, &outer_}) {
    const auto belongs = [&](const Band& band) {
      return is_inner(band.column) == (part == &inner_);
    };
    const auto width = static_cast<std::size_t>(std::count_if(bands.begin(), bands.end(), belongs));
    if (part->used + width * count > part->size) {
      throw std::logic_error("more entries than the matrix has");
    }
    PetscScalar* to = part->values + part->used;
    for (const Band& band : bands) {
      if (!belongs(band)) continue;
      for (std::size_t i = 0; i < count; ++i) to[i * width] = band.values[i];
      ++to;
    }
    part->used += width * count;
  }
}

} // namespace komori::operators
