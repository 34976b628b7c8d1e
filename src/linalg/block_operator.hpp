/// Operators on blocks of vectors that are stored row by row, all columns of a row together.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace komori::linalg {

/// Entry (i, j) lies at data[i * stride + j]; rows are those of this rank. Owned by somebody else.
struct BlockView {
  double* data = nullptr;
  std::size_t rows = 0;
  int columns = 0;
  int stride = 0;
  BlockView slice(int first, int count) const { return {data + first, rows, count, stride}; }
};

/// A symmetric operator with an approximate inverse.
class BlockOperator {
public:
  BlockOperator() = default;
  BlockOperator(const BlockOperator&) = delete;
  BlockOperator& operator=(const BlockOperator&) = delete;
  virtual ~BlockOperator() = default;
  /// y = A x. Collective.
  virtual void apply(BlockView x, BlockView y) = 0;
  /// z = T r with T close to the inverse of A - shift, symmetric and positive definite but for
  /// rounding. Collective.
  virtual void precondition(BlockView r, BlockView z) = 0;
  /// "block multigrid, 7 levels", for the log.
  virtual std::string describe() const = 0;
};

/// The widths in which kernels take the columns of a block, so that inner loops have constant
/// length.
inline constexpr int widest_chunk = 16;
constexpr int chunk_width(int columns) {
  if (columns == 1) return 1;
  return columns > 8 ? widest_chunk : columns > 4 ? 8 : 4;
}

/// Calls body.template operator()<width>(first column, columns) for chunks of all columns.
template <class Body> void for_each_chunk(int columns, Body&& body) {
  for (int first = 0; first < columns; first += widest_chunk) {
    const int count = columns - first < widest_chunk ? columns - first : widest_chunk;
    switch (chunk_width(count)) {
    case 1:
      body.template operator()<1>(first, count);
      break;
    case 4:
      body.template operator()<4>(first, count);
      break;
    case 8:
      body.template operator()<8>(first, count);
      break;
    default:
      body.template operator()<widest_chunk>(first, count);
    }
  }
}

} // namespace komori::linalg
