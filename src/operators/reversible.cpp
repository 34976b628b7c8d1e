#include "operators/reversible.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::operators {
namespace {

using base::check;

/// Rows of a distributed matrix in compressed form, with the values of a vector that they ask for.
class Rows {
public:
  explicit Rows(Mat matrix) {
    PetscInt first = 0;
    PetscInt end = 0;
    check(MatGetOwnershipRange(matrix, &first, &end));
    std::vector<PetscInt> needed;
    for (PetscInt row = first; row < end; ++row) {
      PetscInt count = 0;
      const PetscInt* columns = nullptr;
      const PetscScalar* values = nullptr;
      check(MatGetRow(matrix, row, &count, &columns, &values));
      for (PetscInt k = 0; k < count; ++k) {
        if (values[k] == 0) continue;
        needed.push_back(columns[k]);
        this->values.push_back(values[k]);
      }
      check(MatRestoreRow(matrix, row, &count, &columns, &values));
      starts.push_back(needed.size());
    }
    global = needed;
    std::sort(needed.begin(), needed.end());
    needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
    for (const PetscInt column : global) {
      places.push_back(static_cast<std::size_t>(
          std::lower_bound(needed.begin(), needed.end(), column) - needed.begin()));
    }
    const auto count = static_cast<PetscInt>(needed.size());
    check(VecCreateSeq(PETSC_COMM_SELF, count, ghosts_.put()));
    base::UniqueIs set;
    check(ISCreateGeneral(PETSC_COMM_SELF, count, needed.data(), PETSC_COPY_VALUES, set.put()));
    base::UniqueVec like;
    check(MatCreateVecs(matrix, like.put(), nullptr));
    check(VecScatterCreate(like.get(), set.get(), ghosts_.get(), nullptr, scatter_.put()));
  }

  /// The entries that the rows' `places` point at. Collective.
  Vec fetch(Vec field) {
    check(VecScatterBegin(scatter_.get(), field, ghosts_.get(), INSERT_VALUES, SCATTER_FORWARD));
    check(VecScatterEnd(scatter_.get(), field, ghosts_.get(), INSERT_VALUES, SCATTER_FORWARD));
    return ghosts_.get();
  }

  std::vector<std::size_t> starts{0};
  std::vector<PetscInt> global; ///< columns
  std::vector<std::size_t> places;
  std::vector<PetscScalar> values;

private:
  base::UniqueVec ghosts_;
  base::UniqueScatter scatter_;
};

} // namespace

base::UniqueMat reversible_estimate(Mat counts, Mat transposed, double tolerance) {
  constexpr int most = 200'000;
  base::UniqueMat both;
  check(MatDuplicate(transposed, MAT_COPY_VALUES, both.put()));
  check(MatAXPY(both.get(), 1, counts, DIFFERENT_NONZERO_PATTERN));
  Rows rows(both.get());
  base::UniqueVec left;
  check(MatCreateVecs(counts, nullptr, left.put()));
  check(MatGetRowSum(counts, left.get()));
  const base::UniqueVec mass = base::duplicate(left.get());
  check(MatGetRowSum(both.get(), mass.get()));
  const base::UniqueVec rate = base::duplicate(left.get()); // c_i / x_i
  const MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(counts));
  double before = 0;
  for (int step = 1;; ++step) {
    {
      const base::ReadArray c(left.get());
      const base::ReadArray x(mass.get());
      const base::WriteArray q(rate.get());
      for (std::size_t i = 0; i < q.size(); ++i) q[i] = x[i] > 0 ? c[i] / x[i] : 0;
    }
    std::array<double, 2> sums{0, 0}; // moved, all
    {
      const base::ReadArray theirs(rows.fetch(rate.get()));
      const base::ReadArray mine(rate.get());
      const base::WriteArray x(mass.get());
      for (std::size_t i = 0; i < x.size(); ++i) {
        double sum = 0;
        for (std::size_t k = rows.starts[i]; k < rows.starts[i + 1]; ++k) {
          sum += rows.values[k] / (mine[i] + theirs[rows.places[k]]);
        }
        sums[0] += std::abs(sum - x[i]);
        sums[1] += sum;
        x[i] = sum;
      }
    }
    MPI_Allreduce(MPI_IN_PLACE, sums.data(), 2, MPI_DOUBLE, MPI_SUM, comm);
    // Steps shrink by a ratio; what is left to go is the sum of those to come.
    const double ratio = before > 0 ? std::min(sums[0] / before, 1.0) : 1;
    before = sums[0];
    if (sums[0] <= 1e-15 * sums[1]) break;
    if (ratio < 1 && sums[0] * ratio / (1 - ratio) <= tolerance * sums[1]) break;
    if (step == most) {
      throw base::ConvergenceError(
          fmt::format("the reversible estimate still moves {:.1e} of all mass after {} steps; set "
                      "'counts.estimator: plain', or use fewer cells",
                      sums[0] / sums[1], most));
    }
  }
  const base::ReadArray theirs(rows.fetch(rate.get()));
  const base::ReadArray mine(rate.get());
  PetscInt first = 0;
  check(MatGetOwnershipRange(both.get(), &first, nullptr));
  check(MatZeroEntries(both.get()));
  std::vector<PetscScalar> row;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    row.clear();
    double sum = 0;
    for (std::size_t k = rows.starts[i]; k < rows.starts[i + 1]; ++k) {
      row.push_back(rows.values[k] / (mine[i] + theirs[rows.places[k]]));
      sum += row.back();
    }
    for (PetscScalar& value : row) value /= sum;
    const auto number = first + static_cast<PetscInt>(i);
    check(MatSetValues(both.get(), 1, &number, static_cast<PetscInt>(row.size()),
                       rows.global.data() + rows.starts[i], row.data(), INSERT_VALUES));
  }
  check(MatAssemblyBegin(both.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(both.get(), MAT_FINAL_ASSEMBLY));
  return both;
}

} // namespace komori::operators
