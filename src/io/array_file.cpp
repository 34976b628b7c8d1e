#include "io/array_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "io/csv.hpp"

namespace komori::io {

ArrayFile::ArrayFile(std::string path, std::string dataset)
    : path_(std::move(path)), dataset_(std::move(dataset)) {
  std::error_code code;
  if (std::filesystem::is_directory(path_, code)) fail("cannot be read: it is a folder");
  errno = 0;
  stream_.open(path_, std::ios::binary);
  if (!stream_) fail(fmt::format("cannot be read: {}", std::strerror(errno ? errno : EIO)));
  if (is_npy(stream_)) {
    open_npy();
    return;
  }
  if (std::filesystem::path(path_).extension() == ".csv") {
    open_csv();
    return;
  }
  stream_.close();
  if (H5Fis_hdf5(path_.c_str()) <= 0) {
    fail("is neither a .npy file nor HDF5; in Python, numpy.save(name, array) writes the former");
  }
  open_hdf5();
}

void ArrayFile::fail(const std::string& problem) const {
  throw base::InputError(fmt::format("'{}': {}", path_, problem));
}

void ArrayFile::shape(const std::vector<std::int64_t>& shape) {
  axes_ = static_cast<int>(shape.size());
  if (shape.empty() || shape.size() > 3) {
    fail(fmt::format("the array has {} axes, but must be [rows], [rows, columns] or [parts, rows, "
                     "columns]",
                     shape.size()));
  }
  if (shape.size() == 3) parts_ = shape[0];
  if (shape.size() > 1) columns_ = shape.back();
  rows_ = shape[shape.size() == 3 ? 1 : 0];
  if (parts_ == 0 || rows_ == 0 || columns_ == 0) {
    fail(fmt::format("the array is empty: its shape is [{}]", fmt::join(shape, ", ")));
  }
}

void ArrayFile::open_npy() {
  try {
    header_ =
        read_npy_header(stream_, static_cast<std::int64_t>(std::filesystem::file_size(path_)));
  } catch (const std::runtime_error& error) {
    fail(error.what());
  }
  shape(header_.shape);
  if (header_.by_columns && axes_ == 3) {
    fail("the array of three axes is in Fortran order; write it by numpy.ascontiguousarray(array)");
  }
}

void ArrayFile::open_hdf5() {
  hdf5_ = std::make_unique<ReadFile>(MPI_COMM_SELF, path_);
  std::vector<std::int64_t> extent;
  double numbers = 1;
  for (const hsize_t entries : hdf5_->shape(dataset_)) {
    extent.push_back(static_cast<std::int64_t>(entries));
    numbers *= static_cast<double>(entries);
  }
  shape(extent);
  // A dataset may claim any shape without having been written. Compression gains at most a factor
  // of about 1000 (deflate).
  const auto stored = static_cast<double>(hdf5_->stored_bytes(dataset_));
  if (numbers > 1100 * stored + 1e6) {
    fail(fmt::format("dataset '{}' has shape [{}], but only {:g} bytes in the file: it was never "
                     "written",
                     dataset_, fmt::join(extent, ", "), stored));
  }
}

void ArrayFile::open_csv() {
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path_));
  if (size > most_csv_bytes) {
    fail(fmt::format("it has {} MiB, but at most {} MiB of text are read; in Python, "
                     "numpy.save(name, array) writes what is read piece by piece",
                     size >> 20, most_csv_bytes >> 20));
  }
  stream_.seekg(0);
  try {
    CsvTable table = read_csv(stream_);
    csv_ = std::move(table.values);
    shape({static_cast<std::int64_t>(csv_.size() / table.columns),
           static_cast<std::int64_t>(table.columns)});
  } catch (const std::runtime_error& error) {
    fail(error.what());
  }
}

void ArrayFile::read(std::int64_t part, std::int64_t first, std::int64_t count,
                     std::span<double> values) {
  if (count == 0) return;
  if (hdf5_) {
    read_hdf5(part, first, count, values);
  } else if (!csv_.empty()) {
    const auto begin = csv_.begin() + first * columns_;
    std::copy(begin, begin + count * columns_, values.begin());
  } else {
    read_npy(part, first, count, values);
  }
}

void ArrayFile::read_hdf5(std::int64_t part, std::int64_t first, std::int64_t count,
                          std::span<double> values) const {
  const auto size = [](std::int64_t value) { return static_cast<hsize_t>(value); };
  Slab slab{{size(rows_)}, {size(first)}, {size(count)}};
  if (axes_ > 1) {
    slab.shape.push_back(size(columns_));
    slab.start.push_back(0);
    slab.count.push_back(size(columns_));
  }
  if (axes_ > 2) {
    slab.shape.insert(slab.shape.begin(), size(parts_));
    slab.start.insert(slab.start.begin(), size(part));
    slab.count.insert(slab.count.begin(), 1);
  }
  const std::vector<double> found = hdf5_->read(dataset_, slab);
  std::copy(found.begin(), found.end(), values.begin());
}

void ArrayFile::read_npy(std::int64_t part, std::int64_t first, std::int64_t count,
                         std::span<double> values) {
  const auto fetch = [&](std::int64_t position, std::int64_t numbers) {
    raw_.resize(static_cast<std::size_t>(numbers * header_.bytes));
    stream_.clear();
    stream_.seekg(header_.offset + position * header_.bytes);
    stream_.read(raw_.data(), static_cast<std::streamsize>(raw_.size()));
    if (!stream_) fail("cannot be read to its end: it has changed meanwhile");
  };
  const auto n = static_cast<std::size_t>(count);
  const auto columns = static_cast<std::size_t>(columns_);
  if (header_.by_columns && columns > 1) {
    std::vector<double> column(n);
    for (std::size_t k = 0; k < columns; ++k) {
      fetch(static_cast<std::int64_t>(k) * rows_ + first, count);
      decode_npy(header_, raw_.data(), n, column.data());
      for (std::size_t i = 0; i < n; ++i) values[i * columns + k] = column[i];
    }
  } else {
    fetch((part * rows_ + first) * columns_, count * columns_);
    decode_npy(header_, raw_.data(), n * columns, values.data());
  }
  for (std::size_t i = 0; i < n * columns; ++i) {
    if (std::isfinite(values[i])) continue;
    fail(fmt::format("row {}{}, column {} (from 0) is {}, but every value must be finite; cut the "
                     "array there into several",
                     first + static_cast<std::int64_t>(i / columns),
                     axes_ == 3 ? fmt::format(" of part {}", part) : "", i % columns, values[i]));
  }
}

} // namespace komori::io
