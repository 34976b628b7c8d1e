#include "operators/connectivity.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"

namespace komori::operators {
namespace {

using base::check;

/// Marks this rank's states that `start` leads to, itself included.
std::vector<char> reached_from(Mat matrix, PetscInt start) {
  PetscInt first = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(matrix, &first, &end));
  std::vector<char> seen(static_cast<std::size_t>(end - first), 0);
  std::vector<PetscInt> open;
  base::UniqueVec marks;
  check(MatCreateVecs(matrix, marks.put(), nullptr));
  const auto visit = [&](PetscInt state) {
    char& known = seen[static_cast<std::size_t>(state - first)];
    if (known == 0) open.push_back(state);
    known = 1;
  };
  if (start >= first && start < end) visit(start);
  for (;;) {
    check(VecSet(marks.get(), 0));
    while (!open.empty()) {
      const PetscInt row = open.back();
      open.pop_back();
      PetscInt count = 0;
      const PetscInt* columns = nullptr;
      const PetscScalar* values = nullptr;
      check(MatGetRow(matrix, row, &count, &columns, &values));
      for (PetscInt i = 0; i < count; ++i) {
        if (columns[i] == row || !(values[i] > 0)) continue;
        if (columns[i] >= first && columns[i] < end) {
          visit(columns[i]);
        } else {
          check(VecSetValue(marks.get(), columns[i], 1, INSERT_VALUES));
        }
      }
      check(MatRestoreRow(matrix, row, &count, &columns, &values));
    }
    check(VecAssemblyBegin(marks.get()));
    check(VecAssemblyEnd(marks.get()));
    {
      const base::ReadArray mark(marks.get());
      for (std::size_t i = 0; i < mark.size(); ++i) {
        if (mark[i] > 0) visit(first + static_cast<PetscInt>(i));
      }
    }
    auto found = static_cast<long long>(open.size());
    MPI_Allreduce(MPI_IN_PLACE, &found, 1, MPI_LONG_LONG, MPI_SUM,
                  PetscObjectComm(reinterpret_cast<PetscObject>(matrix)));
    if (found == 0) break;
  }
  return seen;
}

/// One of the states of all ranks where `open` is not 0, as if drawn, or -1 where there is none.
PetscInt any_of(MPI_Comm comm, const std::vector<char>& open, PetscInt first) {
  const base::Random random(1, 0);
  constexpr double none = 2;
  double best = none;
  std::int64_t state = -1;
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (open[i] == 0) continue;
    const std::int64_t number = first + static_cast<std::int64_t>(i);
    const double drawn = random.uniform(static_cast<std::uint64_t>(number));
    if (drawn >= best) continue;
    best = drawn;
    state = number;
  }
  double least = best;
  MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_DOUBLE, MPI_MIN, comm);
  if (best > least) state = -1;
  MPI_Allreduce(MPI_IN_PLACE, &state, 1, MPI_INT64_T, MPI_MAX, comm);
  return static_cast<PetscInt>(state);
}

std::int64_t reached_from_first(Mat matrix) {
  std::int64_t reached = 0;
  for (const char known : reached_from(matrix, 0)) reached += known;
  MPI_Allreduce(MPI_IN_PLACE, &reached, 1, MPI_INT64_T, MPI_SUM,
                PetscObjectComm(reinterpret_cast<PetscObject>(matrix)));
  return reached;
}

} // namespace

Connectivity connectivity(Mat matrix, Mat transposed) {
  PetscInt size = 0;
  check(MatGetSize(matrix, &size, nullptr));
  return {.unreachable = size - reached_from_first(matrix),
          .dead_ends = size - reached_from_first(transposed)};
}

base::UniqueVec largest_connected_set(Mat matrix, Mat transposed, Vec weight) {
  constexpr int most_sets = 1000;
  const base::UniqueVec left = base::duplicate(weight); // weight of states in no set so far
  check(VecCopy(weight, left.get()));
  base::UniqueVec best = base::duplicate(weight);
  check(VecSet(best.get(), 0));
  const base::UniqueVec set = base::duplicate(weight);
  PetscReal most = 0;
  for (int tries = 0; base::sum(left.get()) > most; ++tries) {
    if (tries == most_sets) {
      throw base::InputError(fmt::format("the states fall into more than {} sets that do not lead "
                                         "back to each other; use fewer cells, a shorter lag, or "
                                         "more data",
                                         most_sets));
    }
    PetscInt heaviest = 0;
    PetscReal weight_there = 0;
    check(VecMax(left.get(), &heaviest, &weight_there));
    const std::vector<char> reached = reached_from(matrix, heaviest);
    const std::vector<char> returns = reached_from(transposed, heaviest);
    {
      const base::WriteArray marks(set.get());
      const base::WriteArray remaining(left.get());
      for (std::size_t i = 0; i < marks.size(); ++i) {
        marks[i] = reached[i] != 0 && returns[i] != 0 ? 1 : 0;
        if (marks[i] != 0) remaining[i] = 0;
      }
    }
    const PetscReal holds = base::dot(set.get(), weight);
    if (holds <= most) continue;
    most = holds;
    check(VecCopy(set.get(), best.get()));
  }
  return best;
}

std::optional<std::vector<base::UniqueVec>> closed_sets(Mat matrix, Mat transposed,
                                                        int most_searches) {
  MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(matrix));
  PetscInt first = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(matrix, &first, &end));
  std::vector<base::UniqueVec> sets;
  std::vector<char> open(static_cast<std::size_t>(end - first), 1); // leads to no set so far
  for (PetscInt start = any_of(comm, open, first); start >= 0; start = any_of(comm, open, first)) {
    // Downhill until there is no way but back; of what lies beyond a state drawn from it leaves
    // half on average.
    std::vector<char> reached;
    std::vector<char> returns;
    for (PetscInt next = start; next >= 0;) {
      if (--most_searches < 0) return {};
      reached = reached_from(matrix, next);
      returns = reached_from(transposed, next);
      std::vector<char> beyond = reached;
      for (std::size_t i = 0; i < beyond.size(); ++i) {
        if (returns[i] != 0) beyond[i] = 0;
      }
      next = any_of(comm, beyond, first);
    }
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (returns[i] != 0) open[i] = 0;
    }
    base::UniqueVec set;
    check(MatCreateVecs(matrix, set.put(), nullptr));
    {
      const base::WriteArray marks(set.get());
      for (std::size_t i = 0; i < marks.size(); ++i) marks[i] = reached[i] != 0 ? 1 : 0;
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

} // namespace komori::operators
