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

/// The search between two Lanczos processes.
struct Search {
  SingularTriplets found;
  std::uint64_t round =
      0;                 ///< 0: the process that finds one copy of each value; then for the others
  base::UniqueVec start; ///< of the process that is next; null: a random one
};

/// What the monitor of a process needs.
struct Watch {
  base::Log& log;
  const Continuation& continuation;
  const Search& search;
};

/// The triplets a process has finished, and what it knows of the next ones: after every cycle its
/// first vectors are approximate singular vectors. Only SLEPc's default solver keeps them so.
struct Reached {
  SingularTriplets triplets;
  base::UniqueVec start;
};
Reached reached_by(SVD svd, PetscInt converged, const PetscReal* values, PetscInt estimates) {
  Reached reached;
  PetscBool lanczos = PETSC_FALSE;
  check(PetscObjectTypeCompare(reinterpret_cast<PetscObject>(svd), SVDTRLANCZOS, &lanczos));
  if (!lanczos) return reached;
  BV right = nullptr;
  BV left = nullptr;
  check(SVDGetBV(svd, &right, &left));
  Mat matrix = nullptr;
  check(SVDGetOperators(svd, &matrix, nullptr));
  const auto column = [](BV basis, PetscInt i, base::UniqueVec copy) {
    check(BVCopyVec(basis, i, copy.get()));
    return copy;
  };
  const auto domain = [matrix] {
    base::UniqueVec vec;
    check(MatCreateVecs(matrix, vec.put(), nullptr));
    return vec;
  };
  const auto range = [matrix] {
    base::UniqueVec vec;
    check(MatCreateVecs(matrix, nullptr, vec.put()));
    return vec;
  };
  for (PetscInt i = 0; i < converged; ++i) {
    reached.triplets.values.push_back(values[i]);
    reached.triplets.left.push_back(column(left, i, range()));
    reached.triplets.right.push_back(column(right, i, domain()));
  }
  PetscInt wanted = 0;
  check(SVDGetDimensions(svd, &wanted, nullptr, nullptr));
  const PetscInt end = std::min(std::max(wanted, converged + 1), estimates);
  for (PetscInt i = converged; i < end; ++i) {
    base::UniqueVec next = column(right, i, domain());
    if (reached.start) {
      check(VecAXPY(reached.start.get(), 1, next.get()));
    } else {
      reached.start = std::move(next);
    }
  }
  return reached;
}

/// Adds triplets to a state, which does not own their vectors.
void describe(const SingularTriplets& triplets, SolverState& state) {
  state.numbers.push_back(static_cast<double>(triplets.values.size()));
  for (std::size_t i = 0; i < triplets.values.size(); ++i) {
    state.numbers.push_back(triplets.values[i]);
    state.vectors.push_back(triplets.left[i].get());
    state.vectors.push_back(triplets.right[i].get());
  }
}

void read(StateReader& state, SingularTriplets& triplets) {
  for (std::int64_t left = state.count(); left > 0; --left) {
    triplets.values.push_back(state.number());
    triplets.left.push_back(state.vector());
    triplets.right.push_back(state.vector());
  }
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

/// The search as an earlier run left it.
Search resumed(const SolverState& saved) {
  Search search;
  StateReader state(saved);
  search.round = static_cast<std::uint64_t>(state.count());
  search.found.iterations = static_cast<PetscInt>(state.count());
  const bool started = state.number() > 0;
  search.found.solver = SVDTRLANCZOS;
  read(state, search.found);
  SingularTriplets under_way; // in the order in which they converged
  read(state, under_way);
  take_over(search.found, under_way, 0);
  if (started) search.start = state.vector();
  return search;
}

PetscErrorCode monitor(SVD svd, PetscInt its, PetscInt converged, PetscReal* values,
                       PetscReal* errors, PetscInt estimates, void* context) {
  return base::guarded([&] {
    const Watch& watch = *static_cast<Watch*>(context);
    PetscInt wanted = 0;
    check(SVDGetDimensions(svd, &wanted, nullptr, nullptr));
    PetscReal worst = 0;
    for (PetscInt i = converged; i < std::min(wanted, estimates); ++i) {
      worst = std::max(worst, errors[i]);
    }
    watch.log.iteration("Lanczos", static_cast<int>(its), static_cast<int>(converged), worst);
    if (!watch.continuation.step) {
      base::stop_if_asked(PetscObjectComm(reinterpret_cast<PetscObject>(svd)),
                          "no result was written");
      return;
    }
    Reached reached;
    watch.continuation.step([&] {
      reached = reached_by(svd, converged, values, estimates);
      // Copies are looked for one by one, and one that is complete ends its process.
      if (watch.search.round > 0) reached.triplets = {};
      SolverState state{.numbers = {static_cast<double>(watch.search.round),
                                    static_cast<double>(watch.search.found.iterations + its),
                                    reached.start ? 1.0 : 0.0}};
      describe(watch.search.found, state);
      describe(reached.triplets, state);
      if (reached.start) state.vectors.push_back(reached.start.get());
      return state;
    });
  });
}

void project_out(const std::vector<base::UniqueVec>& basis, Vec x) {
  if (basis.empty()) return;
  std::vector<Vec> all;
  for (const base::UniqueVec& q : basis) all.push_back(q.get());
  const auto count = static_cast<PetscInt>(all.size());
  std::vector<PetscScalar> dots(all.size());
  check(VecMDot(x, count, all.data(), dots.data()));
  for (PetscScalar& dot : dots) dot = -dot;
  check(VecMAXPY(x, count, dots.data(), all.data()));
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

/// The largest triplets by one Lanczos process, which sees one copy of each value.
SingularTriplets searched(Mat matrix, PetscInt triplets, const SingularRequest& request,
                          Search& search, base::Log& log) {
  constexpr std::uint64_t seed = 20100520;
  double largest = search.found.values.empty() ? 0 : search.found.values.front();
  Watch watch{.log = log, .continuation = request.continuation, .search = search};
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
  const base::UniqueVec start =
      search.start ? std::move(search.start) : random_vector(matrix, seed + search.round, 0.5);
  Vec first = start.get();
  check(SVDSetInitialSpaces(svd.get(), 1, &first, 0, nullptr));
  check(SVDMonitorSet(svd.get(), monitor, &watch, nullptr));
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

/// By repeated Lanczos processes: one sees one copy of each value. `matrix` has no more columns
/// than rows: of others SLEPc takes the transpose, with all vectors exchanged and without the
/// start.
SingularTriplets iterated(Mat matrix, const SingularRequest& request, base::Log& log) {
  constexpr std::uint64_t most_rounds = 20;
  Search search;
  if (request.continuation.from) search = resumed(*request.continuation.from);
  SingularTriplets& found = search.found;
  const auto asked = static_cast<std::size_t>(request.triplets);
  const base::UniqueMat rest = deflated(matrix, found);
  if (search.round == 0) {
    const auto missing = request.triplets - static_cast<PetscInt>(found.values.size());
    if (missing > 0) {
      const Mat operand = found.values.empty() ? matrix : rest.get();
      SingularTriplets more = searched(operand, missing, request, search, log);
      found.iterations += more.iterations;
      found.solver = more.solver;
      take_over(found, more, 0);
    }
    search.round = 1;
  }
  for (; search.round <= most_rounds && found.values.size() >= asked; ++search.round) {
    const double least = found.values[asked - 1] - 1e-8 * found.values.front();
    if (least <= 0) break;
    SingularTriplets more = searched(rest.get(), 1, request, search, log);
    found.iterations += more.iterations;
    if (!take_over(found, more, least)) break;
  }
  if (found.values.size() > asked) {
    found.values.resize(asked);
    found.left.resize(asked);
    found.right.resize(asked);
  }
  return std::move(search.found);
}

} // namespace

SingularTriplets largest_singular(Mat matrix, const SingularRequest& request, base::Log& log) {
  constexpr PetscInt small = 128;
  PetscInt rows = 0;
  PetscInt columns = 0;
  check(MatGetSize(matrix, &rows, &columns));
  SingularTriplets result;
  if (std::max(rows, columns) <= small) {
    result = decomposed(matrix, request.triplets);
  } else if (rows >= columns) {
    result = iterated(matrix, request, log);
  } else {
    base::UniqueMat tall;
    check(MatCreateTranspose(matrix, tall.put()));
    result = iterated(tall.get(), request, log);
    std::swap(result.left, result.right);
  }
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const Vec u = result.left[i].get();
    const Vec v = result.right[i].get();
    result.residuals.push_back(std::max(residual_of(matrix, false, v, result.values[i], u),
                                        residual_of(matrix, true, u, result.values[i], v)));
  }
  return result;
}

} // namespace komori::linalg
