#include "linalg/filtered_pairs.hpp"

#include <cmath>

#include <fmt/format.h>

#include "linalg/dense.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;

/// P, how often it is applied, and room for it.
struct Power {
  Mat matrix = nullptr;
  int degree = 1;
  base::UniqueVec product{};
};

PetscErrorCode multiply(Mat shell, Vec x, Vec y) {
  return base::guarded([&] {
    void* context = nullptr;
    check(MatShellGetContext(shell, static_cast<void*>(&context)));
    const Power& power = *static_cast<const Power*>(context);
    check(VecCopy(x, y));
    for (int i = 0; i < power.degree; ++i) {
      check(MatMult(power.matrix, y, power.product.get()));
      check(VecAXPBY(y, 0.5, 0.5, power.product.get()));
    }
  });
}

/// An orthonormal basis of the span, twice orthogonalised; what adds nothing is left out.
std::vector<base::UniqueVec> orthonormal(std::vector<base::UniqueVec> vectors) {
  std::vector<base::UniqueVec> basis;
  for (base::UniqueVec& vector : vectors) {
    for (int pass = 0; pass < 2; ++pass) {
      for (const base::UniqueVec& other : basis) {
        check(VecAXPY(vector.get(), -base::dot(other.get(), vector.get()), other.get()));
      }
    }
    PetscReal left = 0;
    check(VecNormalize(vector.get(), &left));
    if (left > 1e-8) basis.push_back(std::move(vector));
  }
  return basis;
}

} // namespace

EigenPairs pairs_next_to_one(Mat matrix, int degree, const EigenRequest& request, base::Log& log) {
  Power power{.matrix = matrix, .degree = degree};
  check(MatCreateVecs(matrix, nullptr, power.product.put()));
  PetscInt local = 0;
  PetscInt size = 0;
  check(MatGetLocalSize(matrix, &local, nullptr));
  check(MatGetSize(matrix, &size, nullptr));
  base::UniqueMat shell;
  check(MatCreateShell(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)), local, local, size,
                       size, &power, shell.put()));
  using Operation = void (*)();
  check(MatShellSetOperation(shell.get(), MATOP_MULT, reinterpret_cast<Operation>(multiply)));
  EigenRequest filtered = request;
  filtered.largest = true;
  filtered.norm = 1;
  EigenPairs found = general_pairs(shell.get(), filtered, log);

  const std::vector<base::UniqueVec> basis = orthonormal(std::move(found.vectors));
  const auto n = static_cast<Index>(basis.size());
  MatrixXd projected(n, n);
  for (Index j = 0; j < n; ++j) {
    check(MatMult(matrix, basis[static_cast<std::size_t>(j)].get(), power.product.get()));
    for (Index i = 0; i < n; ++i) {
      projected(i, j) = base::dot(basis[static_cast<std::size_t>(i)].get(), power.product.get());
    }
  }
  EigenPairs pairs;
  pairs.asked = request.pairs;
  pairs.iterations = found.iterations;
  pairs.solver = fmt::format("krylovschur, powers of (1 + P) / 2 up to {}", degree);
  if (n == 0) return pairs;
  const GeneralPairs small = general_pairs(projected);
  const auto combined = [&](Index column) {
    base::UniqueVec vector = base::duplicate(power.product.get());
    check(VecSet(vector.get(), 0));
    for (Index i = 0; i < n; ++i) {
      check(
          VecAXPY(vector.get(), small.right(i, column), basis[static_cast<std::size_t>(i)].get()));
    }
    return vector;
  };
  for (Index i = 0; i < n; ++i) {
    const std::complex<double> value = small.values[static_cast<std::size_t>(i)];
    const bool whole = value.imag() != 0;
    base::UniqueVec re = combined(i);
    base::UniqueVec im = whole ? combined(i + 1) : base::UniqueVec{};
    const double norm =
        whole ? std::hypot(base::norm2(re.get()), base::norm2(im.get())) : base::norm2(re.get());
    check(VecScale(re.get(), 1 / norm));
    if (whole) check(VecScale(im.get(), 1 / norm));
    const double residual = eigen_residual(matrix, value, re.get(), im.get());
    if (whole) ++i; // the conjugate
    if (residual > 10 * request.tolerance * request.norm) continue;
    pairs.values.push_back(value);
    pairs.residuals.push_back(residual);
    pairs.vectors.push_back(std::move(re));
    if (!whole) continue;
    pairs.values.push_back(std::conj(value));
    pairs.residuals.push_back(residual);
    pairs.vectors.push_back(std::move(im));
  }
  return pairs;
}

} // namespace komori::linalg
