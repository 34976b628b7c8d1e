/// A tensor grid of any dimension up to six, cut into Cartesian blocks, one per rank.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mpi.h>

#include "base/petsc.hpp"
#include "io/result_file.hpp"
#include "spaces/axis.hpp"

namespace komori::spaces {

inline constexpr int max_dimension = 6;
/// A cell by its index on every axis.
using Index = std::array<PetscInt, max_dimension>;

/// The cells of one rank: start[k] <= i_k < start[k] + count[k].
struct Block {
  Index start{};
  Index count{};
};

/// How many ranks share each axis. `ranks` may exceed their product; the rest own nothing.
/// Minimises the number of faces between blocks; no axis gets more ranks than cells. The axis
/// `whole`, if any, is shared only where the others have too few cells. Local.
std::array<int, max_dimension> process_grid(std::span<const Axis> axes, int ranks,
                                            std::optional<int> whole = {});

/// Cells are numbered contiguously per rank, within a block in natural order (last axis fastest).
class Grid {
public:
  /// Collective. Throws MemoryError when the cells exceed what `PetscInt` can number.
  Grid(MPI_Comm comm, std::vector<Axis> axes, std::optional<int> whole = {});

  MPI_Comm comm() const noexcept { return comm_; }
  int dimension() const noexcept { return static_cast<int>(axes_.size()); }
  const Axis& axis(int k) const { return axes_[static_cast<std::size_t>(k)]; }
  std::span<const Axis> axes() const noexcept { return axes_; }
  std::vector<std::string> names() const;
  /// Cells of the whole grid, of this rank, and the number of this rank's first cell.
  PetscInt cells() const noexcept { return cells_; }
  PetscInt local_cells() const noexcept { return local_cells_; }
  PetscInt first() const noexcept { return offsets_[static_cast<std::size_t>(rank_)]; }
  const Block& block() const noexcept { return block_; }
  const std::array<int, max_dimension>& ranks_per_axis() const noexcept { return ranks_; }
  /// Cells of one part of axis k, 0 <= part < ranks_per_axis()[k].
  PetscInt part_cells(int k, int part) const {
    return part_start(k, part + 1) - part_start(k, part);
  }
  bool has(Boundary boundary) const;

  /// The number of any cell of the grid, whoever owns it.
  PetscInt number(const Index& cell) const;
  /// The cell of a number, whoever owns it.
  Index cell(PetscInt number) const;
  /// Position of a cell in the natural order of the whole grid; independent of the ranks.
  std::int64_t natural(const Index& cell) const;
  double volume(const Index& cell) const;
  void center(const Index& cell, std::span<double> x) const;

  /// Calls `visit(local number, cell)` for every cell of this rank in order. Local.
  template <class Visit> void for_each_cell(Visit&& visit) const {
    Index cell = block_.start;
    for (PetscInt local = 0; local < local_cells_; ++local) {
      visit(local, cell);
      advance(cell);
    }
  }

  /// A vector of one value per cell, zero. Its type follows -vec_type. Collective.
  base::UniqueVec vector() const;
  /// A vector filled by `value(cell centre)`. Collective.
  base::UniqueVec sampled(const std::function<double(std::span<const double>)>& value) const;
  /// The volume of every cell. Collective.
  base::UniqueVec volumes() const;
  /// The value of a cell field at a point by multilinear interpolation between cell centres;
  /// constant from the last centre to a wall. Throws InputError when the point lies outside.
  /// Collective.
  double interpolate(Vec field, std::span<const double> point) const;

  /// This rank's part of a dataset of shape [cells of axis 0, ...].
  io::Slab slab() const;
  /// The grid with about `factor` times fewer cells on every axis (at least `floor` remain).
  Grid coarsened(double factor, PetscInt floor) const;

private:
  void advance(Index& cell) const {
    for (int k = dimension() - 1; k >= 0; --k) {
      const auto a = static_cast<std::size_t>(k);
      if (++cell[a] < block_.start[a] + block_.count[a]) return;
      cell[a] = block_.start[a];
    }
  }
  PetscInt part_start(int k, int part) const;
  int part_of(int k, PetscInt i) const;
  Block block_of(int rank) const;

  MPI_Comm comm_;
  int rank_ = 0;
  std::vector<Axis> axes_;
  std::optional<int> whole_;
  std::array<int, max_dimension> ranks_{};
  std::vector<PetscInt> offsets_; ///< first number of every rank, and the total
  Block block_;
  PetscInt cells_ = 0;
  PetscInt local_cells_ = 0;
};

/// A function of a place, e.g. a formula.
using Field = std::function<double(std::span<const double>)>;

/// Throws InputError "<problem> (it is <value>) at <place>" that names the first cell centre, in
/// natural order, where `holds(value)` is false. Collective.
void require(const Grid& grid, const Field& value, const std::function<bool(double)>& holds,
             const std::string& problem);
/// `require` for finite values; `name` is the key the formula stands under. Collective.
void require_finite(const Grid& grid, const Field& value, const std::string& name);

/// "x = 0.25, y = -1".
std::string place_text(const Grid& grid, std::span<const double> x);

} // namespace komori::spaces
