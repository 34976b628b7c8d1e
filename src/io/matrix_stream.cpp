#include "io/matrix_stream.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <petscmat.h>

namespace komori::io {
namespace {

constexpr std::int64_t most_rows = std::int64_t{1} << 40;

std::ifstream opened(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw std::runtime_error(fmt::format("cannot be read: {}", std::filesystem::is_directory(path)
                                                                   ? "it is a folder"
                                                                   : std::strerror(errno)));
  }
  return file;
}

/// Matrix Market exchange format (Boisvert, Pozo, Remington, NISTIR 5935, 1996).
class MatrixMarket final : public MatrixStream {
public:
  explicit MatrixMarket(const std::string& path) : file_(opened(path)) {
    read_line();
    std::istringstream words(line_);
    std::string banner;
    std::string object;
    std::string layout;
    std::string field;
    std::string symmetry;
    words >> banner >> object >> layout >> field >> symmetry;
    for (std::string* word : {&object, &layout, &field, &symmetry}) {
      std::transform(word->begin(), word->end(), word->begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    }
    const bool known = object == "matrix" && (layout == "coordinate" || layout == "array") &&
                       (field == "real" || field == "integer" || field == "double") &&
                       (symmetry == "general" || symmetry == "symmetric");
    if (!known) {
      fail("is not 'matrix', 'coordinate' or 'array', 'real' or 'integer', 'general' or "
           "'symmetric'");
    }
    array_ = layout == "array";
    symmetric_ = symmetry == "symmetric";
    do {
      read_line();
    } while (line_.empty() || line_[0] == '%' || blank());
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    begin();
    integer(rows, 1, most_rows);
    integer(columns, 1, most_rows);
    if (rows != columns) fail(fmt::format("has {} rows and {} columns: not square", rows, columns));
    if (array_) {
      const double n = static_cast<double>(rows);
      require_bytes(symmetric_ ? n * (n + 1) / 2 : n * n, 2, path);
      entries_ = symmetric_ ? rows * (rows + 1) / 2 : rows * rows;
    } else {
      integer(entries_, 0, most_rows);
      require_bytes(static_cast<double>(entries_), 6, path);
    }
    end();
    size_ = rows;
  }
  std::int64_t size() const override { return size_; }
  void next(std::vector<MatrixEntry>& entries, std::size_t most) override {
    entries.clear();
    while (entries.size() < most && read_ < entries_) {
      read_line();
      if (blank()) continue;
      MatrixEntry entry{.row = row_, .column = column_};
      begin();
      if (!array_) {
        integer(entry.row, 1, size_);
        integer(entry.column, 1, size_);
        --entry.row;
        --entry.column;
      } else if (++row_ == size_) { // column by column
        ++column_;
        row_ = symmetric_ ? column_ : 0;
      }
      real(entry.value);
      end();
      ++read_;
      entries.push_back(entry);
      if (symmetric_ && entry.row != entry.column) {
        entries.push_back({entry.column, entry.row, entry.value});
      }
    }
    if (read_ < entries_) return;
    while (std::getline(file_, line_)) {
      ++number_;
      if (!blank()) fail(fmt::format("stands after the {} entries announced", entries_));
    }
  }

private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(fmt::format("line {} {}", number_, what));
  }
  /// Of the shortest lines, the last without an end.
  void require_bytes(double entries, double each, const std::string& path) const {
    const auto bytes = static_cast<double>(std::filesystem::file_size(path));
    if (entries * each <= bytes + 1) return;
    fail(fmt::format("announces {:.10g} entries, but the file has only {:.10g} bytes: it is cut "
                     "short, or the size is wrong",
                     entries, bytes));
  }
  void read_line() {
    ++number_;
    if (!std::getline(file_, line_)) {
      fail(fmt::format("is missing: the file ends after {} of {} entries", read_, entries_));
    }
  }
  bool blank() const {
    return std::all_of(line_.begin(), line_.end(),
                       [](unsigned char c) { return std::isspace(c) != 0; });
  }
  void begin() { at_ = line_.data(); }
  void skip() {
    while (at_ < line_.data() + line_.size() && std::isspace(static_cast<unsigned char>(*at_))) {
      ++at_;
    }
    if (at_ < line_.data() + line_.size() && *at_ == '+') ++at_;
  }
  void integer(std::int64_t& value, std::int64_t least, std::int64_t most) {
    skip();
    const auto [after, error] = std::from_chars(at_, line_.data() + line_.size(), value);
    if (error != std::errc() || value < least || value > most) {
      fail(fmt::format("must hold integers from {} to {} here", least, most));
    }
    at_ = after;
  }
  void real(double& value) {
    skip();
    const auto [after, error] = std::from_chars(at_, line_.data() + line_.size(), value);
    if (error != std::errc() || !std::isfinite(value)) fail("must hold a finite number here");
    at_ = after;
  }
  void end() {
    skip();
    if (at_ != line_.data() + line_.size()) fail("has more on it than expected");
  }

  std::ifstream file_;
  std::string line_;
  const char* at_ = nullptr;
  std::int64_t number_ = 0;
  std::int64_t size_ = 0;
  std::int64_t entries_ = 0;
  std::int64_t read_ = 0;
  std::int64_t row_ = 0; ///< of the next entry of an array
  std::int64_t column_ = 0;
  bool array_ = false;
  bool symmetric_ = false;
};

/// PETSc's binary AIJ: class id, rows, columns, nonzeros, then the length of every row, all
/// columns, all values; big-endian.
class PetscBinary final : public MatrixStream {
public:
  explicit PetscBinary(const std::string& path)
      : lengths_(opened(path)), columns_(opened(path)), values_(opened(path)) {
    const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path));
    const std::int64_t first = integer(lengths_);
    if (first != MAT_FILE_CLASSID) { // written by a PETSc with 64-bit indices
      width_ = 8;
      lengths_.seekg(0);
      if (bytes < 32 || integer(lengths_) != MAT_FILE_CLASSID) {
        throw std::runtime_error("is no PETSc matrix");
      }
    }
    const std::int64_t rows = integer(lengths_);
    const std::int64_t columns = integer(lengths_);
    entries_ = integer(lengths_);
    if (rows != columns || rows < 1 || rows > most_rows) {
      throw std::runtime_error(
          fmt::format("has {} rows and {} columns, but must be square", rows, columns));
    }
    if (entries_ < 0 || entries_ > most_rows ||
        bytes != width_ * (4 + rows + entries_) + 8 * entries_) {
      throw std::runtime_error(fmt::format("has {} bytes, which does not fit {} rows with {} "
                                           "nonzeros: it is cut short, or no sparse matrix",
                                           bytes, rows, entries_));
    }
    size_ = rows;
    columns_.seekg(width_ * (4 + rows));
    values_.seekg(width_ * (4 + rows + entries_));
  }
  std::int64_t size() const override { return size_; }
  void next(std::vector<MatrixEntry>& entries, std::size_t most) override {
    entries.clear();
    while (entries.size() < most && read_ < entries_) {
      while (left_ == 0) {
        if (++row_ >= size_) throw std::runtime_error("has rows shorter than its nonzeros");
        left_ = integer(lengths_);
        if (left_ < 0 || left_ > size_) {
          throw std::runtime_error(fmt::format("has {} entries in row {}", left_, row_));
        }
      }
      MatrixEntry entry{.row = row_, .column = integer(columns_)};
      std::array<char, 8> raw{};
      values_.read(raw.data(), 8);
      std::reverse(raw.begin(), raw.end());
      std::memcpy(&entry.value, raw.data(), 8);
      if (entry.column < 0 || entry.column >= size_ || !std::isfinite(entry.value)) {
        throw std::runtime_error(fmt::format("has the entry {} in row {}, column {}, but columns "
                                             "are 0 to {} and values finite",
                                             entry.value, entry.row, entry.column, size_ - 1));
      }
      --left_;
      ++read_;
      entries.push_back(entry);
    }
    if (read_ < entries_) return;
    while (left_ == 0 && row_ + 1 < size_) {
      ++row_;
      left_ = integer(lengths_);
    }
    if (left_ != 0) throw std::runtime_error("has rows longer than its nonzeros");
  }

private:
  std::int64_t integer(std::ifstream& file) const {
    std::array<unsigned char, 8> raw{};
    file.read(reinterpret_cast<char*>(raw.data()), width_);
    std::uint64_t value = width_ == 4 && (raw[0] & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
    for (int i = 0; i < width_; ++i) value = (value << 8U) | raw[static_cast<std::size_t>(i)];
    return static_cast<std::int64_t>(value);
  }
  std::ifstream lengths_; // three places of one file
  std::ifstream columns_;
  std::ifstream values_;
  int width_ = 4; ///< bytes of an index
  std::int64_t size_ = 0;
  std::int64_t entries_ = 0;
  std::int64_t read_ = 0;
  std::int64_t row_ = -1;
  std::int64_t left_ = 0; ///< entries of this row not yet read
};

} // namespace

MatrixKind kind_of_matrix_file(const std::string& path) {
  std::ifstream file = opened(path);
  std::array<char, 14> begin{};
  file.read(begin.data(), begin.size());
  const std::string_view text(begin.data(), static_cast<std::size_t>(file.gcount()));
  using namespace std::string_view_literals;
  if (text.starts_with("%%MatrixMarket"sv)) return MatrixKind::matrix_market;
  if (text.starts_with("\x89HDF\r\n\x1a\n"sv)) return MatrixKind::hdf5;
  // 1211216, big-endian, of four or eight bytes.
  const bool petsc = text.starts_with("\x00\x12\x7b\x50"sv) ||
                     text.starts_with("\x00\x00\x00\x00\x00\x12\x7b\x50"sv);
  return petsc ? MatrixKind::petsc : MatrixKind::unknown;
}

std::unique_ptr<MatrixStream> open_matrix_market(const std::string& path) {
  return std::make_unique<MatrixMarket>(path);
}

std::unique_ptr<MatrixStream> open_petsc_matrix(const std::string& path) {
  return std::make_unique<PetscBinary>(path);
}

} // namespace komori::io
