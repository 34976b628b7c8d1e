#include "spaces/grid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/indices.hpp"

namespace komori::spaces {
namespace {

using base::check;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// Faces between blocks when axis k is shared by parts[k] ranks; those across `whole` count more
/// than all others.
double cut_faces(std::span<const Axis> axes, const std::array<int, max_dimension>& parts,
                 std::optional<int> whole) {
  double total = 1;
  for (const Axis& axis : axes) total *= static_cast<double>(axis.cells());
  double faces = 0;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    if (parts[k] == 1) continue;
    const int cuts = axes[k].periodic() ? parts[k] : parts[k] - 1;
    const double weight = whole == static_cast<int>(k) ? 1e9 : 1;
    faces += weight * cuts * total / static_cast<double>(axes[k].cells());
  }
  return faces;
}

/// Tries every way to write `ranks` as a product over the axes from `k` on.
void search(std::span<const Axis> axes, std::optional<int> whole, std::size_t k, int ranks,
            std::array<int, max_dimension>& parts, std::array<int, max_dimension>& best,
            double& best_faces) {
  if (k == std::min(axes.size(), parts.size())) {
    if (ranks != 1) return;
    const double faces = cut_faces(axes, parts, whole);
    if (faces < best_faces) {
      best_faces = faces;
      best = parts;
    }
    return;
  }
  for (int p = ranks; p >= 1; --p) {
    if (ranks % p != 0 || p > axes[k].cells()) continue;
    parts[k] = p;
    search(axes, whole, k + 1, ranks / p, parts, best, best_faces);
  }
}

} // namespace

std::array<int, max_dimension> process_grid(std::span<const Axis> axes, int ranks,
                                            std::optional<int> whole) {
  std::array<int, max_dimension> parts{};
  std::array<int, max_dimension> best{};
  parts.fill(1);
  best.fill(1);
  for (int used = ranks; used > 1; --used) {
    double faces = std::numeric_limits<double>::infinity();
    search(axes, whole, 0, used, parts, best, faces);
    if (std::isfinite(faces)) break;
  }
  return best;
}

Grid::Grid(MPI_Comm comm, std::vector<Axis> axes, std::optional<int> whole)
    : comm_(comm), axes_(std::move(axes)), whole_(whole) {
  int size = 1;
  MPI_Comm_rank(comm, &rank_);
  MPI_Comm_size(comm, &size);
  double cells = 1;
  for (const Axis& axis : axes_) cells *= static_cast<double>(axis.cells());
  base::require_countable(cells, "the grid has", "cells", "fewer cells");
  cells_ = static_cast<PetscInt>(cells);
  ranks_ = process_grid(axes_, size, whole_);
  offsets_.push_back(0);
  for (int r = 0; r < size; ++r) {
    const Block block = block_of(r);
    PetscInt count = 1;
    for (int k = 0; k < dimension(); ++k) count *= block.count[at(k)];
    offsets_.push_back(offsets_.back() + count);
  }
  block_ = block_of(rank_);
  local_cells_ = offsets_[at(rank_ + 1)] - offsets_[at(rank_)];
}

std::vector<std::string> Grid::names() const {
  std::vector<std::string> names;
  for (const Axis& axis : axes_) names.push_back(axis.name());
  return names;
}

bool Grid::has(Boundary boundary) const {
  return std::any_of(axes_.begin(), axes_.end(), [&](const Axis& axis) {
    return axis.lower() == boundary || axis.upper() == boundary;
  });
}

PetscInt Grid::part_start(int k, int part) const {
  const auto cells = static_cast<std::int64_t>(axis(k).cells());
  return static_cast<PetscInt>(cells * part / ranks_[at(k)]);
}

int Grid::part_of(int k, PetscInt i) const {
  const auto cells = static_cast<std::int64_t>(axis(k).cells());
  return static_cast<int>(((static_cast<std::int64_t>(i) + 1) * ranks_[at(k)] - 1) / cells);
}

Block Grid::block_of(int rank) const {
  Block block;
  int active = 1;
  for (int k = 0; k < dimension(); ++k) active *= ranks_[at(k)];
  if (rank >= active) return block;
  for (int k = dimension() - 1; k >= 0; --k) {
    const int part = rank % ranks_[at(k)];
    rank /= ranks_[at(k)];
    block.start[at(k)] = part_start(k, part);
    block.count[at(k)] = part_start(k, part + 1) - block.start[at(k)];
  }
  return block;
}

PetscInt Grid::number(const Index& cell) const {
  int owner = 0;
  PetscInt local = 0;
  for (int k = 0; k < dimension(); ++k) {
    const int part = part_of(k, cell[at(k)]);
    const PetscInt start = part_start(k, part);
    owner = owner * ranks_[at(k)] + part;
    local = local * (part_start(k, part + 1) - start) + (cell[at(k)] - start);
  }
  return offsets_[at(owner)] + local;
}

Index Grid::cell(PetscInt number) const {
  const auto above = std::upper_bound(offsets_.begin(), offsets_.end(), number);
  const int owner = static_cast<int>(above - offsets_.begin()) - 1;
  const Block block = block_of(owner);
  PetscInt local = number - offsets_[at(owner)];
  Index cell{};
  for (int k = dimension() - 1; k >= 0; --k) {
    cell[at(k)] = block.start[at(k)] + local % block.count[at(k)];
    local /= block.count[at(k)];
  }
  return cell;
}

std::int64_t Grid::natural(const Index& cell) const {
  std::int64_t position = 0;
  for (int k = 0; k < dimension(); ++k) position = position * axis(k).cells() + cell[at(k)];
  return position;
}

double Grid::volume(const Index& cell) const {
  double volume = 1;
  for (int k = 0; k < dimension(); ++k) volume *= axis(k).width(cell[at(k)]);
  return volume;
}

void Grid::center(const Index& cell, std::span<double> x) const {
  for (int k = 0; k < dimension(); ++k) x[at(k)] = axis(k).center(cell[at(k)]);
}

base::UniqueVec Grid::vector() const {
  base::UniqueVec vec;
  check(VecCreate(comm_, vec.put()));
  check(VecSetSizes(vec.get(), local_cells_, cells_));
  check(VecSetFromOptions(vec.get()));
  check(VecSet(vec.get(), 0));
  return vec;
}

base::UniqueVec Grid::sampled(const std::function<double(std::span<const double>)>& value) const {
  base::UniqueVec vec = vector();
  const base::WriteArray entries(vec.get());
  std::array<double, max_dimension> x{};
  const std::span<double> point(x.data(), axes_.size());
  for_each_cell([&](PetscInt local, const Index& cell) {
    center(cell, point);
    entries[static_cast<std::size_t>(local)] = value(point);
  });
  return vec;
}

base::UniqueVec Grid::volumes() const {
  base::UniqueVec vec = vector();
  const base::WriteArray entries(vec.get());
  for_each_cell([&](PetscInt local, const Index& cell) {
    entries[static_cast<std::size_t>(local)] = volume(cell);
  });
  return vec;
}

double Grid::interpolate(Vec field, std::span<const double> point) const {
  std::array<std::array<std::pair<PetscInt, double>, 2>, max_dimension> ends{};
  for (int k = 0; k < dimension(); ++k) {
    const std::optional<PetscInt> found = axis(k).find(point[at(k)]);
    if (!found) {
      throw base::InputError(
          fmt::format("the point {} lies outside the grid", place_text(*this, point)));
    }
    const PetscInt i = *found;
    const double offset = point[at(k)] - axis(k).center(i);
    const PetscInt neighbour = axis(k).wrapped(offset < 0 ? i - 1 : i + 1);
    double weight = 0;
    if (axis(k).contains(neighbour)) {
      weight = std::abs(offset) / (0.5 * (axis(k).width(i) + axis(k).width(neighbour)));
    }
    ends[at(k)] = {{{i, 1 - weight}, {weight > 0 ? neighbour : i, weight}}};
  }
  const base::ReadArray entries(field);
  double value = 0;
  for (unsigned corner = 0; corner < 1U << dimension(); ++corner) {
    Index cell{};
    double weight = 1;
    for (int k = 0; k < dimension(); ++k) {
      const auto& [i, w] = ends[at(k)][corner >> k & 1U];
      cell[at(k)] = i;
      weight *= w;
    }
    const PetscInt local = number(cell) - first();
    if (weight != 0 && local >= 0 && local < local_cells_) {
      value += weight * entries[static_cast<std::size_t>(local)];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, comm_);
  return value;
}

io::Slab Grid::slab() const {
  io::Slab slab;
  for (int k = 0; k < dimension(); ++k) {
    slab.shape.push_back(static_cast<hsize_t>(axis(k).cells()));
    slab.start.push_back(static_cast<hsize_t>(block_.start[at(k)]));
    slab.count.push_back(static_cast<hsize_t>(block_.count[at(k)]));
  }
  return slab;
}

Grid Grid::coarsened(double factor, PetscInt floor) const {
  std::vector<Axis> coarse;
  for (const Axis& axis : axes_) {
    const auto wanted =
        static_cast<PetscInt>(std::lround(static_cast<double>(axis.cells()) / factor));
    const PetscInt least = std::min(floor, axis.cells());
    coarse.push_back(axis.resampled(std::max(wanted, least)));
  }
  return {comm_, std::move(coarse), whole_};
}

void require(const Grid& grid, const Field& value, const std::function<bool(double)>& holds,
             const std::string& problem) {
  constexpr auto none = std::numeric_limits<std::int64_t>::max();
  std::int64_t first = none;
  std::array<double, max_dimension> x{};
  const std::span<double> point(x.data(), at(grid.dimension()));
  grid.for_each_cell([&](PetscInt, const Index& cell) {
    grid.center(cell, point);
    if (!holds(value(point))) first = std::min(first, grid.natural(cell));
  });
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT64_T, MPI_MIN, grid.comm());
  if (first == none) return;
  Index cell{};
  for (int k = grid.dimension() - 1; k >= 0; --k) {
    cell[at(k)] = static_cast<PetscInt>(first % grid.axis(k).cells());
    first /= grid.axis(k).cells();
  }
  grid.center(cell, point);
  throw base::InputError(
      fmt::format("{} (it is {:.6g}) at {}", problem, value(point), place_text(grid, point)));
}

void require_finite(const Grid& grid, const Field& value, const std::string& name) {
  require(
      grid, value, [](double v) { return std::isfinite(v); }, name + " is not finite");
}

std::string place_text(const Grid& grid, std::span<const double> x) {
  std::string text;
  for (int k = 0; k < grid.dimension(); ++k) {
    text += fmt::format("{}{} = {:.6g}", k ? ", " : "", grid.axis(k).name(), x[at(k)]);
  }
  return text;
}

} // namespace komori::spaces
