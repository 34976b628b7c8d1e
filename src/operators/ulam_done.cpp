#include "operators/ulam_done.hpp"

#include <algorithm>
#include <bit>

#include "base/petsc.hpp"
#include "operators/key_range.hpp"

namespace komori::operators {
namespace {

using base::check;

constexpr std::size_t row_width = 3;   // cell, entries, leak
constexpr std::size_t entry_width = 2; // column, value

/// A row without its entries, whose number is yet unknown.
void begin_row(UlamRowsDone& done, const spaces::Grid& grid, PetscInt number, double leak) {
  done.rows.insert(done.rows.end(),
                   {static_cast<double>(grid.natural(grid.cell(number))), 0, leak});
}

void add_entry(UlamRowsDone& done, const spaces::Grid& grid, PetscInt column, double value) {
  done.entries.insert(done.entries.end(),
                      {static_cast<double>(grid.natural(grid.cell(column))), value});
  done.rows[done.rows.size() - row_width + 1] += 1;
}

int owner_of(const std::vector<std::int64_t>& first, std::int64_t number) {
  return static_cast<int>(std::upper_bound(first.begin(), first.end(), number) - first.begin()) - 1;
}

std::int64_t bits(double value) {
  return std::bit_cast<std::int64_t>(value);
}

} // namespace

spaces::Index cell_at(const spaces::Grid& grid, std::int64_t natural) {
  spaces::Index cell{};
  for (int k = grid.dimension() - 1; k >= 0; --k) {
    cell[static_cast<std::size_t>(k)] = static_cast<PetscInt>(natural % grid.axis(k).cells());
    natural /= grid.axis(k).cells();
  }
  return cell;
}

UlamRowsDone rows_of(Mat matrix, const MatrixGrids& grids, std::span<const double> leaks) {
  UlamRowsDone done;
  const spaces::Grid& grid = grids.rows;
  const auto cells = static_cast<std::size_t>(grid.local_cells());
  done.rows.reserve(row_width * cells);
  MatInfo info{};
  check(MatGetInfo(matrix, MAT_LOCAL, &info));
  done.entries.reserve(entry_width * static_cast<std::size_t>(info.nz_used));
  for (std::size_t row = 0; row < cells; ++row) {
    const PetscInt number = grid.first() + static_cast<PetscInt>(row);
    begin_row(done, grid, number, leaks.empty() ? 0 : leaks[row]);
    PetscInt count = 0;
    const PetscInt* columns = nullptr;
    const PetscScalar* values = nullptr;
    check(MatGetRow(matrix, number, &count, &columns, &values));
    for (PetscInt i = 0; i < count; ++i) add_entry(done, grids.columns, columns[i], values[i]);
    check(MatRestoreRow(matrix, number, &count, &columns, &values));
  }
  return done;
}

UlamRowsDone rows_of(const TransferMatrix& transfer, const spaces::Grid& grid) {
  const base::ReadArray leaks(transfer.leak.get());
  UlamRowsDone done = rows_of(transfer.matrix.get(), {grid, grid}, leaks.span());
  done.largest_cut = transfer.largest_cut;
  return done;
}

KnownRows::KnownRows(const MatrixGrids& grids, const UlamRowsDone& done) : grids_(grids) {
  const spaces::Grid& grid = grids.rows;
  int ranks = 1;
  MPI_Comm_size(grid.comm(), &ranks);
  std::vector<std::int64_t> first(static_cast<std::size_t>(ranks));
  const std::int64_t own = grid.first();
  MPI_Allgather(&own, 1, MPI_INT64_T, first.data(), 1, MPI_INT64_T, grid.comm());
  // To the rank that owns a row: its number, how many entries, its leak, and then these.
  std::vector<std::vector<std::int64_t>> lists(first.size());
  std::size_t entry = 0;
  for (std::size_t row = 0; row < done.rows.size(); row += row_width) {
    const auto natural = static_cast<std::int64_t>(done.rows[row]);
    const std::int64_t number = grid.number(cell_at(grid, natural));
    const auto count = static_cast<std::size_t>(done.rows[row + 1]);
    std::vector<std::int64_t>& list = lists[static_cast<std::size_t>(owner_of(first, number))];
    list.insert(list.end(), {number, static_cast<std::int64_t>(count), bits(done.rows[row + 2])});
    for (std::size_t i = 0; i < count; ++i, entry += entry_width) {
      const auto column = static_cast<std::int64_t>(done.entries[entry]);
      list.push_back(grids.columns.number(cell_at(grids.columns, column)));
      list.push_back(bits(done.entries[entry + 1]));
    }
  }
  for (const std::vector<std::int64_t>& list : send_lists(grid.comm(), lists)) {
    for (std::size_t at = 0; at < list.size();) {
      rows_.push_back({.local = static_cast<PetscInt>(list[at] - own),
                       .leak = std::bit_cast<double>(list[at + 2]),
                       .first = entries_.size(),
                       .count = static_cast<std::size_t>(list[at + 1])});
      at += row_width;
      for (std::size_t i = 0; i < rows_.back().count; ++i, at += entry_width) {
        entries_.emplace_back(static_cast<PetscInt>(list[at]), std::bit_cast<double>(list[at + 1]));
      }
    }
  }
  std::sort(rows_.begin(), rows_.end(),
            [](const Row& a, const Row& b) { return a.local < b.local; });
}

bool KnownRows::has(PetscInt local) const {
  const auto at =
      std::lower_bound(rows_.begin(), rows_.end(), local,
                       [](const Row& row, PetscInt number) { return row.local < number; });
  return at != rows_.end() && at->local == local;
}

bool KnownRows::take(PetscInt local, CsrBuilder& builder, double& leak) {
  if (next_ == rows_.size() || rows_[next_].local != local) return false;
  const Row& row = rows_[next_++];
  for (std::size_t i = row.first; i < row.first + row.count; ++i) {
    builder.add(entries_[i].first, entries_[i].second);
  }
  leak = row.leak;
  return true;
}

UlamRowsDone KnownRows::done(const CsrBuilder& builder, std::span<const double> leaks) const {
  UlamRowsDone done;
  done.rows.reserve(row_width * (builder.rows_done() + rows_.size() - next_));
  done.entries.reserve(entry_width * static_cast<std::size_t>(builder.nonzeros()));
  for (std::size_t row = 0; row < builder.rows_done(); ++row) {
    begin_row(done, grids_.rows, grids_.rows.first() + static_cast<PetscInt>(row), leaks[row]);
    builder.for_each_entry(row, [&](PetscInt column, double value) {
      add_entry(done, grids_.columns, column, value);
    });
  }
  for (std::size_t at = next_; at < rows_.size(); ++at) {
    const Row& row = rows_[at];
    begin_row(done, grids_.rows, grids_.rows.first() + row.local, row.leak);
    for (std::size_t i = row.first; i < row.first + row.count; ++i) {
      add_entry(done, grids_.columns, entries_[i].first, entries_[i].second);
    }
  }
  return done;
}

} // namespace komori::operators
