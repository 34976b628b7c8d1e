/// This rank's rows of a matrix of type aij, as they are stored.
#pragma once

#include <span>

#include <petscmat.h>

namespace komori::operators {

/// Rows in two parts: columns that this rank owns, and those of others. Borrows from the matrix.
class LocalRows {
public:
  /// Local.
  explicit LocalRows(Mat matrix);
  LocalRows(const LocalRows&) = delete;
  LocalRows& operator=(const LocalRows&) = delete;
  ~LocalRows();

  /// Row i has entries starts[i] to starts[i + 1].
  struct Part {
    Mat matrix = nullptr;
    PetscInt rows = 0;
    const PetscInt* starts = nullptr;
    const PetscInt* columns = nullptr;
    const PetscScalar* values = nullptr;
  };
  /// Columns are numbered from this rank's first one.
  const Part& own() const noexcept { return own_; }
  /// Columns are places in `columns_of_others`. Nothing on a single rank.
  const Part& others() const noexcept { return others_; }
  /// Global numbers, in ascending order.
  std::span<const PetscInt> columns_of_others() const noexcept { return columns_of_others_; }
  std::size_t entries() const;

private:
  Part own_;
  Part others_;
  std::span<const PetscInt> columns_of_others_;
};

} // namespace komori::operators
