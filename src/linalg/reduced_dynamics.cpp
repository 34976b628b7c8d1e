#include "linalg/reduced_dynamics.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <memory>

#include "base/signals.hpp"
#include "linalg/basis_passes.hpp"
#include "linalg/dense.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Dimensions between the two spaces that are compared: agreement by chance is unlikely.
constexpr Index lag = 3;

/// Share of the tolerance that the errors of a solve may take up, and the roughest solve. With
/// several poles a share of 1e-2 was seen to cost a digit of the sums, this one none.
constexpr double share_of_solves = 1e-4;
constexpr double roughest_solve = 1e-2;

/// Of the vectors of a space among each other: the sums err by as much of themselves.
double orthogonality(double tolerance) {
  return std::max(1e-13, 1e-2 * tolerance);
}

/// By the eigenvectors of a matrix that need not be symmetric.
ExponentialSum by_eigenvectors(const MatrixXd& h, const MatrixXd& outputs, double beta) {
  const EigenBasis basis = eigen_basis(h);
  const std::size_t n = basis.values.size();
  ExponentialSum sum;
  sum.exponents.resize(h.rows());
  sum.weights.resize(outputs.rows(), h.rows());
  const MatrixXd seen = linalg::product(outputs, basis.vectors);
  double size = 0; // of the inverse of the complex vectors, squared
  for (std::size_t i = 0; i < n; ++i) {
    const auto k = static_cast<Index>(i);
    sum.exponents[k] = basis.values[i];
    const std::complex<double> start = beta * basis.component(basis.inverse.col(0), i);
    for (Index b = 0; b < outputs.rows(); ++b) {
      sum.weights(b, k) = basis.along(seen.row(b), i) * start;
    }
    size += basis.inverse.row(k).squaredNorm() * (basis.values[i].imag() == 0 ? 1 : 0.5);
  }
  // Vectors are of norm 1.
  sum.condition = std::sqrt(size / static_cast<double>(n));
  return sum;
}

/// Eigenvectors that nearly coincide magnify rounding by their condition. Half the sum of what two
/// opposite small changes of the matrix give, by which they come apart, errs by the change squared.
ExponentialSum apart(const MatrixXd& h, const MatrixXd& outputs, double beta,
                     const ExponentialSum& together) {
  constexpr double change = 1e-6; // of the slowest exponent
  MatrixXd e(h.rows(), h.cols());
  for (Index i = 0; i < e.rows(); ++i) {
    for (Index j = 0; j < e.cols(); ++j)
      e(i, j) = std::cos(1.0 + static_cast<double>(2 * i + 3 * j));
  }
  e *= change * together.exponents.cwiseAbs().minCoeff() / e.norm();
  const ExponentialSum plus = by_eigenvectors(h + e, outputs, beta);
  const ExponentialSum minus = by_eigenvectors(h - e, outputs, beta);
  if (!(std::max(plus.condition, minus.condition) < 0.1 * together.condition)) return together;
  ExponentialSum sum;
  const Index n = h.rows();
  sum.exponents.resize(2 * n);
  sum.exponents << plus.exponents, minus.exponents;
  sum.weights.resize(outputs.rows(), 2 * n);
  sum.weights << 0.5 * plus.weights, 0.5 * minus.weights;
  sum.condition = std::max(plus.condition, minus.condition);
  return sum;
}

/// C exp(tH) e_1 beta as a sum of exponentials.
ExponentialSum spectral(const MatrixXd& h, const MatrixXd& outputs, double beta, bool symmetric) {
  ExponentialSum sum;
  if (symmetric) {
    const SymmetricPairs pairs = symmetric_pairs(0.5 * (h + h.transpose()));
    sum.exponents = pairs.values.cast<std::complex<double>>();
    const VectorXd start = beta * pairs.vectors.row(0).transpose();
    sum.weights =
        (linalg::product(outputs, pairs.vectors) * start.asDiagonal()).cast<std::complex<double>>();
    return sum;
  }
  constexpr double nearly_together = 1e6;
  sum = by_eigenvectors(h, outputs, beta);
  return sum.condition > nearly_together ? apart(h, outputs, beta, sum) : sum;
}

/// The entries of the first vectors of a basis, for reading.
class OpenVectors {
public:
  OpenVectors(const std::vector<base::UniqueVec>& basis, std::size_t count) {
    for (std::size_t j = 0; j < count; ++j) {
      columns_.push_back(arrays_.emplace_back(basis[j].get()).span().data());
    }
  }
  const Columns& columns() const { return columns_; }

private:
  std::deque<base::ReadArray> arrays_;
  Columns columns_;
};

/// The space under construction.
class Space {
public:
  Space(const ReductionRequest& request, Vec start)
      : request_(request), image_(base::duplicate(start)), weighted_(base::duplicate(start)) {
    const base::UniqueVec& first = append(start);
    beta_ = std::sqrt(std::max(0.0, product(first.get(), first.get())));
    if (beta_ > 0) {
      check(VecScale(first.get(), 1 / beta_));
      project_newest();
    }
  }
  Space(const ReductionRequest& request, Vec start, StateReader& saved)
      : request_(request), image_(base::duplicate(start)), weighted_(base::duplicate(start)) {
    beta_ = saved.number();
    const auto dimension = static_cast<std::size_t>(saved.count());
    for (std::size_t j = 0; j < dimension; ++j) {
      basis_.push_back(saved.vector());
      project_newest();
    }
  }
  SolverState state() const {
    SolverState state{.numbers = {beta_, static_cast<double>(basis_.size())}};
    for (const base::UniqueVec& vector : basis_) state.vectors.push_back(vector.get());
    return state;
  }

  Index dimension() const { return static_cast<Index>(basis_.size()); }
  double beta() const { return beta_; }
  const MatrixXd& outputs() const { return outputs_; }

  /// Adds one vector, solved for to the tolerance; false where nothing new is left.
  bool grow(double tolerance) {
    const std::size_t j = basis_.size() - 1;
    const auto& solve = request_.solves[j % request_.solves.size()];
    base::UniqueVec next = base::duplicate(image_.get());
    solve(basis_[j].get(), next.get(), tolerance);
    const Projections found = orthogonalised(next.get());
    const double whole = found.along.squaredNorm() + found.square;
    if (!(found.square > 1e-26 * whole)) return false;
    check(VecScale(next.get(), 1 / std::sqrt(found.square)));
    if (request_.confine) {
      request_.confine(next.get());
      check(VecScale(next.get(), 1 / std::sqrt(product(next.get(), next.get()))));
    }
    basis_.push_back(std::move(next));
    project_newest();
    return true;
  }

  ExponentialSum sum(Index dimension) const {
    return spectral(h_.topLeftCorner(dimension, dimension), outputs_.leftCols(dimension), beta_,
                    request_.symmetric);
  }

private:
  base::UniqueVec& append(Vec from) {
    basis_.push_back(base::duplicate(from));
    check(VecCopy(from, basis_.back().get()));
    return basis_.back();
  }
  MPI_Comm comm() const { return PetscObjectComm(reinterpret_cast<PetscObject>(image_.get())); }
  Projections orthogonalised(Vec x) const {
    const base::ReadArray weights(request_.weights);
    const base::WriteArray entries(x);
    return orthogonalise(comm(), OpenVectors(basis_, basis_.size()).columns(), weights.span(),
                         entries.span(), orthogonality(request_.tolerance));
  }
  double product(Vec a, Vec b) {
    check(VecPointwiseMult(weighted_.get(), a, request_.weights));
    return base::dot(weighted_.get(), b);
  }
  /// The new row and column of H = V^T W M V, from a product with M and one with its transpose, and
  /// the new column of the outputs.
  void project_newest() {
    const Index n = h_.rows();
    h_.conservativeResizeLike(MatrixXd::Zero(n + 1, n + 1));
    outputs_.conservativeResizeLike(
        MatrixXd::Zero(static_cast<Index>(request_.outputs.size()), n + 1));
    const Vec newest = basis_[static_cast<std::size_t>(n)].get();
    check(VecPointwiseMult(weighted_.get(), newest, request_.weights));
    check(MatMultTranspose(request_.matrix, weighted_.get(), image_.get()));
    check(MatMult(request_.matrix, newest, weighted_.get()));
    check(VecPointwiseMult(weighted_.get(), weighted_.get(), request_.weights));
    const base::ReadArray image(weighted_.get());
    const base::ReadArray transposed(image_.get());
    const OpenVectors known(basis_, static_cast<std::size_t>(n) + 1);
    const MatrixXd products =
        project_both(comm(), known.columns(), image.span(), transposed.span());
    h_.col(n) = products.col(0);
    h_.row(n).head(n) = products.col(1).head(n).transpose();
    if (request_.outputs.empty()) return;
    VectorXd seen(static_cast<Index>(request_.outputs.size()));
    check(VecMDot(newest, static_cast<PetscInt>(request_.outputs.size()), request_.outputs.data(),
                  seen.data()));
    outputs_.col(n) = seen;
  }

  const ReductionRequest& request_;
  base::UniqueVec image_;
  base::UniqueVec weighted_;
  std::vector<base::UniqueVec> basis_;
  MatrixXd h_;
  MatrixXd outputs_;
  double beta_ = 0;
};

/// Differences of two sums at the times against what they may be; below 1: all within the
/// tolerance.
struct Comparison {
  double worst = std::numeric_limits<double>::infinity(); ///< over the tolerance
  double error = 0;                                       ///< absolute
};
Comparison compare(const ExponentialSum& a, const ExponentialSum& b,
                   const ReductionRequest& request) {
  Comparison result{.worst = 0};
  double later = 0; // the largest value from this time on
  std::vector<double> sizes(request.times.size());
  double whole = 0;
  for (std::size_t i = request.times.size(); i-- > 0;) {
    sizes[i] = later = std::max(later, a.value(request.times[i]).cwiseAbs().maxCoeff());
    // What decays in the first hundredth of the time does not set the scale of the rest.
    if (request.times[i] >= 0.01 * request.times.back()) whole = later;
  }
  for (std::size_t i = 0; i < request.times.size(); ++i) {
    const double t = request.times[i];
    const double error = (a.value(t) - b.value(t)).cwiseAbs().maxCoeff();
    const double allowed = request.tolerance * std::max(sizes[i], 1e-3 * whole) + request.floor;
    result.error = std::max(result.error, error);
    // Not finite counts as too large.
    const double ratio = error <= allowed ? (allowed > 0 ? error / allowed : 0)
                         : allowed > 0    ? error / allowed
                                          : std::numeric_limits<double>::infinity();
    result.worst = std::isfinite(ratio) ? std::max(result.worst, ratio)
                                        : std::numeric_limits<double>::infinity();
  }
  return result;
}

} // namespace

Eigen::VectorXd ExponentialSum::value(double time) const {
  if (exponents.size() == 0) return VectorXd::Zero(weights.rows());
  return (weights * (exponents * time).array().exp().matrix()).real();
}

Eigen::VectorXd ExponentialSum::slope(double time) const {
  if (exponents.size() == 0) return VectorXd::Zero(weights.rows());
  return (weights * ((exponents * time).array().exp() * exponents.array()).matrix()).real();
}

Reduction reduce(const ReductionRequest& request, Vec start, base::Log& log) {
  Reduction result;
  result.sum.weights.setZero(static_cast<Index>(request.outputs.size()), 0);
  std::unique_ptr<Space> space;
  if (request.continuation.from) {
    StateReader saved(*request.continuation.from);
    space = std::make_unique<Space>(request, start, saved);
  } else {
    space = std::make_unique<Space>(request, start);
  }
  result.converged = true;
  if (space->beta() == 0) return result;
  const auto most = static_cast<Index>(request.dimension);
  const MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(start));
  // Comparing costs the cube of the dimension: less often in larger spaces.
  Index next = 2 * lag + 1;
  double relaxed = share_of_solves * request.tolerance;
  for (result.converged = false; !result.converged;) {
    const bool grown = space->dimension() < most && space->grow(relaxed);
    const Index n = space->dimension();
    const bool last = !grown || n >= most;
    if (last || n >= next) {
      next = n + std::max<Index>(1, n / 6);
      result.sum = space->sum(n);
      const Comparison comparison =
          n > lag ? compare(result.sum, space->sum(n - lag), request) : Comparison{.worst = 0};
      result.error = comparison.error;
      relaxed = std::min(share_of_solves / comparison.worst, roughest_solve);
      // A space that cannot grow holds the motion exactly.
      const bool exhausted = !grown && n < most;
      result.converged = comparison.worst <= 1 || exhausted;
      if (exhausted) result.error = 0;
      log.iteration(request.name, static_cast<int>(n), 0, comparison.worst * request.tolerance);
      if (last) break;
    }
    if (result.converged) break;
    if (request.continuation.step) {
      request.continuation.step([&] { return space->state(); });
    } else {
      base::stop_if_asked(comm, "the kernel is incomplete");
    }
  }
  result.dimension = static_cast<PetscInt>(space->dimension());
  return result;
}

} // namespace komori::linalg
