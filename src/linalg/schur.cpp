#include "linalg/schur.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>
#include <slepcds.h>

#include "linalg/random_vector.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Complex = std::complex<double>;
using Before = std::function<bool(Complex, Complex)>;
using UniqueDs = base::Handle<DS, DSDestroy>;

/// SLEPc's comparison: negative where the first is preferred.
PetscErrorCode compare(PetscScalar ar, PetscScalar ai, PetscScalar br, PetscScalar bi,
                       PetscInt* result, void* context) {
  return base::guarded([&] {
    const auto& before = *static_cast<const Before*>(context);
    const Complex a(ar, std::abs(ai));
    const Complex b(br, std::abs(bi));
    *result = before(a, b) ? -1 : before(b, a) ? 1 : 0;
  });
}

/// H = Q T Q^T with T quasi-triangular and its values in order.
struct SmallSchur {
  std::vector<Complex> values;
  Eigen::MatrixXd rotation;
  Eigen::MatrixXd form;
};

Eigen::Map<Eigen::MatrixXd, 0, Eigen::OuterStride<>> view(Mat dense, PetscScalar* data,
                                                          Eigen::Index n) {
  PetscInt leading = 0;
  check(MatDenseGetLDA(dense, &leading));
  return {data, n, n, Eigen::OuterStride<>(leading)};
}

SmallSchur sorted_schur(const Eigen::MatrixXd& action, const Before& before) {
  const Eigen::Index n = action.rows();
  UniqueDs ds;
  check(DSCreate(PETSC_COMM_SELF, ds.put()));
  check(DSSetType(ds.get(), DSNHEP));
  check(DSAllocate(ds.get(), static_cast<PetscInt>(n) + 1));
  check(DSSetDimensions(ds.get(), static_cast<PetscInt>(n), 0, 0));
  SlepcSC criterion = nullptr;
  check(DSGetSlepcSC(ds.get(), &criterion));
  criterion->comparison = compare;
  criterion->comparisonctx = const_cast<Before*>(&before);
  criterion->map = nullptr;
  criterion->rg = nullptr;
  const auto exchange = [&](DSMatType which, const std::function<void(Mat, PetscScalar*)>& body) {
    Mat dense = nullptr;
    PetscScalar* data = nullptr;
    check(DSGetMat(ds.get(), which, &dense));
    check(MatDenseGetArray(dense, &data));
    body(dense, data);
    check(MatDenseRestoreArray(dense, &data));
    check(DSRestoreMat(ds.get(), which, &dense));
  };
  exchange(DS_MAT_A, [&](Mat dense, PetscScalar* data) { view(dense, data, n) = action; });
  check(DSSetState(ds.get(), DS_STATE_RAW));
  std::vector<PetscScalar> re(static_cast<std::size_t>(n));
  std::vector<PetscScalar> im(static_cast<std::size_t>(n));
  check(DSSolve(ds.get(), re.data(), im.data()));
  check(DSSort(ds.get(), re.data(), im.data(), nullptr, nullptr, nullptr));
  SmallSchur result;
  for (std::size_t i = 0; i < re.size(); ++i) result.values.emplace_back(re[i], im[i]);
  for (std::size_t i = 0; i + 1 < re.size(); ++i) {
    if (result.values[i].imag() == 0) continue;
    result.values[i].imag(std::abs(result.values[i].imag()));
    result.values[i + 1] = std::conj(result.values[i]);
    ++i;
  }
  exchange(DS_MAT_Q, [&](Mat dense, PetscScalar* data) { result.rotation = view(dense, data, n); });
  exchange(DS_MAT_A, [&](Mat dense, PetscScalar* data) { result.form = view(dense, data, n); });
  return result;
}

/// Adds `vector`, orthonormalised against the basis, unless nothing of it is left.
void extend(std::vector<base::UniqueVec>& basis, base::UniqueVec vector) {
  for (int pass = 0; pass < 2; ++pass) {
    for (const base::UniqueVec& other : basis) {
      check(VecAXPY(vector.get(), -base::dot(other.get(), vector.get()), other.get()));
    }
  }
  const double left = base::norm2(vector.get());
  if (!(left > 1e-6)) return;
  check(VecScale(vector.get(), 1 / left));
  basis.push_back(std::move(vector));
}

std::vector<Vec> handles(const std::vector<base::UniqueVec>& vectors) {
  std::vector<Vec> raw;
  for (const base::UniqueVec& vector : vectors) raw.push_back(vector.get());
  return raw;
}

/// V^T A V for an orthonormal V.
Eigen::MatrixXd action_on(Mat matrix, const std::vector<base::UniqueVec>& basis) {
  const std::vector<Vec> raw = handles(basis);
  const auto n = static_cast<Eigen::Index>(basis.size());
  Eigen::MatrixXd action(n, n);
  const base::UniqueVec image = base::duplicate(basis.front().get());
  for (Eigen::Index j = 0; j < n; ++j) {
    check(MatMult(matrix, raw[static_cast<std::size_t>(j)], image.get()));
    check(VecMDot(image.get(), static_cast<PetscInt>(n), raw.data(), action.col(j).data()));
  }
  return action;
}

/// V Q for the first `count` columns of Q.
std::vector<base::UniqueVec> rotated(const std::vector<base::UniqueVec>& basis,
                                     const Eigen::MatrixXd& rotation, std::size_t count) {
  std::vector<Vec> raw = handles(basis);
  std::vector<base::UniqueVec> result;
  for (std::size_t j = 0; j < count; ++j) {
    base::UniqueVec vector = base::duplicate(basis.front().get());
    check(VecSet(vector.get(), 0));
    check(VecMAXPY(vector.get(), static_cast<PetscInt>(raw.size()),
                   rotation.col(static_cast<Eigen::Index>(j)).data(), raw.data()));
    result.push_back(std::move(vector));
  }
  return result;
}

/// Searches what the basis leaves over for values that come before `last`; false where the search
/// did not end.
bool add_copies(Mat matrix, EigenRequest request, std::vector<base::UniqueVec>& basis, Complex last,
                const Before& before, base::Log& log) {
  PetscInt size = 0;
  check(MatGetSize(matrix, &size, nullptr));
  constexpr std::uint64_t most_rounds = 20;
  request.pairs = 2;
  request.pause = {};
  request.save = {};
  request.started = {};
  for (std::uint64_t round = 0; round < most_rounds; ++round) {
    if (static_cast<PetscInt>(basis.size()) >= size) return true;
    request.pairs = std::min<PetscInt>(2, size - static_cast<PetscInt>(basis.size()));
    request.deflation = handles(basis);
    const base::UniqueVec start = random_vector(matrix, 77 + round, -0.5);
    request.start = {start.get()};
    EigenPairs more = general_space(matrix, request, log);
    if (more.values.empty()) return false;
    bool belongs = false;
    for (std::size_t i = 0; i < more.values.size(); ++i) {
      belongs =
          belongs || !before(last, Complex(more.values[i].real(), std::abs(more.values[i].imag())));
    }
    if (!belongs) return true;
    for (base::UniqueVec& vector : more.vectors) extend(basis, std::move(vector));
  }
  return false;
}

} // namespace

SchurSpace schur_space(Mat matrix, EigenRequest request, const Before& before,
                       const SolvePairs& solve, base::Log& log) {
  PetscInt size = 0;
  check(MatGetSize(matrix, &size, nullptr));
  const auto asked = static_cast<std::size_t>(std::min(request.pairs, size));
  request.pairs = static_cast<PetscInt>(asked);
  EigenPairs pairs = solve(request);
  SchurSpace space{.iterations = pairs.iterations, .solver = pairs.solver};
  space.whole = pairs.values.size() >= asked;
  if (pairs.vectors.empty()) return space;
  std::vector<base::UniqueVec> basis;
  for (base::UniqueVec& vector : pairs.vectors) extend(basis, std::move(vector));
  if (space.whole && static_cast<PetscInt>(basis.size()) < size) {
    const SmallSchur first = sorted_schur(action_on(matrix, basis), before);
    const Complex last = first.values[std::min(asked, first.values.size()) - 1];
    space.all_copies =
        add_copies(matrix, request, basis, {last.real(), std::abs(last.imag())}, before, log);
  }
  const SmallSchur schur = sorted_schur(action_on(matrix, basis), before);
  space.values = schur.values;
  std::size_t kept = std::min(asked, space.values.size());
  if (space.splits(kept)) ++kept;
  space.values.resize(kept);
  space.vectors = rotated(basis, schur.rotation, kept);
  const std::vector<Vec> raw = handles(space.vectors);
  const base::UniqueVec image = base::duplicate(space.vectors.front().get());
  for (std::size_t j = 0; j < kept; ++j) {
    const auto column = static_cast<Eigen::Index>(j);
    Eigen::VectorXd minus = -schur.form.col(column).head(static_cast<Eigen::Index>(kept));
    check(MatMult(matrix, raw[j], image.get()));
    check(VecMAXPY(image.get(), static_cast<PetscInt>(kept), minus.data(),
                   const_cast<Vec*>(raw.data())));
    space.residuals.push_back(base::norm2(image.get()));
  }
  return space;
}

} // namespace komori::linalg
