/// Row-by-row construction of a distributed sparse matrix without copies.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <mpi.h>

#include "base/petsc.hpp"

namespace komori::operators {

/// Entries in the same place of many rows: of row i in column `column` + i, value values[i].
struct Band {
  PetscInt column = 0;
  const PetscScalar* values = nullptr;
};

/// Collects the rows of one rank in order and hands its arrays to PETSc, which uses them in place.
/// Local but for `finish`.
class CsrBuilder {
public:
  /// This rank owns rows and columns [first, first + rows) of a square matrix; `entries_per_row`
  /// is what memory is reserved for.
  CsrBuilder(PetscInt first, PetscInt rows, PetscInt entries_per_row)
      : CsrBuilder(rows, first, rows, entries_per_row) {}
  /// This rank owns `rows` rows, and columns [first_column, first_column + columns).
  CsrBuilder(PetscInt rows, PetscInt first_column, PetscInt columns, PetscInt entries_per_row);

  /// Adds to the current row; the same column may come several times.
  void add(PetscInt column, PetscScalar value) { row_.emplace_back(column, value); }
  /// Ends the current row: its entries are sorted, equal columns added up.
  void end_row();
  /// `count` rows at once, each with one entry of every band; the bands are in ascending order of
  /// columns, which differ.
  void add_rows(std::span<const Band> bands, std::size_t count);
  /// Off-diagonal and diagonal entries of the current row, for inspection before `end_row`.
  const std::vector<std::pair<PetscInt, PetscScalar>>& row() const { return row_; }
  /// Calls visit(column, value) for the entries of a row that is done.
  template <class Visit> void for_each_entry(std::size_t row, Visit&& visit) const {
    const Arrays& a = *arrays_;
    for (auto i = a.inner_rows[row]; i < a.inner_rows[row + 1]; ++i) {
      const auto at = static_cast<std::size_t>(i);
      visit(a.inner_columns[at] + first_column_, a.inner_values[at]);
    }
    for (auto i = a.outer_rows[row]; i < a.outer_rows[row + 1]; ++i) {
      const auto at = static_cast<std::size_t>(i);
      visit(a.outer_columns[at], a.outer_values[at]);
    }
  }
  /// How many rows are done.
  std::size_t rows_done() const { return arrays_->inner_rows.size() - 1; }
  std::int64_t nonzeros() const {
    return static_cast<std::int64_t>(arrays_->inner_columns.size() + arrays_->outer_columns.size());
  }
  /// The matrix of all ranks' rows; `size` rows and columns in total. Collective. Throws
  /// MemoryError where a rank has more entries than `PetscInt` can number.
  base::UniqueMat finish(MPI_Comm comm, PetscInt size) && {
    return std::move(*this).finish(comm, size, size);
  }
  /// Likewise of a rectangular matrix. Collective.
  base::UniqueMat finish(MPI_Comm comm, PetscInt all_rows, PetscInt all_columns) &&;

private:
  struct Arrays { // owned by the matrix once it exists
    std::vector<PetscInt> inner_rows{0}, inner_columns, outer_rows{0}, outer_columns;
    std::vector<PetscScalar> inner_values, outer_values;
  };
  PetscInt rows_;
  PetscInt first_column_;
  PetscInt columns_;
  std::vector<std::pair<PetscInt, PetscScalar>> row_;
  std::unique_ptr<Arrays> arrays_ = std::make_unique<Arrays>();
};

/// Takes the same rows as a `CsrBuilder` did and replaces the values of its matrix in place.
/// Local but for the constructor and `finish`.
class CsrValues {
public:
  /// `matrix` is of type aij and was built for these rows. Collective.
  CsrValues(Mat matrix, PetscInt first, PetscInt rows);
  CsrValues(const CsrValues&) = delete;
  CsrValues& operator=(const CsrValues&) = delete;
  ~CsrValues();

  void add(PetscInt column, PetscScalar value) { row_.emplace_back(column, value); }
  void end_row();
  void add_rows(std::span<const Band> bands, std::size_t count);
  /// All rows have been given. Collective.
  void finish() &&;

private:
  struct Part {
    Mat matrix = nullptr; ///< borrowed
    PetscScalar* values = nullptr;
    std::size_t size = 0;
    std::size_t used = 0;
  };
  void open(Part& part);
  bool is_inner(PetscInt column) const { return column >= first_ && column < first_ + rows_; }

  Mat matrix_;
  PetscInt first_;
  PetscInt rows_;
  Part inner_;
  Part outer_;
  std::vector<std::pair<PetscInt, PetscScalar>> row_;
};

} // namespace komori::operators
