/// Matrix files read by one rank in chunks of entries. Internal to io. All local.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/matrix_file.hpp"

namespace komori::io {

/// A file of entries; what is wrong with it is thrown as std::runtime_error without its name.
class MatrixStream {
public:
  virtual ~MatrixStream() = default;
  /// Rows, and columns.
  virtual std::int64_t size() const = 0;
  /// Replaces `entries` by at most about `most` further ones; none at the end of the file.
  virtual void next(std::vector<MatrixEntry>& entries, std::size_t most) = 0;
};

/// What the first bytes of a file say it is.
enum class MatrixKind { matrix_market, petsc, hdf5, unknown };
MatrixKind kind_of_matrix_file(const std::string& path);

std::unique_ptr<MatrixStream> open_matrix_market(const std::string& path);
std::unique_ptr<MatrixStream> open_petsc_matrix(const std::string& path);

} // namespace komori::io
