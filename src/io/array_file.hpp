/// Arrays of numbers in files that a user provides, read piece by piece.
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/npy.hpp"
#include "io/read_file.hpp"

namespace komori::io {

/// An array open for reading: NumPy's .npy (rows or, of two axes, columns contiguous), a dataset of
/// an HDF5 file, or a .csv file of at most `most_csv_bytes`, which is kept in memory. The content
/// decides which, the name only that a file is .csv. One axis is read as [rows, 1], two as [rows,
/// columns], three as parts of [rows, columns].
///
/// All functions are local and throw InputError "'<file>': ..." for whatever is wrong.
class ArrayFile {
public:
  /// `dataset` counts for HDF5 only.
  ArrayFile(std::string path, std::string dataset);

  static constexpr std::int64_t most_csv_bytes = std::int64_t{1} << 28;

  std::int64_t parts() const noexcept { return parts_; }
  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t columns() const noexcept { return columns_; }
  /// Rows [first, first + count) of one part, row by row, into `values` of count * columns()
  /// numbers. All are finite: the first that is not is named by row and column, counted from 0.
  void read(std::int64_t part, std::int64_t first, std::int64_t count, std::span<double> values);

private:
  void open_npy();
  void open_hdf5();
  void open_csv();
  void shape(const std::vector<std::int64_t>& shape);
  void read_npy(std::int64_t part, std::int64_t first, std::int64_t count,
                std::span<double> values);
  void read_hdf5(std::int64_t part, std::int64_t first, std::int64_t count,
                 std::span<double> values) const;
  [[noreturn]] void fail(const std::string& problem) const;

  std::string path_;
  std::string dataset_;
  std::ifstream stream_;
  NpyHeader header_;
  std::unique_ptr<ReadFile> hdf5_; ///< null for .npy
  std::vector<double> csv_;        ///< all values of a .csv file
  int axes_ = 0;
  std::int64_t parts_ = 1;
  std::int64_t rows_ = 0;
  std::int64_t columns_ = 1;
  std::vector<char> raw_;
};

} // namespace komori::io
