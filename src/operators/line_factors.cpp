#include "operators/line_factors.hpp"

#include <algorithm>
#include <utility>

#include "operators/local_rows.hpp"

namespace komori::operators {
namespace {

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

/// The tridiagonal blocks of all lines.
struct Blocks {
  explicit Blocks(std::size_t cells, double shift)
      : lower(cells, 0.0), diagonal(cells, shift), upper(cells, 0.0) {}
  std::vector<double> lower;
  std::vector<double> diagonal;
  std::vector<double> upper;
};

/// Couplings while they are read, row by row.
struct Entries {
  explicit Entries(std::size_t cells) {
    rows.reserve(cells + 1);
    rows.push_back(0);
  }
  std::vector<std::size_t> rows;
  std::vector<PetscInt> cells;
  std::vector<double> values;
  void add(PetscInt cell, double value) {
    if (value == 0) return;
    cells.push_back(cell);
    values.push_back(value);
  }
  void end_row() { rows.push_back(cells.size()); }
};

/// Of the line whose first cell is `first`.
PetscInt beside(const LineCouplings& couplings, std::size_t first, std::size_t length) {
  PetscInt start = -1;
  for (std::size_t j = 0; j < length; ++j) {
    if (couplings.values[first + j] == 0) continue;
    const PetscInt begin = couplings.cells[first + j] - static_cast<PetscInt>(j);
    if (begin % static_cast<PetscInt>(length) != 0 || (start >= 0 && begin != start)) return -1;
    start = begin;
  }
  return start;
}

LineCouplings packed(const Entries& entries, const Lines& lines) {
  LineCouplings packed;
  for (std::size_t q = 0; q + 1 < entries.rows.size(); ++q) {
    packed.width = std::max(packed.width, entries.rows[q + 1] - entries.rows[q]);
  }
  const std::size_t length = at(lines.length);
  packed.coupled.resize(at(lines.count));
  packed.beside.assign(at(lines.count), -1);
  packed.cells.resize(at(lines.count) * length * packed.width);
  packed.values.resize(packed.cells.size());
  for (std::size_t line = 0; line < packed.coupled.size(); ++line) {
    const std::size_t first = line * length;
    packed.coupled[line] = entries.rows[first + length] > entries.rows[first] ? 1 : 0;
    if (packed.coupled[line] == 0) continue;
    // Where a cell has fewer, it reads what another cell of its line reads, times 0.
    const PetscInt some = entries.cells[entries.rows[first]];
    for (std::size_t q = first; q < first + length; ++q) {
      std::size_t to = q * packed.width;
      for (std::size_t e = entries.rows[q]; e < entries.rows[q + 1]; ++e, ++to) {
        packed.cells[to] = entries.cells[e];
        packed.values[to] = static_cast<float>(entries.values[e]);
      }
      for (; to < (q + 1) * packed.width; ++to) packed.cells[to] = some;
    }
    if (packed.width == 1 && lines.stride == 1) packed.beside[line] = beside(packed, first, length);
  }
  return packed;
}

/// LU factors of a tridiagonal matrix from both ends: multipliers inwards, inverse pivots,
/// multipliers outwards. Rows, or columns, of s - L are diagonally dominant: no pivots are sought.
void eliminate(double* lower, double* pivot, double* upper, PetscInt length) {
  const PetscInt last = length - 1;
  const PetscInt middle = length / 2;
  for (PetscInt j = 0; j < middle; ++j) {
    if (j > 0) pivot[j] -= lower[j] * upper[j - 1];
    pivot[j] = 1 / pivot[j];
    if (j > 0) lower[j] *= pivot[j - 1];
    upper[j] *= pivot[j];
  }
  for (PetscInt j = last; j > middle; --j) {
    if (j < last) pivot[j] -= upper[j] * upper[j + 1];
    pivot[j] = 1 / pivot[j];
    if (j < last) upper[j] *= pivot[j + 1];
    lower[j] *= pivot[j];
    std::swap(lower[j], upper[j]); // inwards, outwards
  }
  double& centre = pivot[middle];
  if (middle > 0) centre -= lower[middle] * upper[middle - 1];
  if (middle < last) centre -= upper[middle] * upper[middle + 1];
  centre = 1 / centre;
  if (middle > 0) lower[middle] *= pivot[middle - 1];
  if (middle < last) upper[middle] *= pivot[middle + 1];
}

} // namespace

LineFactors line_factors(Mat rows, double shift, const Lines& lines) {
  LineFactors factors;
  const std::size_t cells = at(lines.count * lines.length);
  Blocks blocks(cells, shift);
  Entries earlier(cells);
  Entries later(cells);
  if (lines.ring) factors.corners.assign(2 * at(lines.count), 0);
  const LocalRows stored(rows);
  const LocalRows::Part& own = stored.own();
  const PetscInt last = lines.length - 1;
  std::size_t q = 0;
  for (PetscInt line = 0; line < lines.count; ++line) {
    for (PetscInt j = 0; j <= last; ++j, ++q) {
      const PetscInt cell = lines.first(line) + j * lines.stride;
      for (PetscInt e = own.starts[cell]; e < own.starts[cell + 1]; ++e) {
        const PetscInt column = own.columns[e];
        const double value = own.values[e];
        if (column == cell) {
          blocks.diagonal[q] -= value;
        } else if (j > 0 && column == cell - lines.stride) {
          blocks.lower[q] -= value;
        } else if (j < last && column == cell + lines.stride) {
          blocks.upper[q] -= value;
        } else if (const PetscInt other = lines.line_of(column); other != line) {
          ((other < line) != lines.reversed ? earlier : later).add(column, value);
        } else if (lines.ring && (j == 0 || j == last) && lines.place_of(column) == last - j) {
          factors.corners[2 * at(line) + (j == 0 ? 0 : 1)] -= value;
        }
      }
      earlier.end_row();
      later.end_row();
    }
  }
  factors.earlier = packed(earlier, lines);
  factors.later = packed(later, lines);
  for (PetscInt line = 0; line < lines.count; ++line) {
    const std::size_t first = at(line * lines.length);
    eliminate(blocks.lower.data() + first, blocks.diagonal.data() + first,
              blocks.upper.data() + first, lines.length);
  }
  factors.inward.assign(blocks.lower.begin(), blocks.lower.end());
  factors.inverse.assign(blocks.diagonal.begin(), blocks.diagonal.end());
  factors.outward.assign(blocks.upper.begin(), blocks.upper.end());
  return factors;
}

} // namespace komori::operators
