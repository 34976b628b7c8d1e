/// This rank's cells of a tensor grid inside a rim of ghost cells, for fields of several values.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <mpi.h>

#include "spaces/grid.hpp"

namespace komori::spaces {

/// The layout: count(k) owned cells on axis k and one ghost cell beyond either end, the last axis
/// fastest. Ghosts beyond a wall belong to nobody and keep what is written there. Functions are
/// local unless marked.
class PaddedBlock {
public:
  explicit PaddedBlock(const Grid& grid);
  /// The layout in which this rank's cells 0 and 1, 2 and 3, ... of axis k are one cell each; an
  /// odd last one stays by itself.
  PaddedBlock halved(int k) const;

  MPI_Comm comm() const noexcept { return comm_; }
  int dimension() const noexcept { return dimension_; }
  PetscInt count(int k) const { return count_[at(k)]; }
  /// Cells on axis k over all ranks, and how many lie before this rank's first.
  PetscInt total(int k) const;
  PetscInt before(int k) const;
  /// The most cells any rank has on axis k.
  PetscInt largest_part(int k) const;
  /// Owned cells, ghosts included or not.
  std::size_t padded_cells() const noexcept { return padded_; }
  std::size_t cells() const noexcept { return cells_; }
  /// Distance in a padded array to the next cell on axis k.
  std::ptrdiff_t stride(int k) const { return stride_[at(k)]; }
  /// Where an owned cell (0 <= cell[k] < count(k)) lies in a padded array.
  std::size_t position(const Index& cell) const {
    std::ptrdiff_t sum = 0;
    for (int k = 0; k < dimension_; ++k) sum += (cell[at(k)] + 1) * stride_[at(k)];
    return static_cast<std::size_t>(sum);
  }
  bool periodic(int k) const { return periodic_[at(k)]; }
  /// The rank that owns what lies beyond the lower or upper end of axis k; MPI_PROC_NULL at walls.
  int lower_rank(int k) const { return lower_[at(k)]; }
  int upper_rank(int k) const { return upper_[at(k)]; }

  /// Calls visit(position of the first cell, its index, number of cells before it) for every run of
  /// count(last axis) owned cells.
  template <class Visit> void for_each_run(Visit&& visit) const {
    if (cells_ == 0) return;
    const int last = dimension_ - 1;
    Index cell{};
    for (std::size_t done = 0; done < cells_; done += static_cast<std::size_t>(count(last))) {
      visit(position(cell), cell, done);
      for (int k = last - 1; k >= 0; --k) {
        if (++cell[at(k)] < count(k)) break;
        cell[at(k)] = 0;
      }
    }
  }

private:
  static std::size_t at(int k) { return static_cast<std::size_t>(k); }
  void measure();

  MPI_Comm comm_;
  int dimension_ = 0;
  Index count_{};
  std::array<std::vector<PetscInt>, max_dimension> parts_; ///< cells of every part of an axis
  std::array<int, max_dimension> part_{};                  ///< this rank's
  std::array<bool, max_dimension> periodic_{};
  std::array<int, max_dimension> lower_{};
  std::array<int, max_dimension> upper_{};
  std::array<std::ptrdiff_t, max_dimension> stride_{};
  std::size_t padded_ = 0;
  std::size_t cells_ = 0;
};

/// Fills the ghost cells of padded fields from the neighbours (faces, not corners).
class GhostExchange {
public:
  /// A field has `values` numbers of type `number` (MPI_DOUBLE, MPI_FLOAT) per cell. Local.
  GhostExchange(const PaddedBlock& block, MPI_Datatype number, int values);
  GhostExchange(const GhostExchange&) = delete;
  GhostExchange(GhostExchange&& other) noexcept;
  GhostExchange& operator=(const GhostExchange&) = delete;
  GhostExchange& operator=(GhostExchange&&) = delete;
  ~GhostExchange();
  /// On all axes, or on axis k alone. Collective over the ranks that own cells.
  void operator()(void* field) const { exchange(field, 0, dimension_); }
  void operator()(void* field, int k) const { exchange(field, k, k + 1); }

private:
  void exchange(void* field, int from, int to) const;
  struct Face {
    int rank = MPI_PROC_NULL;
    MPI_Datatype inside = MPI_DATATYPE_NULL; ///< owned cells the neighbour needs
    MPI_Datatype ghosts = MPI_DATATYPE_NULL; ///< ghost cells it fills
  };
  MPI_Comm comm_;
  int dimension_ = 0;
  std::vector<std::array<Face, 2>> faces_;
};

} // namespace komori::spaces
