#include "analyses/solver_checkpoints.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace komori::analyses {
namespace {

constexpr int half_bits = 32;

io::Slab part_of_table(std::int64_t total, std::int64_t start, std::int64_t count,
                       std::size_t width) {
  const auto size = [](std::int64_t n) { return static_cast<hsize_t>(n); };
  return {.shape = {size(total), width},
          .start = {size(start), 0},
          .count = {size(count), count > 0 ? width : 0}};
}

/// Where this rank's rows end among those of all, and how many there are.
std::pair<std::int64_t, std::int64_t> end_and_total(MPI_Comm comm, std::int64_t count) {
  std::int64_t end = 0;
  MPI_Scan(&count, &end, 1, MPI_INT64_T, MPI_SUM, comm);
  std::int64_t total = count;
  MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_INT64_T, MPI_SUM, comm);
  return {end, total};
}

} // namespace

linalg::SolverState OwnedState::view() const {
  linalg::SolverState state{.numbers = numbers};
  for (const base::UniqueVec& vector : vectors) state.vectors.push_back(vector.get());
  return state;
}

void save_state(io::CheckpointWriter& writer, const spaces::Grid& grid, const std::string& name,
                const linalg::SolverState& state) {
  // The first number says how many vectors follow, so that the list is never empty.
  std::vector<double> numbers{static_cast<double>(state.vectors.size())};
  numbers.insert(numbers.end(), state.numbers.begin(), state.numbers.end());
  writer.numbers(name + ".numbers", numbers);
  const io::Slab slab = grid.slab();
  for (std::size_t i = 0; i < state.vectors.size(); ++i) {
    const base::ReadArray entries(state.vectors[i]);
    writer.field(fmt::format("{}.vector{}", name, i), entries.span(), slab);
  }
}

OwnedState load_state(io::CheckpointReader& reader, const spaces::Grid& grid,
                      const std::string& name) {
  OwnedState state{.numbers = reader.numbers(name + ".numbers")};
  const auto count = static_cast<std::size_t>(state.numbers.at(0));
  state.numbers.erase(state.numbers.begin());
  const io::Slab slab = grid.slab();
  for (std::size_t i = 0; i < count; ++i) {
    base::UniqueVec vector = grid.vector();
    const std::vector<double> values = reader.field(fmt::format("{}.vector{}", name, i), slab);
    {
      const base::WriteArray entries(vector.get());
      std::copy(values.begin(), values.end(), entries.span().begin());
    }
    state.vectors.push_back(std::move(vector));
  }
  return state;
}

void save_table(io::CheckpointWriter& writer, MPI_Comm comm, const std::string& name,
                std::span<const double> own, std::size_t width) {
  const auto count = static_cast<std::int64_t>(own.size() / width);
  const auto [end, total] = end_and_total(comm, count);
  writer.numbers(name + ".size", {static_cast<double>(total)});
  if (total > 0) writer.field(name, own, part_of_table(total, end - count, count, width));
}

std::vector<double> load_table(io::CheckpointReader& reader, MPI_Comm comm, const std::string& name,
                               std::size_t width, std::optional<std::int64_t> rows) {
  const auto total = static_cast<std::int64_t>(reader.numbers(name + ".size").at(0));
  if (total == 0) return {};
  if (rows) {
    const std::int64_t end = end_and_total(comm, *rows).first;
    return reader.field(name, part_of_table(total, end - *rows, *rows, width));
  }
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const auto start = [&](std::int64_t r) { return total / ranks * r + std::min(r, total % ranks); };
  const std::int64_t count = start(rank + 1) - start(rank);
  return reader.field(name, part_of_table(total, start(rank), count, width));
}

void save_list(io::CheckpointWriter& writer, MPI_Comm comm, const std::string& name,
               const std::vector<std::int64_t>& own) {
  // A double holds 53 bits.
  std::vector<double> halves;
  halves.reserve(2 * own.size());
  for (const std::int64_t number : own) {
    halves.push_back(static_cast<double>(number >> half_bits));
    halves.push_back(static_cast<double>(number & ((std::int64_t{1} << half_bits) - 1)));
  }
  save_table(writer, comm, name, halves, 2);
}

std::vector<std::int64_t> load_list(io::CheckpointReader& reader, MPI_Comm comm,
                                    const std::string& name) {
  std::vector<std::int64_t> list;
  const std::vector<double> halves = load_table(reader, comm, name, 2);
  for (std::size_t i = 0; i < halves.size(); i += 2) {
    list.push_back((static_cast<std::int64_t>(halves[i]) << half_bits) +
                   static_cast<std::int64_t>(halves[i + 1]));
  }
  return list;
}

SavedSolver::SavedSolver(io::Checkpoints* checkpoints, const spaces::Grid& grid, std::string phase)
    : checkpoints_(checkpoints), grid_(grid), phase_(std::move(phase)) {
  if (!checkpoints_) return;
  resumes_ = checkpoints_->restore(phase_, [&](io::CheckpointReader& reader) {
    state_ = load_state(reader, grid_, "solver");
    view_ = state_.view();
  });
}

linalg::Continuation SavedSolver::continuation() const {
  linalg::Continuation result;
  if (!checkpoints_) return result;
  if (resumes_) result.from = &view_;
  result.step = [this](const std::function<linalg::SolverState()>& state) {
    checkpoints_->step(phase_, [&](io::CheckpointWriter& writer) {
      save_state(writer, grid_, "solver", state());
    });
  };
  return result;
}

} // namespace komori::analyses
