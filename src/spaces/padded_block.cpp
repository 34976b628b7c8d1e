#include "spaces/padded_block.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace komori::spaces {

PaddedBlock::PaddedBlock(const Grid& grid) : comm_(grid.comm()), dimension_(grid.dimension()) {
  const auto& ranks = grid.ranks_per_axis();
  int rank = 0;
  MPI_Comm_rank(comm_, &rank);
  const bool owns = grid.local_cells() > 0;
  int step = 1; // ranks are numbered as cells are, the last axis fastest
  for (int k = dimension_ - 1; k >= 0; --k) {
    const int parts = ranks[at(k)];
    for (int part = 0; part < parts; ++part) parts_[at(k)].push_back(grid.part_cells(k, part));
    count_[at(k)] = grid.block().count[at(k)];
    part_[at(k)] = rank / step % parts;
    periodic_[at(k)] = grid.axis(k).periodic();
    const auto neighbour = [&](int by) {
      int other = part_[at(k)] + by;
      if (grid.axis(k).periodic()) other = (other + parts) % parts;
      return !owns || other < 0 || other >= parts ? MPI_PROC_NULL
                                                  : rank + (other - part_[at(k)]) * step;
    };
    lower_[at(k)] = neighbour(-1);
    upper_[at(k)] = neighbour(1);
    step *= parts;
  }
  measure();
}

PaddedBlock PaddedBlock::halved(int k) const {
  PaddedBlock half = *this;
  for (PetscInt& cells : half.parts_[at(k)]) cells = (cells + 1) / 2;
  half.count_[at(k)] = (count_[at(k)] + 1) / 2;
  half.measure();
  return half;
}

void PaddedBlock::measure() {
  padded_ = 1;
  cells_ = 1;
  for (int k = dimension_ - 1; k >= 0; --k) {
    stride_[at(k)] = static_cast<std::ptrdiff_t>(padded_);
    padded_ *= static_cast<std::size_t>(count_[at(k)]) + 2;
    cells_ *= static_cast<std::size_t>(count_[at(k)]);
  }
  if (cells_ == 0) padded_ = 0;
}

PetscInt PaddedBlock::total(int k) const {
  return std::accumulate(parts_[at(k)].begin(), parts_[at(k)].end(), PetscInt{0});
}

PetscInt PaddedBlock::before(int k) const {
  return std::accumulate(parts_[at(k)].begin(), parts_[at(k)].begin() + part_[at(k)], PetscInt{0});
}

PetscInt PaddedBlock::largest_part(int k) const {
  return *std::max_element(parts_[at(k)].begin(), parts_[at(k)].end());
}

GhostExchange::GhostExchange(const PaddedBlock& block, MPI_Datatype number, int values)
    : comm_(block.comm()), dimension_(block.dimension()), faces_(block.cells() ? dimension_ : 0) {
  if (faces_.empty()) return;
  MPI_Datatype cell = MPI_DATATYPE_NULL;
  MPI_Type_contiguous(values, number, &cell);
  std::array<int, max_dimension> sizes{};
  for (int k = 0; k < dimension_; ++k) {
    sizes[static_cast<std::size_t>(k)] = static_cast<int>(block.count(k)) + 2;
  }
  for (int k = 0; k < dimension_; ++k) {
    const auto a = static_cast<std::size_t>(k);
    std::array<int, max_dimension> layer{};
    std::array<int, max_dimension> start{};
    for (int j = 0; j < dimension_; ++j) {
      const auto b = static_cast<std::size_t>(j);
      layer[b] = j == k ? 1 : sizes[b] - 2;
      start[b] = 1;
    }
    const auto at_layer = [&](int i) {
      MPI_Datatype type = MPI_DATATYPE_NULL;
      start[a] = i;
      MPI_Type_create_subarray(dimension_, sizes.data(), layer.data(), start.data(), MPI_ORDER_C,
                               cell, &type);
      MPI_Type_commit(&type);
      return type;
    };
    faces_[a][0] = {.rank = block.lower_rank(k), .inside = at_layer(1), .ghosts = at_layer(0)};
    faces_[a][1] = {.rank = block.upper_rank(k),
                    .inside = at_layer(sizes[a] - 2),
                    .ghosts = at_layer(sizes[a] - 1)};
  }
  MPI_Type_free(&cell);
}

GhostExchange::GhostExchange(GhostExchange&& other) noexcept
    : comm_(other.comm_), dimension_(other.dimension_), faces_(std::exchange(other.faces_, {})) {}

GhostExchange::~GhostExchange() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized) return;
  for (auto& ends : faces_) {
    for (Face& face : ends) {
      MPI_Type_free(&face.inside);
      MPI_Type_free(&face.ghosts);
    }
  }
}

void GhostExchange::exchange(void* field, int from, int to) const {
  if (faces_.empty()) return;
  std::array<MPI_Request, 4 * max_dimension> requests{};
  int count = 0;
  const auto next = [&] { return &requests[static_cast<std::size_t>(count++)]; };
  // What travels down carries an even tag: with two parts round a ring both ways meet one rank.
  for (int k = from; k < to; ++k) {
    const auto& [lower, upper] = faces_[static_cast<std::size_t>(k)];
    if (lower.rank != MPI_PROC_NULL) {
      MPI_Irecv(field, 1, lower.ghosts, lower.rank, 2 * k + 1, comm_, next());
    }
    if (upper.rank != MPI_PROC_NULL) {
      MPI_Irecv(field, 1, upper.ghosts, upper.rank, 2 * k, comm_, next());
    }
  }
  for (int k = from; k < to; ++k) {
    const auto& [lower, upper] = faces_[static_cast<std::size_t>(k)];
    if (lower.rank != MPI_PROC_NULL) {
      MPI_Isend(field, 1, lower.inside, lower.rank, 2 * k, comm_, next());
    }
    if (upper.rank != MPI_PROC_NULL) {
      MPI_Isend(field, 1, upper.inside, upper.rank, 2 * k + 1, comm_, next());
    }
  }
  MPI_Waitall(count, requests.data(), MPI_STATUSES_IGNORE);
}

} // namespace komori::spaces
