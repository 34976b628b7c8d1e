#include "operators/separate_parts.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace komori::operators {
namespace {

using base::check;

/// Sets of numbers 0, 1, ... that grow together (Tarjan, J. ACM 22, 1975).
class Union {
public:
  explicit Union(std::size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  std::size_t root(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) { parent_[root(a)] = root(b); }

private:
  std::vector<std::size_t> parent_;
};

/// Calls visit(row, column) for all entries != 0 of this rank's rows.
template <class Visit> void for_each_entry(Mat matrix, const Visit& visit) {
  PetscInt first = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(matrix, &first, &end));
  for (PetscInt row = first; row < end; ++row) {
    PetscInt count = 0;
    const PetscInt* columns = nullptr;
    const PetscScalar* values = nullptr;
    check(MatGetRow(matrix, row, &count, &columns, &values));
    for (PetscInt i = 0; i < count; ++i) {
      if (values[i] != 0) visit(row, columns[i]);
    }
    check(MatRestoreRow(matrix, row, &count, &columns, &values));
  }
}

/// Columns of this rank's rows that other ranks own, ascending.
std::vector<PetscInt> others_of(Mat matrix, PetscInt first, PetscInt end) {
  std::vector<PetscInt> others;
  for_each_entry(matrix, [&](PetscInt, PetscInt column) {
    if (column < first || column >= end) others.push_back(column);
  });
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  return others;
}

} // namespace

std::optional<SeparateParts> separate_parts(Mat matrix, std::span<const double> names) {
  constexpr int most_rounds = 1000;
  MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(matrix));
  PetscInt first = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(matrix, &first, &end));
  const auto own = static_cast<std::size_t>(end - first);
  const std::vector<PetscInt> others = others_of(matrix, first, end);
  const auto at = [&](PetscInt state) {
    if (state >= first && state < end) return static_cast<std::size_t>(state - first);
    return own + static_cast<std::size_t>(std::lower_bound(others.begin(), others.end(), state) -
                                          others.begin());
  };
  Union joined(own + others.size());
  for_each_entry(matrix, [&](PetscInt row, PetscInt column) { joined.join(at(row), at(column)); });

  SeparateParts parts;
  check(MatCreateVecs(matrix, parts.first.put(), nullptr));
  {
    const base::WriteArray values(parts.first.get());
    std::copy(names.begin(), names.end(), values.span().begin());
  }
  base::UniqueIs set;
  check(ISCreateGeneral(PETSC_COMM_SELF, static_cast<PetscInt>(others.size()), others.data(),
                        PETSC_COPY_VALUES, set.put()));
  base::UniqueVec theirs;
  check(VecCreateSeq(PETSC_COMM_SELF, static_cast<PetscInt>(others.size()), theirs.put()));
  base::UniqueScatter scatter;
  check(VecScatterCreate(parts.first.get(), set.get(), theirs.get(), nullptr, scatter.put()));
  int moving = 1;
  for (int round = 0; moving != 0; ++round) {
    if (round == most_rounds) return {};
    check(VecScatterBegin(scatter.get(), parts.first.get(), theirs.get(), INSERT_VALUES,
                          SCATTER_FORWARD));
    check(VecScatterEnd(scatter.get(), parts.first.get(), theirs.get(), INSERT_VALUES,
                        SCATTER_FORWARD));
    moving = 0;
    {
      const base::WriteArray far(theirs.get());
      const base::WriteArray near(parts.first.get());
      std::vector<double> least(near.span().begin(), near.span().end());
      least.insert(least.end(), far.span().begin(), far.span().end());
      for (std::size_t i = 0; i < least.size(); ++i) {
        double& of_set = least[joined.root(i)];
        of_set = std::min(of_set, least[i]);
      }
      for (std::size_t i = 0; i < least.size(); ++i) {
        double& known = i < own ? near[i] : far[i - own];
        const double lowest = least[joined.root(i)];
        if (lowest < known) moving = 1;
        known = lowest;
      }
    }
    check(VecScatterBegin(scatter.get(), theirs.get(), parts.first.get(), MIN_VALUES,
                          SCATTER_REVERSE));
    check(
        VecScatterEnd(scatter.get(), theirs.get(), parts.first.get(), MIN_VALUES, SCATTER_REVERSE));
    MPI_Allreduce(MPI_IN_PLACE, &moving, 1, MPI_INT, MPI_MAX, comm);
  }
  parts.count = 0;
  {
    const base::ReadArray values(parts.first.get());
    for (std::size_t i = 0; i < own; ++i) parts.count += values[i] == names[i] ? 1 : 0;
  }
  MPI_Allreduce(MPI_IN_PLACE, &parts.count, 1, MPI_INT64_T, MPI_SUM, comm);
  return parts;
}

} // namespace komori::operators
