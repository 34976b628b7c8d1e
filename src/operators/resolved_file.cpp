/// Partitions of the cells by the coarse sets in a result file.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "config/file_path.hpp"
#include "io/array_file.hpp"
#include "operators/resolved.hpp"

namespace komori::operators {
namespace {

using base::InputError;

/// An array is read as parts x rows x columns; grids of more axes than that have no such reader.
constexpr int most_axes = 3;

/// Cells from `first` to before `end` along each axis.
struct Box {
  std::array<PetscInt, most_axes> first{};
  std::array<PetscInt, most_axes> end{};
};

Box box_of(const spaces::Grid& grid) {
  Box box;
  box.first.fill(std::numeric_limits<PetscInt>::max());
  grid.for_each_cell([&](PetscInt, const spaces::Index& cell) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(grid.dimension()); ++k) {
      box.first[k] = std::min(box.first[k], cell[k]);
      box.end[k] = std::max(box.end[k], cell[k] + 1);
    }
  });
  return box;
}

void require_same_grid(const spaces::Grid& grid, const std::string& path) {
  for (const spaces::Axis& axis : grid.axes()) {
    io::ArrayFile file(path, "/grid_edges/" + axis.name());
    const std::vector<double>& edges = axis.edges();
    bool same =
        file.parts() * file.rows() * file.columns() == static_cast<std::int64_t>(edges.size());
    if (same) {
      std::vector<double> theirs(edges.size());
      file.read(0, 0, file.rows(), theirs);
      for (std::size_t i = 0; i < edges.size(); ++i) {
        same = same && std::abs(theirs[i] - edges[i]) <= 1e-12 * axis.length();
      }
    }
    if (!same) {
      throw InputError(fmt::format("'{}' holds sets on another grid: its cells along '{}' are not "
                                   "those of 'grid.{}'",
                                   path, axis.name(), axis.name()));
    }
  }
}

/// The set of each of this rank's cells. Local.
std::vector<PetscInt> read_parts(const spaces::Grid& grid, const std::string& path) {
  require_same_grid(grid, path);
  io::ArrayFile file(path, "/coarse_sets/assignment");
  const int d = grid.dimension();
  const auto cells = [&](int axis) { return static_cast<std::int64_t>(grid.axis(axis).cells()); };
  const std::int64_t columns = d == 1 ? 1 : cells(d - 1);
  const std::int64_t rows = d == 3 ? cells(1) : cells(0);
  if (file.columns() != columns || file.rows() != rows || file.parts() != (d == 3 ? cells(0) : 1)) {
    throw InputError(fmt::format("'{}': its coarse sets have another shape than the grid", path));
  }
  std::vector<PetscInt> part(static_cast<std::size_t>(grid.local_cells()));
  if (part.empty()) return part;
  const Box box = box_of(grid);
  // One part of the array at a time; rows of this rank, whole.
  const std::size_t row_axis = d == 3 ? 1 : 0;
  const PetscInt first_row = box.first[row_axis];
  const PetscInt count = box.end[row_axis] - first_row;
  std::vector<double> values(static_cast<std::size_t>(count * columns));
  std::int64_t read = -1;
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    const std::int64_t layer = d == 3 ? cell[0] : 0;
    if (layer != read) {
      file.read(layer, first_row, count, values);
      read = layer;
    }
    const std::int64_t column = d == 1 ? 0 : cell[static_cast<std::size_t>(d - 1)];
    const double set =
        values[static_cast<std::size_t>((cell[row_axis] - first_row) * columns + column)];
    if (set < 0) {
      throw InputError(
          fmt::format("'{}': some cells belong to none of its sets, but each must be in "
                      "one; use 'coarse_sets: {{method: gpcca}}'",
                      path));
    }
    if (set != std::floor(set) || set >= static_cast<double>(grid.cells())) {
      throw InputError(
          fmt::format("'{}': a cell's set is {:g}, but must be a number from 0 to that "
                      "of the cells",
                      path, set));
    }
    part[static_cast<std::size_t>(local)] = static_cast<PetscInt>(set);
  });
  return part;
}

} // namespace

std::pair<std::vector<PetscInt>, PetscInt> parts_by_file(const spaces::Grid& grid,
                                                         const ProjectionInput& input) {
  const std::string place = fmt::format("{}: 'projection.from'", input.origin.text());
  if (grid.dimension() > most_axes) {
    throw InputError(fmt::format(
        "{} is for grids of at most {} variables; write 'sets' in its place", place, most_axes));
  }
  std::vector<PetscInt> part;
  std::string problem;
  try {
    part = read_parts(grid, config::sought(input.from, input.origin));
  } catch (const InputError& error) {
    problem = fmt::format("{}: {}", place, error.what());
  }
  problem = base::first_text(grid.comm(), problem);
  if (!problem.empty()) throw InputError(problem);
  PetscInt count = 0;
  for (const PetscInt set : part) count = std::max(count, set + 1);
  MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPIU_INT, MPI_MAX, grid.comm());
  // More sets than this would be no coarse ones, and every rank counts their members.
  constexpr PetscInt most_sets = 10'000;
  if (count > most_sets) {
    throw InputError(fmt::format("{}: '{}' holds {} sets, but there may be {} at most", place,
                                 input.from, count, most_sets));
  }
  std::vector<std::int64_t> members(static_cast<std::size_t>(count), 0);
  for (const PetscInt set : part) ++members[static_cast<std::size_t>(set)];
  MPI_Allreduce(MPI_IN_PLACE, members.data(), static_cast<int>(count), MPI_INT64_T, MPI_SUM,
                grid.comm());
  const auto empty = std::find(members.begin(), members.end(), 0);
  if (empty != members.end()) {
    throw InputError(fmt::format("{}: set {} in '{}' holds no cell", place, empty - members.begin(),
                                 input.from));
  }
  return {std::move(part), count};
}

} // namespace komori::operators
