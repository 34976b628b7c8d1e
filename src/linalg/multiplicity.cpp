#include "linalg/multiplicity.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "linalg/random_vector.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Complex = std::complex<double>;

/// An orthonormal basis of the space of all vectors; nearly dependent ones are left out.
std::vector<base::UniqueVec> orthonormal(const std::vector<base::UniqueVec>& vectors) {
  std::vector<base::UniqueVec> basis;
  for (const base::UniqueVec& vector : vectors) {
    base::UniqueVec q = base::duplicate(vector.get());
    check(VecCopy(vector.get(), q.get()));
    const double before = base::norm2(q.get());
    for (int pass = 0; pass < 2; ++pass) {
      for (const base::UniqueVec& other : basis) {
        check(VecAXPY(q.get(), -base::dot(other.get(), q.get()), other.get()));
      }
    }
    const double left = base::norm2(q.get());
    if (!(left > 1e-8 * before)) continue;
    check(VecScale(q.get(), 1 / left));
    basis.push_back(std::move(q));
  }
  return basis;
}

/// The space that was found, and how the matrix acts on it.
struct Space {
  std::vector<base::UniqueVec> basis;
  Eigen::MatrixXd action;
};

Space space_of(Mat matrix, const EigenPairs& pairs) {
  Space space{.basis = orthonormal(pairs.vectors), .action = {}};
  const auto n = static_cast<Eigen::Index>(space.basis.size());
  space.action.resize(n, n);
  const base::UniqueVec image = base::duplicate(pairs.vectors.front().get());
  for (Eigen::Index j = 0; j < n; ++j) {
    check(MatMult(matrix, space.basis[static_cast<std::size_t>(j)].get(), image.get()));
    for (Eigen::Index i = 0; i < n; ++i) {
      space.action(i, j) = base::dot(space.basis[static_cast<std::size_t>(i)].get(), image.get());
    }
  }
  return space;
}

/// Turns an eigenvector of the rest into one of the whole matrix. `im` may be null.
void correct(Mat matrix, const Space& space, Complex value, Vec re, Vec im) {
  const auto n = static_cast<Eigen::Index>(space.basis.size());
  const base::UniqueVec image = base::duplicate(re);
  Eigen::VectorXcd h = Eigen::VectorXcd::Zero(n);
  for (const bool imaginary : {false, true}) {
    const Vec part = imaginary ? im : re;
    if (!part) continue;
    check(MatMult(matrix, part, image.get()));
    for (Eigen::Index i = 0; i < n; ++i) {
      const double product = base::dot(space.basis[static_cast<std::size_t>(i)].get(), image.get());
      h[i] += imaginary ? Complex(0, product) : Complex(product, 0);
    }
  }
  // Singular where the eigenvalue is in the space already; least squares picks the shortest.
  const Eigen::MatrixXcd system =
      value * Eigen::MatrixXcd::Identity(n, n) - space.action.cast<Complex>();
  Eigen::JacobiSVD<Eigen::MatrixXcd> svd(system, Eigen::ComputeThinU | Eigen::ComputeThinV);
  svd.setThreshold(1e-8);
  const Eigen::VectorXcd c = svd.solve(h);
  for (Eigen::Index i = 0; i < n; ++i) {
    check(VecAXPY(re, c[i].real(), space.basis[static_cast<std::size_t>(i)].get()));
    if (im) check(VecAXPY(im, c[i].imag(), space.basis[static_cast<std::size_t>(i)].get()));
  }
}

/// Norm 1, together for both parts.
void normalise(Vec re, Vec im) {
  const double norm = std::hypot(base::norm2(re), im ? base::norm2(im) : 0);
  check(VecScale(re, 1 / norm));
  if (im) check(VecScale(im, 1 / norm));
}

} // namespace

bool complete_multiplicities(Mat matrix, const EigenRequest& request, EigenPairs& pairs,
                             const std::function<bool(Complex)>& belongs, base::Log& log) {
  PetscInt size = 0;
  check(MatGetSize(matrix, &size, nullptr));
  const std::size_t rounds = pairs.values.size();
  const std::size_t many = 3 * rounds + 20;
  for (std::size_t round = 0; round < rounds && pairs.values.size() < many; ++round) {
    const Space space = space_of(matrix, pairs);
    const auto known = static_cast<PetscInt>(space.basis.size());
    if (known + 2 >= size) return known >= size; // SLEPc needs some room
    const base::UniqueVec start = random_vector(matrix, 7919 + round, -0.5);
    EigenRequest rest = request;
    rest.pairs = std::min<PetscInt>(4, size - known - 2);
    rest.start = {start.get()};
    rest.started = {};
    rest.pause = {};
    rest.save = {};
    for (const base::UniqueVec& q : space.basis) rest.deflation.push_back(q.get());
    EigenPairs more = general_pairs(matrix, rest, log);
    pairs.iterations += more.iterations;
    if (more.values.empty()) return false;
    bool found = false;
    bool doubtful = false; // one belongs, but its vector could not be made exact
    for (std::size_t i = 0; i < more.values.size(); ++i) {
      const Complex value = more.values[i];
      const std::size_t first = i;
      const Vec re = more.vectors[first].get();
      const Vec im = value.imag() != 0 ? more.vectors[++i].get() : nullptr;
      if (!belongs(value)) continue;
      correct(matrix, space, value, re, im);
      normalise(re, im);
      const double residual = eigen_residual(matrix, value, re, im);
      if (!(residual <= 10 * request.tolerance * request.norm)) {
        doubtful = true;
        continue;
      }
      for (std::size_t part = first; part <= i; ++part) {
        pairs.values.push_back(more.values[part]);
        pairs.residuals.push_back(residual);
        pairs.vectors.push_back(std::move(more.vectors[part]));
      }
      found = true;
    }
    if (!found) return !doubtful;
  }
  return false;
}

} // namespace komori::linalg
