#include "io/matrix_file.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "io/matrix_stream.hpp"
#include "io/read_file.hpp"

namespace komori::io {
namespace {

std::unique_ptr<MatrixStream> open_stream(const std::string& path) {
  switch (kind_of_matrix_file(path)) {
  case MatrixKind::matrix_market:
    return open_matrix_market(path);
  case MatrixKind::petsc:
    return open_petsc_matrix(path);
  default:
    return nullptr;
  }
}

/// Of a dense matrix that are read at once.
constexpr std::int64_t most_numbers = 1 << 23;

/// A dataset of one axis, the part [first, first + count).
Slab part(std::int64_t size, std::int64_t first, std::int64_t count) {
  return {
      {static_cast<hsize_t>(size)}, {static_cast<hsize_t>(first)}, {static_cast<hsize_t>(count)}};
}

/// A dataset may claim any shape without having been written; compression gains at most a factor of
/// about 1000 (deflate).
std::string never_written(const ReadFile& file, const std::string& name) {
  double numbers = 1;
  for (const hsize_t entries : file.shape(name)) numbers *= static_cast<double>(entries);
  const auto stored = static_cast<double>(file.stored_bytes(name));
  if (numbers <= 1100 * stored + 1e6) return {};
  return fmt::format("dataset '{}' has shape [{}], but only {:g} bytes in the file: it was never "
                     "written",
                     name, fmt::join(file.shape(name), ", "), stored);
}

bool is_index(double value, std::int64_t below) {
  return value >= 0 && value < static_cast<double>(below) && value == std::floor(value);
}

} // namespace

MatrixFile::MatrixFile(MPI_Comm comm, std::string path, std::string dataset, std::size_t chunk)
    : comm_(comm), path_(std::move(path)), dataset_(std::move(dataset)), chunk_(chunk) {
  std::string answer;
  try {
    answer = base::on_first_rank(comm_, [&]() -> std::string {
      const MatrixKind kind = kind_of_matrix_file(path_);
      if (kind == MatrixKind::hdf5) return "hdf5";
      const auto stream = open_stream(path_);
      if (!stream) {
        throw std::runtime_error("is neither Matrix Market (it would begin with %%MatrixMarket), "
                                 "nor HDF5, nor a matrix in PETSc's binary format");
      }
      return fmt::format("{} {}", kind == MatrixKind::petsc ? "petsc" : "text", stream->size());
    });
  } catch (const std::runtime_error& error) {
    throw base::InputError(fmt::format("'{}': {}", path_, error.what()));
  }
  if (answer == "hdf5") {
    open_hdf5();
    return;
  }
  format_ = answer.starts_with("petsc") ? Format::petsc : Format::matrix_market;
  size_ = std::stoll(answer.substr(answer.find(' ') + 1));
}

void MatrixFile::open_hdf5() {
  const ReadFile file(comm_, path_);
  if (file.contains(dataset_)) {
    const std::vector<hsize_t> shape = file.shape(dataset_);
    format_ = Format::hdf5_dense;
    if (shape.size() != 2 || shape[0] != shape[1] || shape[0] == 0) {
      throw base::InputError(fmt::format("'{}': dataset '{}' has shape [{}], but must be square",
                                         path_, dataset_, fmt::join(shape, ", ")));
    }
    agree(never_written(file, dataset_));
    size_ = static_cast<std::int64_t>(shape[0]);
    return;
  }
  format_ = Format::hdf5_rows;
  for (const char* name : {"indptr", "indices", "data"}) {
    if (file.contains(dataset_ + "/" + name)) continue;
    throw base::InputError(
        fmt::format("'{0}': there is neither a dataset '{1}' nor a group of that "
                    "name with datasets indptr, indices and data ('{1}/{2}' is "
                    "missing); name another one by 'model.dataset'",
                    path_, dataset_, name));
  }
  const std::vector<hsize_t> rows = file.shape(dataset_ + "/indptr");
  const std::vector<hsize_t> entries = file.shape(dataset_ + "/indices");
  if (rows.size() != 1 || rows[0] < 2 || entries.size() != 1 ||
      entries != file.shape(dataset_ + "/data")) {
    throw base::InputError(fmt::format("'{}': '{}' must hold indptr[rows + 1], indices[n] and "
                                       "data[n]",
                                       path_, dataset_));
  }
  for (const char* name : {"indptr", "indices", "data"}) {
    agree(never_written(file, dataset_ + "/" + name));
  }
  size_ = static_cast<std::int64_t>(rows[0]) - 1;
}

void MatrixFile::agree(const std::string& problem) const {
  const std::string first = base::first_text(comm_, problem);
  if (!first.empty()) throw base::InputError(fmt::format("'{}': {}", path_, first));
}

std::vector<MatrixEntry> MatrixFile::rows(std::int64_t first, std::int64_t count) const {
  std::vector<MatrixEntry> entries = format_ == Format::hdf5_dense  ? dense_rows(first, count)
                                     : format_ == Format::hdf5_rows ? compressed_rows(first, count)
                                                                    : streamed_rows(first, count);
  const auto place = [](const MatrixEntry& e) { return std::pair(e.row, e.column); };
  std::sort(entries.begin(), entries.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  const auto twice =
      std::adjacent_find(entries.begin(), entries.end(),
                         [&](const auto& a, const auto& b) { return place(a) == place(b); });
  agree(twice == entries.end() ? ""
                               : fmt::format("the entry in row {}, column {} (from 0) comes twice",
                                             twice->row, twice->column));
  std::erase_if(entries, [](const MatrixEntry& e) { return e.value == 0; });
  return entries;
}

std::vector<MatrixEntry> MatrixFile::dense_rows(std::int64_t first, std::int64_t count) const {
  const ReadFile file(comm_, path_);
  const auto n = static_cast<hsize_t>(size_);
  // Few of the entries may differ from 0: rows are read in pieces, as many on all ranks.
  const std::int64_t piece = std::max<std::int64_t>(1, most_numbers / size_);
  std::int64_t most = count;
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT64_T, MPI_MAX, comm_);
  std::vector<MatrixEntry> entries;
  for (std::int64_t at = 0; at < most; at += piece) {
    const std::int64_t begin = std::min(at, count);
    const std::int64_t rows = std::min(count, at + piece) - begin;
    const std::vector<double> values =
        file.read(dataset_, {{n, n},
                             {static_cast<hsize_t>(rows > 0 ? first + begin : 0), 0},
                             {static_cast<hsize_t>(rows), rows > 0 ? n : 0}});
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < size_; ++j) {
        const double value = values[static_cast<std::size_t>(i * size_ + j)];
        if (value != 0) entries.push_back({first + begin + i, j, value});
      }
    }
  }
  return entries;
}

std::vector<MatrixEntry> MatrixFile::compressed_rows(std::int64_t first, std::int64_t count) const {
  const ReadFile file(comm_, path_);
  const auto total = static_cast<std::int64_t>(file.shape(dataset_ + "/indices")[0]);
  const std::vector<double> starts =
      file.read(dataset_ + "/indptr", part(size_ + 1, first, count == 0 ? 0 : count + 1));
  std::string problem;
  for (std::size_t i = 0; i < starts.size() && problem.empty(); ++i) {
    const bool ascending = i == 0 || starts[i] >= starts[i - 1];
    const std::int64_t row = first + static_cast<std::int64_t>(i);
    const bool ends =
        (row > 0 || starts[i] == 0) && (row < size_ || starts[i] == static_cast<double>(total));
    if (is_index(starts[i], total + 1) && ascending && ends) continue;
    problem = fmt::format("'{}/indptr' entry {} is {:g}, but they must increase from 0 to {}",
                          dataset_, row, starts[i], total);
  }
  agree(problem);
  const std::int64_t begin = starts.empty() ? 0 : static_cast<std::int64_t>(starts.front());
  const std::int64_t end = starts.empty() ? 0 : static_cast<std::int64_t>(starts.back());
  const std::vector<double> columns =
      file.read(dataset_ + "/indices", part(total, begin, end - begin));
  const std::vector<double> values = file.read(dataset_ + "/data", part(total, begin, end - begin));
  std::vector<MatrixEntry> entries;
  for (std::int64_t i = 0; i < count && problem.empty(); ++i) {
    const auto to = static_cast<std::int64_t>(starts[static_cast<std::size_t>(i) + 1]);
    for (auto at = static_cast<std::int64_t>(starts[static_cast<std::size_t>(i)]); at < to; ++at) {
      const auto k = static_cast<std::size_t>(at - begin);
      if (!is_index(columns[k], size_)) {
        problem = fmt::format("'{}/indices' entry {} is {:g}, but must be an integer from 0 to {}",
                              dataset_, at, columns[k], size_ - 1);
        break;
      }
      entries.push_back({first + i, static_cast<std::int64_t>(columns[k]), values[k]});
    }
  }
  agree(problem);
  return entries;
}

std::vector<MatrixEntry> MatrixFile::streamed_rows(std::int64_t first, std::int64_t count) const {
  int rank = 0;
  MPI_Comm_rank(comm_, &rank);
  std::vector<MatrixEntry> mine;
  std::vector<MatrixEntry> chunk;
  std::unique_ptr<MatrixStream> stream;
  for (;;) {
    std::string problem;
    if (rank == 0) {
      try {
        if (!stream) stream = open_stream(path_);
        if (!stream) throw std::runtime_error("has changed while it was read");
        stream->next(chunk, chunk_);
      } catch (const std::exception& error) {
        problem = error.what();
      }
    }
    agree(problem);
    auto entries = static_cast<unsigned long long>(chunk.size());
    MPI_Bcast(&entries, 1, MPI_UNSIGNED_LONG_LONG, 0, comm_);
    if (entries == 0) return mine;
    chunk.resize(entries);
    MPI_Bcast(chunk.data(), static_cast<int>(entries * sizeof(MatrixEntry)), MPI_BYTE, 0, comm_);
    for (const MatrixEntry& entry : chunk) {
      if (entry.row >= first && entry.row < first + count) mine.push_back(entry);
    }
  }
}

} // namespace komori::io
