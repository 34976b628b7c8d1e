#include "linalg/singular.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include <Eigen/SVD>
#include <fmt/format.h>
#include <slepcsvd.h>

#include "base/signals.hpp"
#include "linalg/random_vector.hpp"
#include "linalg/shell.hpp"
#include "linalg/solver.hpp"

namespace komori::linalg {
namespace {

using base::check;
using UniqueSvd = base::Handle<SVD, SVDDestroy>;

PetscErrorCode monitor(SVD svd, PetscInt its, PetscInt converged, PetscReal*, PetscReal* errors,
                       PetscInt estimates, void* context) {
  return base::guarded([&] {
    PetscInt wanted = 0;
    check(SVDGetDimensions(svd, &wanted, nullptr, nullptr));
    PetscReal worst = 0;
    for (PetscInt i = converged; i < std::min(wanted, estimates); ++i) {
      worst = std::max(worst, errors[i]);
    }
    static_cast<base::Log*>(context)->iteration("Lanczos", static_cast<int>(its),
                                                static_cast<int>(converged), worst);
    base::stop_if_asked(PetscObjectComm(reinterpret_cast<PetscObject>(svd)),
                        "no result was written");
  });
}

void project_out(const std::vector<base::UniqueVec>& basis, Vec x) {
  for (const base::UniqueVec& q : basis) check(VecAXPY(x, -base::dot(q.get(), x), q.get()));
}

/// A without what its singular vectors found span: (1 - U U^T) A (1 - V V^T).
base::UniqueMat deflated(Mat matrix, const SingularTriplets& found) {
  base::UniqueVec domain;
  base::UniqueVec range;
  check(MatCreateVecs(matrix, domain.put(), range.put()));
  return shell(
      range.get(), domain.get(),
      [=, &found](Vec x, Vec y) {
        const base::UniqueVec inner = base::duplicate(x);
        check(VecCopy(x, inner.get()));
        project_out(found.right, inner.get());
        check(MatMult(matrix, inner.get(), y));
        project_out(found.left, y);
      },
      [=, &found](Vec x, Vec y) {
        const base::UniqueVec inner = base::duplicate(x);
        check(VecCopy(x, inner.get()));
        project_out(found.left, inner.get());
        check(MatMultTranspose(matrix, inner.get(), y));
        project_out(found.right, y);
      });
}

/// ||op(A) x - s y||.
double residual_of(Mat matrix, bool transposed, Vec x, double value, Vec y) {
  const base::UniqueVec r = base::duplicate(y);
  check(transposed ? MatMultTranspose(matrix, x, r.get()) : MatMult(matrix, x, r.get()));
  check(VecAXPY(r.get(), -value, y));
  return base::norm2(r.get());
}

/// Residuals relative to the largest value seen: the smallest never meet a test relative to
/// themselves, and the norm that SLEPc would take needs entries.
PetscErrorCode relative_to_largest(SVD /*svd*/, PetscReal value, PetscReal residual,
                                   PetscReal* error, void* context) {
  double& largest = *static_cast<double*>(context);
  largest = std::max(largest, value);
  *error = largest > 0 ? residual / largest : residual;
  return 0;
}

/// The largest triplets by one Lanczos process, which sees one copy of each value; `largest` is
/// what is known of the largest of all.
SingularTriplets searched(Mat matrix, PetscInt triplets, const SingularRequest& request,
                          std::uint64_t seed, double largest, base::Log& log) {
  UniqueSvd svd;
  check(SVDCreate(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)), svd.put()));
  check(SVDSetOptionsPrefix(svd.get(), request.prefix.c_str()));
  check(SVDSetOperators(svd.get(), matrix, nullptr));
  check(SVDSetType(svd.get(), SVDTRLANCZOS));
  check(SVDSetWhichSingularTriplets(svd.get(), SVD_LARGEST));
  PetscInt rows = 0;
  PetscInt columns = 0;
  check(MatGetSize(matrix, &rows, &columns));
  const PetscInt wanted = std::min({triplets, rows, columns});
  const PetscInt space = std::min({rows, columns, std::max<PetscInt>(3 * wanted, wanted + 20)});
  check(SVDSetDimensions(svd.get(), wanted, space, PETSC_DEFAULT));
  check(SVDSetTolerances(svd.get(), request.tolerance, 1000));
  check(SVDSetConvergenceTestFunction(svd.get(), relative_to_largest, &largest, nullptr));
  const base::UniqueVec start = random_vector(matrix, seed, 0.5);
  Vec first = start.get();
  check(SVDSetInitialSpaces(svd.get(), 1, &first, 0, nullptr));
  check(SVDMonitorSet(svd.get(), monitor, &log, nullptr));
  check(SVDSetFromOptions(svd.get()));
  check(SVDSetUp(svd.get()));
  require_options_used(request.prefix);
  check(SVDSolve(svd.get()));
  SingularTriplets result;
  check(SVDGetIterationNumber(svd.get(), &result.iterations));
  SVDType type = nullptr;
  check(SVDGetType(svd.get(), &type));
  result.solver = fmt::format("{}, space of {}", type, space);
  PetscInt converged = 0;
  check(SVDGetConverged(svd.get(), &converged));
  for (PetscInt i = 0; i < std::min(converged, wanted); ++i) {
    base::UniqueVec u;
    base::UniqueVec v;
    check(MatCreateVecs(matrix, v.put(), u.put()));
    PetscReal value = 0;
    check(SVDGetSingularTriplet(svd.get(), i, &value, u.get(), v.get()));
    result.values.push_back(value);
    result.left.push_back(std::move(u));
    result.right.push_back(std::move(v));
  }
  return result;
}

/// All triplets of a small operator by a dense decomposition, the same on every rank: Lanczos
/// processes break down where a space is invariant, as most of a small matrix is.
SingularTriplets decomposed(Mat matrix, PetscInt triplets) {
  PetscInt rows = 0;
  PetscInt columns = 0;
  check(MatGetSize(matrix, &rows, &columns));
  base::UniqueVec x;
  base::UniqueVec y;
  check(MatCreateVecs(matrix, x.put(), y.put()));
  PetscInt first_row = 0;
  PetscInt first_column = 0;
  check(VecGetOwnershipRange(y.get(), &first_row, nullptr));
  check(VecGetOwnershipRange(x.get(), &first_column, nullptr));
  Eigen::MatrixXd dense = Eigen::MatrixXd::Zero(rows, columns);
  for (PetscInt j = 0; j < columns; ++j) {
    check(VecSet(x.get(), 0));
    {
      const base::WriteArray values(x.get());
      const PetscInt local = j - first_column;
      if (local >= 0 && local < static_cast<PetscInt>(values.size())) {
        values[static_cast<std::size_t>(local)] = 1;
      }
    }
    check(MatMult(matrix, x.get(), y.get()));
    const base::ReadArray image(y.get());
    for (std::size_t i = 0; i < image.size(); ++i) {
      dense(first_row + static_cast<PetscInt>(i), j) = image[i];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, dense.data(), static_cast<int>(dense.size()), MPI_DOUBLE, MPI_SUM,
                PetscObjectComm(reinterpret_cast<PetscObject>(matrix)));
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(dense, Eigen::ComputeThinU | Eigen::ComputeThinV);
  SingularTriplets result;
  result.solver = "dense decomposition";
  const auto fill = [](Vec vec, const auto& column, PetscInt first) {
    const base::WriteArray values(vec);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = column[first + static_cast<PetscInt>(i)];
    }
  };
  for (PetscInt k = 0; k < std::min({triplets, rows, columns}); ++k) {
    base::UniqueVec u = base::duplicate(y.get());
    base::UniqueVec v = base::duplicate(x.get());
    fill(u.get(), svd.matrixU().col(k), first_row);
    fill(v.get(), svd.matrixV().col(k), first_column);
    result.values.push_back(svd.singularValues()[k]);
    result.left.push_back(std::move(u));
    result.right.push_back(std::move(v));
  }
  return result;
}

/// Takes over the triplets of `more` that are as large as the smallest one needed; whether any was.
bool take_over(SingularTriplets& found, SingularTriplets& more, double least) {
  bool any = false;
  for (std::size_t i = 0; i < more.values.size(); ++i) {
    if (more.values[i] < least) continue;
    any = true;
    const auto at = std::upper_bound(found.values.begin(), found.values.end(), more.values[i],
                                     std::greater<>()) -
                    found.values.begin();
    found.values.insert(found.values.begin() + at, more.values[i]);
    found.left.insert(found.left.begin() + at, std::move(more.left[i]));
    found.right.insert(found.right.begin() + at, std::move(more.right[i]));
  }
  return any;
}

/// By repeated Lanczos processes: one sees one copy of each value.
SingularTriplets iterated(Mat matrix, const SingularRequest& request, base::Log& log) {
  constexpr std::uint64_t seed = 20100520;
  constexpr std::uint64_t most_rounds = 20;
  SingularTriplets result = searched(matrix, request.triplets, request, seed, 0, log);
  const auto asked = static_cast<std::size_t>(request.triplets);
  const base::UniqueMat rest = deflated(matrix, result);
  for (std::uint64_t round = 1; round <= most_rounds && result.values.size() >= asked; ++round) {
    const double least = result.values[asked - 1] - 1e-8 * result.values.front();
    if (least <= 0) break;
    SingularTriplets more =
        searched(rest.get(), 1, request, seed + round, result.values.front(), log);
    result.iterations += more.iterations;
    if (!take_over(result, more, least)) break;
  }
  if (result.values.size() > asked) {
    result.values.resize(asked);
    result.left.resize(asked);
    result.right.resize(asked);
  }
  return result;
}

} // namespace

SingularTriplets largest_singular(Mat matrix, const SingularRequest& request, base::Log& log) {
  constexpr PetscInt small = 128;
  PetscInt rows = 0;
  PetscInt columns = 0;
  check(MatGetSize(matrix, &rows, &columns));
  SingularTriplets result = std::max(rows, columns) <= small ? decomposed(matrix, request.triplets)
                                                             : iterated(matrix, request, log);
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const Vec u = result.left[i].get();
    const Vec v = result.right[i].get();
    result.residuals.push_back(std::max(residual_of(matrix, false, v, result.values[i], u),
                                        residual_of(matrix, true, u, result.values[i], v)));
  }
  return result;
}

} // namespace komori::linalg
