#include "operators/connectivity.hpp"

#include <vector>

#include "base/petsc.hpp"

namespace komori::operators {
namespace {

using base::check;

/// How many states the first one leads to, itself included.
std::int64_t reached_from_first(Mat matrix) {
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
  if (first == 0 && end > 0) visit(0);
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
  std::int64_t reached = 0;
  for (const char known : seen) reached += known;
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

} // namespace komori::operators
