#include "linalg/lane_gmres.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/QR>

namespace komori::linalg {

using base::Lanes;
using Complex = std::complex<double>;
using Eigen::Index;

/// One system as the basis of its Krylov space sees it. Basis vectors are orthonormal only as far
/// as one projection in single precision makes them; what their products are is measured, and
/// taken into account, so that deviations do not grow from one to the next.
class LaneGmres::Reduced {
public:
  Reduced(const LaneSystem& system, double size, int most_iterations)
      : system_(system), size_(size),
        gram_(Eigen::MatrixXcd::Identity(most_iterations + 1, most_iterations + 1)),
        hessenberg_(Eigen::MatrixXcd::Zero(most_iterations + 1, most_iterations)),
        done_(!(size > 0)) {}

  const LaneSystem& system() const { return system_; }
  bool done() const { return done_; }

  /// The next column of the Hessenberg matrix, from products with the image of the last vector;
  /// sets factors that take away from that what it has along the basis. Returns what then brings
  /// its norm to 1; 0 if nothing is left.
  double append(const BasisProducts& products, std::vector<LaneFactors>& factors) {
    const auto known = static_cast<Index>(products.with_w.size());
    Eigen::VectorXcd along(known);
    for (Index j = 0; j < known; ++j) {
      const auto of = [&](const std::vector<LaneProducts>& all) {
        return all[static_cast<std::size_t>(j)].of(system_.lane, system_.complex());
      };
      along[j] = of(products.with_w);
      gram_(j, known - 1) = of(products.with_last);
      gram_(known - 1, j) = std::conj(gram_(j, known - 1));
    }
    if (done_) return 0;
    const Eigen::VectorXcd h = gram_.topLeftCorner(known, known).llt().solve(along);
    hessenberg_.col(known - 1).head(known) = h;
    for (Index j = 0; j < known; ++j) {
      factors[static_cast<std::size_t>(j)].set(system_.lane, system_.complex(), h[j]);
    }
    const double whole = products.square.of(system_.lane, system_.complex()).real();
    const double left = whole - along.dot(h).real();
    // What is less is rounding of single precision.
    const double next = left > 1e-10 * whole ? std::sqrt(left) : 0;
    hessenberg_(known, known - 1) = next;
    minimise(known);
    done_ = done_ || next == 0;
    return next > 0 ? 1 / next : 0;
  }

  /// Coefficients of the best combination, as factors to be taken away.
  void negate_into(std::vector<LaneFactors>& factors) const {
    for (Index j = 0; j < coefficients_.size(); ++j) {
      factors[static_cast<std::size_t>(j)].set(system_.lane, system_.complex(), -coefficients_[j]);
    }
  }

private:
  void minimise(Index steps) {
    const Eigen::MatrixXcd root = gram_.topLeftCorner(steps + 1, steps + 1).llt().matrixU();
    const Eigen::MatrixXcd images = root * hessenberg_.topLeftCorner(steps + 1, steps);
    const Eigen::VectorXcd start = size_ * root.col(0);
    coefficients_ = images.householderQr().solve(start);
    done_ = (start - images * coefficients_).norm() <= system_.tolerance * size_;
  }

  LaneSystem system_;
  double size_;
  Eigen::MatrixXcd gram_;
  Eigen::MatrixXcd hessenberg_;
  Eigen::VectorXcd coefficients_;
  bool done_;
};

namespace {

void set(Lanes& lanes, const LaneSystem& system, double value) {
  lanes.v[system.lane] = static_cast<float>(value);
  if (system.complex()) lanes.v[system.lane + 1] = static_cast<float>(value);
}

} // namespace

LaneGmres::LaneGmres(LaneOperator& matrix, int most_iterations)
    : matrix_(matrix), most_iterations_(most_iterations) {}

LaneVectors& LaneGmres::basis(std::size_t k) {
  while (basis_.size() <= k) basis_.emplace_back(matrix_.rows());
  return basis_[k];
}

ColumnSums LaneGmres::multiply(bool transposed, const LaneFactors& sigma,
                               const LaneComplement& complement, std::size_t k,
                               WideLaneVectors& z) {
  const LaneColumns& dual = complement.dual(transposed);
  const std::size_t own = dual.size() * base::lanes;
  matrix_.precondition(transposed, basis(k), z);
  LaneVectors& image = basis(k + 1);
  ColumnSums along(complement.rough ? 2 * own : own);
  const auto take = [&](std::size_t first, std::span<const base::WideLanes> rows) {
    shift_and_project(sigma,
                      {.y = rows, .z = z.data() + first, .w = image.data() + first, .first = first},
                      dual, along);
  };
  matrix_.product(transposed, z, take);
  sum_over_ranks(matrix_.comm(), along);
  // (theta - A) (z - X a) is (theta - A) z + (A X - X Lambda) a but for columns of X.
  for (std::size_t j = own; j < along.size(); ++j) {
    for (double& sum : along[j]) sum = -sum;
  }
  return along;
}

int LaneGmres::solve(bool transposed, std::span<const LaneSystem> systems,
                     const LaneComplement& complement, WideLaneVectors& x) {
  const MPI_Comm comm = matrix_.comm();
  const LaneComplement::Side& range = complement.range(transposed);
  std::vector<const LaneVectors*> columns;
  for (const LaneVectors& block : range.columns) columns.push_back(&block);
  const LaneProducts squares =
      subtract_and_multiply(comm, columns,
                            project(comm, complement.dual(transposed), right_sides()), basis_, 0,
                            right_sides())
          .square;
  if (complement.rough) {
    for (const LaneVectors& block : range.residuals) columns.push_back(&block);
  }
  std::vector<Reduced> reduced;
  Lanes scale{};
  LaneFactors sigma;
  for (const LaneSystem& system : systems) {
    const double size = std::sqrt(squares.of(system.lane, system.complex()).real());
    reduced.emplace_back(system, size, most_iterations_);
    set(scale, system, size > 0 ? 1 / size : 0);
    sigma.set(system.lane, system.complex(), matrix_.shift() - system.theta);
  }
  const auto finished = [&] {
    return std::all_of(reduced.begin(), reduced.end(), [](const Reduced& r) { return r.done(); });
  };
  std::vector<LaneFactors> factors;
  std::size_t k = 0;
  while (k < static_cast<std::size_t>(most_iterations_) && !finished()) {
    orthogonalise(factors, basis_, scale, basis_[k]);
    const ColumnSums along = multiply(transposed, sigma, complement, k, x);
    ++k;
    const BasisProducts products =
        subtract_and_multiply(comm, columns, along, basis_, k, basis_[k]);
    factors.assign(k, {});
    for (Reduced& r : reduced) set(scale, r.system(), r.append(products, factors));
  }
  factors.assign(k, {});
  for (const Reduced& r : reduced) r.negate_into(factors);
  LaneVectors& best = basis_[k];
  combine(factors, basis_, best);
  matrix_.precondition(transposed, best, x);
  subtract(range.columns, project(comm, complement.dual(transposed), x), x);
  return static_cast<int>(k);
}

} // namespace komori::linalg
