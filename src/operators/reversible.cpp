#include "operators/reversible.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "base/error.hpp"
#include "linalg/solver.hpp"

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

/// The concave function of u = ln q, its gradient, and minus its Hessian.
class Dual {
public:
  /// `sums`: of the rows of the counts.
  Dual(Rows& rows, Mat both, Vec sums)
      : rows_(rows), sums_(sums), gradient_(base::duplicate(sums)) {
    check(MatGetOwnershipRange(both, &first_, nullptr));
    PetscInt size = 0;
    PetscInt local = 0;
    check(MatGetSize(both, &size, nullptr));
    check(MatGetLocalSize(both, &local, nullptr));
    std::vector<PetscInt> from;
    std::vector<PetscInt> to;
    for (PetscInt i = 0; i < local; ++i) {
      const auto row = static_cast<std::size_t>(i);
      for (std::size_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k) {
        from.push_back(first_ + i);
        to.push_back(rows.global[k]);
      }
      from.push_back(first_ + i);
      to.push_back(first_ + i);
    }
    entries_.resize(from.size());
    check(MatCreate(PetscObjectComm(reinterpret_cast<PetscObject>(both)), laplacian_.put()));
    check(MatSetSizes(laplacian_.get(), local, local, size, size));
    check(MatSetType(laplacian_.get(), MATAIJ));
    check(MatSetPreallocationCOO(laplacian_.get(), static_cast<PetscCount>(from.size()),
                                 from.data(), to.data()));
    check(MatSetOption(laplacian_.get(), MAT_SYMMETRIC, PETSC_TRUE));
    PetscReal most = 0;
    check(VecMax(sums, &ground_, &most));
  }

  Mat laplacian() const { return laplacian_.get(); }
  Vec gradient() const { return gradient_.get(); }
  MPI_Comm comm() const { return PetscObjectComm(reinterpret_cast<PetscObject>(sums_)); }

  /// Collective.
  double value(Vec u) {
    const base::ReadArray theirs(rows_.fetch(u));
    const base::ReadArray mine(u);
    const base::ReadArray c(sums_);
    double sum = 0;
    for (std::size_t i = 0; i < mine.size(); ++i) {
      sum += c[i] * mine[i];
      for (std::size_t k = rows_.starts[i]; k < rows_.starts[i + 1]; ++k) {
        const double other = theirs[rows_.places[k]];
        const double larger = std::max(mine[i], other);
        const double logarithm = larger + std::log1p(std::exp(-std::abs(mine[i] - other)));
        sum -= 0.5 * rows_.values[k] * logarithm;
      }
    }
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, comm());
    return sum;
  }

  /// Gradient and Laplacian at u. Only differences of u count: the largest state stays where it is.
  /// Collective.
  void differentiate(Vec u) {
    const base::ReadArray theirs(rows_.fetch(u));
    const base::ReadArray mine(u);
    const base::ReadArray c(sums_);
    const base::WriteArray slope(gradient_.get());
    std::size_t at = 0;
    for (std::size_t i = 0; i < mine.size(); ++i) {
      slope[i] = c[i];
      double diagonal = 0;
      for (std::size_t k = rows_.starts[i]; k < rows_.starts[i + 1]; ++k) {
        const double share = 1 / (1 + std::exp(theirs[rows_.places[k]] - mine[i]));
        slope[i] -= rows_.values[k] * share;
        const bool itself = rows_.global[k] == first_ + static_cast<PetscInt>(i);
        const double weight = itself ? 0 : rows_.values[k] * share * (1 - share);
        entries_[at++] = -weight;
        diagonal += weight;
      }
      if (diagonal == 0) diagonal = 1; // a state of its own: its slope is 0
      const bool ground = first_ + static_cast<PetscInt>(i) == ground_;
      entries_[at++] = ground ? 2 * diagonal : diagonal;
    }
    check(MatSetValuesCOO(laplacian_.get(), entries_.data(), INSERT_VALUES));
  }

private:
  Rows& rows_;
  Vec sums_;
  base::UniqueVec gradient_;
  base::UniqueMat laplacian_;
  std::vector<PetscScalar> entries_;
  PetscInt first_ = 0;
  PetscInt ground_ = 0;
};

/// Takes u to the maximum.
void maximise(Dual& dual, Vec u, double tolerance) {
  constexpr int most_steps = 100;
  constexpr PetscInt most_factorised = 50'000;
  PetscInt size = 0;
  check(VecGetSize(u, &size));
  const auto method = size <= most_factorised ? linalg::Method::direct : linalg::Method::iterative;
  dual.differentiate(u); // the solver looks at the matrix
  linalg::LinearSolver solver(dual.laplacian(), linalg::Kind::positive_definite, method, 1e-10,
                              "counts_");
  const base::UniqueVec step = base::duplicate(u);
  const base::UniqueVec next = base::duplicate(u);
  double before = std::numeric_limits<double>::infinity();
  for (int count = 0; count < most_steps; ++count) {
    solver.solve(dual.gradient(), step.get());
    PetscReal moved = 0;
    check(VecNorm(step.get(), NORM_INFINITY, &moved));
    double length = 1;
    constexpr double surely_inside = 0.1; // Newton's step is good where it is as short as that
    if (moved > surely_inside) {
      const double rise = base::dot(dual.gradient(), step.get());
      const double here = dual.value(u);
      for (; length > 1e-6; length /= 2) {
        check(VecWAXPY(next.get(), length, step.get(), u));
        if (dual.value(next.get()) >= here + 1e-4 * length * rise) break;
      }
    }
    check(VecAXPY(u, length, step.get()));
    constexpr double small = 1e-6; // from where on steps square, unless rounding stops them
    if (moved <= tolerance || (moved <= small && moved > 0.5 * before)) return;
    before = moved;
    dual.differentiate(u);
  }
  throw base::ConvergenceError(fmt::format(
      "the reversible estimate still moves by {:.1e} after {} steps of Newton's method; "
      "set 'counts.estimator: plain', or use fewer cells",
      before, most_steps));
}

} // namespace

base::UniqueMat reversible_estimate(Mat counts, Mat transposed, double tolerance) {
  base::UniqueMat both;
  check(MatDuplicate(transposed, MAT_COPY_VALUES, both.put()));
  check(MatAXPY(both.get(), 1, counts, DIFFERENT_NONZERO_PATTERN));
  Rows rows(both.get());
  base::UniqueVec left;
  check(MatCreateVecs(counts, nullptr, left.put()));
  check(MatGetRowSum(counts, left.get()));
  const base::UniqueVec rate = base::duplicate(left.get()); // u, then q
  check(MatGetRowSum(both.get(), rate.get()));
  {
    // As if visits were the stationary masses.
    const base::ReadArray c(left.get());
    const base::WriteArray u(rate.get());
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = c[i] > 0 ? std::log(c[i] / u[i]) : 0;
  }
  Dual dual(rows, both.get(), left.get());
  maximise(dual, rate.get(), tolerance);
  check(VecExp(rate.get()));
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
