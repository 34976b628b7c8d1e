/// Reading HDF5 files that a user provides, and that may hold anything.
#pragma once

#include <string>
#include <vector>

#include <mpi.h>

#include "io/hdf5.hpp"
#include "io/result_file.hpp"

namespace komori::io {

/// An HDF5 file open for reading. All functions are collective and throw InputError, on one line
/// and alike on all ranks, for whatever is wrong with the file. Nothing outside the file is read:
/// datasets that are links into, or kept in, other files are refused.
class ReadFile {
public:
  /// The file must exist, be HDF5, and be whole.
  ReadFile(MPI_Comm comm, std::string path);
  ReadFile(const ReadFile&) = delete;
  ReadFile& operator=(const ReadFile&) = delete;

  /// Whether there is a dataset of this name.
  bool contains(const std::string& name) const;
  /// The datasets of the file by their paths, in the order of bytes; at most `most_datasets`, then
  /// InputError. Links are not followed.
  std::vector<std::string> datasets() const;
  static constexpr std::size_t most_datasets = 10'000;
  /// Entries per axis of a dataset of numbers; empty for a single number.
  std::vector<hsize_t> shape(const std::string& name) const;
  /// Bytes that the values of a dataset take in the file, after compression.
  hsize_t stored_bytes(const std::string& name) const;
  /// This rank's block, in natural order, of a dataset whose shape is exactly `slab.shape`.
  /// Integers and floating point of any width and byte order are converted; all values are finite.
  std::vector<double> read(const std::string& name, const Slab& slab) const;
  /// A whole dataset of at most `max_count` numbers, on every rank.
  std::vector<double> read_small(const std::string& name, hsize_t max_count) const;
  /// A single text of at most `max_bytes`, on every rank.
  std::string read_text(const std::string& name, hsize_t max_bytes = hsize_t{1} << 24) const;

  const std::string& path() const noexcept { return path_; }

private:
  /// Throws InputError "'<path>': <problem>" on all ranks if `problem` is not empty on some rank.
  void agree(const std::string& problem) const;

  MPI_Comm comm_;
  std::string path_;
  File file_;
};

} // namespace komori::io
