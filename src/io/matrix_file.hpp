/// Square sparse matrices in files that a user provides, and that may hold anything.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

namespace komori::io {

/// One entry, counted from 0.
struct MatrixEntry {
  std::int64_t row = 0;
  std::int64_t column = 0;
  double value = 0;
};

/// A matrix file open for reading: Matrix Market (coordinate or array; real or integer; general or
/// symmetric), PETSc binary (32- or 64-bit indices), or HDF5: a dataset [rows, columns], or a group
/// with the datasets indptr, indices and data of compressed sparse rows. The content decides which.
///
/// All functions are collective and throw InputError "'<file>': ...", naming line or entry, alike
/// on all ranks, for whatever is wrong with the file. No rank ever holds more than its own rows
/// and one chunk of the file.
class MatrixFile {
public:
  /// `dataset` counts for HDF5 only. `chunk`: entries read at once from text and PETSc files.
  MatrixFile(MPI_Comm comm, std::string path, std::string dataset, std::size_t chunk = 1 << 18);

  /// Rows, and columns.
  std::int64_t size() const noexcept { return size_; }
  /// The entries of rows [first, first + count), sorted by row and column, zeros left out. All
  /// are finite, within the matrix, and no place comes twice.
  std::vector<MatrixEntry> rows(std::int64_t first, std::int64_t count) const;

private:
  enum class Format { matrix_market, petsc, hdf5_dense, hdf5_rows };

  void open_hdf5();
  std::vector<MatrixEntry> dense_rows(std::int64_t first, std::int64_t count) const;
  std::vector<MatrixEntry> compressed_rows(std::int64_t first, std::int64_t count) const;
  std::vector<MatrixEntry> streamed_rows(std::int64_t first, std::int64_t count) const;
  /// Throws the problem of the lowest rank that has one.
  void agree(const std::string& problem) const;

  MPI_Comm comm_;
  std::string path_;
  std::string dataset_;
  std::size_t chunk_;
  Format format_ = Format::matrix_market;
  std::int64_t size_ = 0;
};

} // namespace komori::io
