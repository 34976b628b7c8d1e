#include "linalg/block_lobpcg.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <Eigen/Eigenvalues>
#include <petscsys.h>

#include <petscblaslapack.h>

#include "base/random.hpp"

namespace komori::linalg {
namespace {

using Matrix = Eigen::MatrixXd;
using Eigen::Index;

/// Rows worked on at once: they stay in the cache between reading and writing.
constexpr std::size_t chunk_rows = 512;

/// c (m x n) = alpha op(a) op(b) + beta c in column-major order.
void gemm(char op_a, char op_b, Index m, Index n, Index k, double alpha, const double* a, Index lda,
          const double* b, Index ldb, double beta, double* c, Index ldc) {
  const auto small = [](Index i) { return static_cast<PetscBLASInt>(i); };
  const PetscBLASInt bm = small(m);
  const PetscBLASInt bn = small(n);
  const PetscBLASInt bk = small(k);
  const PetscBLASInt la = small(lda);
  const PetscBLASInt lb = small(ldb);
  const PetscBLASInt lc = small(ldc);
  if (m == 0 || n == 0) return;
  BLASgemm_(&op_a, &op_b, &bm, &bn, &bk, &alpha, a, &la, b, &lb, &beta, c, &lc);
}

/// B with B^T gram B = 1; directions that are rounding are left out.
Matrix whitening_of(const Matrix& gram) {
  const Eigen::VectorXd scale =
      gram.diagonal().unaryExpr([](double d) { return d > 0 ? 1 / std::sqrt(d) : 0; });
  const Matrix scaled = scale.asDiagonal() * gram * scale.asDiagonal();
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(scaled);
  constexpr double dependent = 1e-13;
  Index dropped = 0;
  while (dropped < scaled.rows() && solver.eigenvalues()[dropped] <= dependent) ++dropped;
  const Index kept = scaled.rows() - dropped;
  return scale.asDiagonal() * solver.eigenvectors().rightCols(kept) *
         solver.eigenvalues().tail(kept).cwiseSqrt().cwiseInverse().asDiagonal();
}

} // namespace

BlockLobpcg::BlockLobpcg(MPI_Comm comm, BlockOperator& op, std::size_t rows, int block)
    : comm_(comm), op_(op), rows_(rows), block_(block),
      basis_(rows * 3 * static_cast<std::size_t>(block), 0),
      image_(rows * static_cast<std::size_t>(block), 0) {}

BlockView BlockLobpcg::columns(int first, int count) {
  return {basis_.data() + first, rows_, count, 3 * block_};
}

Matrix BlockLobpcg::agreed(Matrix matrix) const {
  // One rank's sums count for all: ranks that differ in the last bit could take different paths.
  const auto size = static_cast<int>(matrix.size());
  MPI_Allreduce(MPI_IN_PLACE, matrix.data(), size, MPI_DOUBLE, MPI_SUM, comm_);
  MPI_Bcast(matrix.data(), size, MPI_DOUBLE, 0, comm_);
  return matrix;
}

Matrix BlockLobpcg::product(int a, int m, BlockView other) const {
  Matrix c = Matrix::Zero(m, other.columns);
  // Few rows at a time: the sums stay as accurate as they are short.
  constexpr std::size_t rows_at_once = 16 * chunk_rows;
  for (std::size_t row = 0; row < rows_; row += rows_at_once) {
    const auto count = static_cast<Index>(std::min(rows_at_once, rows_ - row));
    const auto ld = 3 * static_cast<std::size_t>(block_);
    gemm('N', 'T', m, other.columns, count, 1,
         basis_.data() + row * ld + static_cast<std::size_t>(a), 3 * block_,
         other.data + row * static_cast<std::size_t>(other.stride), other.stride, 1, c.data(), m);
  }
  return agreed(std::move(c));
}

void BlockLobpcg::subtract(int to, const Matrix& c) {
  for (std::size_t row = 0; row < rows_; row += chunk_rows) {
    const auto count = static_cast<Index>(std::min(chunk_rows, rows_ - row));
    double* const data = basis_.data() + row * 3 * static_cast<std::size_t>(block_);
    gemm('T', 'N', c.cols(), count, c.rows(), -1, c.data(), c.rows(), data, 3 * block_, 1,
         data + to, 3 * block_);
  }
}

void BlockLobpcg::replace(const Matrix& c) {
  std::vector<double> result(chunk_rows * static_cast<std::size_t>(c.cols()));
  for (std::size_t row = 0; row < rows_; row += chunk_rows) {
    const auto count = static_cast<Index>(std::min(chunk_rows, rows_ - row));
    double* const data = basis_.data() + row * 3 * static_cast<std::size_t>(block_);
    gemm('T', 'N', c.cols(), count, c.rows(), 1, c.data(), c.rows(), data, 3 * block_, 0,
         result.data(), c.cols());
    for (Index i = 0; i < count; ++i) {
      std::copy_n(result.data() + i * c.cols(), c.cols(), data + i * 3 * block_);
    }
  }
}

/// X orthonormal and made of Ritz vectors; P is forgotten.
void BlockLobpcg::refresh() {
  directions_ = 0;
  const Matrix whitening = whitening_of(product(0, block_, columns(0, block_)));
  const auto kept = static_cast<int>(whitening.cols());
  Matrix padded = Matrix::Zero(block_, block_);
  padded.leftCols(kept) = whitening;
  replace(padded);
  values_.assign(static_cast<std::size_t>(block_), std::numeric_limits<double>::max());
  residuals_known_ = false;
  missing_ = block_ - kept;
  if (kept == 0) return;
  const BlockView image{image_.data(), rows_, kept, block_};
  op_.apply(columns(0, kept), image);
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(product(0, kept, image));
  padded.setZero();
  padded.topLeftCorner(kept, kept) = solver.eigenvectors();
  replace(padded);
  std::copy_n(solver.eigenvalues().data(), kept, values_.begin());
  projected_ = solver.eigenvalues().asDiagonal();
}

void BlockLobpcg::begin(std::int64_t first_row) {
  refresh();
  // Smooth random vectors stand in for what the start lacks.
  const base::Random random(20220912);
  for (int attempt = 0; missing_ > 0 && attempt < 3; ++attempt) {
    const int kept = block_ - missing_;
    const BlockView fresh = columns(kept, missing_);
    for (std::size_t i = 0; i < rows_; ++i) {
      for (int j = 0; j < missing_; ++j) {
        const auto counter = (static_cast<std::uint64_t>(first_row) + i) * 1024 +
                             static_cast<std::uint64_t>(attempt * block_ + kept + j);
        fresh.data[i * static_cast<std::size_t>(fresh.stride) + static_cast<std::size_t>(j)] =
            random.uniform(counter) - 0.5;
      }
    }
    op_.precondition(fresh, fresh);
    refresh();
  }
}

const std::vector<double>& BlockLobpcg::residuals() {
  if (residuals_known_) return residuals_;
  const BlockView image{image_.data(), rows_, block_, block_};
  op_.apply(columns(0, block_), image);
  std::vector<double> sums(static_cast<std::size_t>(block_), 0);
  for (std::size_t i = 0; i < rows_; ++i) {
    double* const r = image_.data() + i * static_cast<std::size_t>(block_);
    const double* const x = basis_.data() + i * 3 * static_cast<std::size_t>(block_);
    for (std::size_t j = 0; j < sums.size(); ++j) {
      r[j] -= values_[j] * x[j];
      sums[j] += r[j] * r[j];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), block_, MPI_DOUBLE, MPI_SUM, comm_);
  MPI_Bcast(sums.data(), block_, MPI_DOUBLE, 0, comm_);
  residuals_.resize(sums.size());
  std::transform(sums.begin(), sums.end(), residuals_.begin(),
                 [](double sum) { return std::sqrt(sum); });
  residuals_known_ = true;
  return residuals_;
}

/// Removes from W = columns [used, used + count) what lies in the columns before it.
Matrix BlockLobpcg::orthogonalise(int used, int count) {
  constexpr int passes = 3;
  constexpr double cancelled = 1e-6; // squared: more than three digits lost, so once again
  for (int pass = 1;; ++pass) {
    const Matrix overlap = product(0, used + count, columns(used, count));
    const Matrix before = overlap.bottomRows(count);
    const Matrix shared = overlap.topRows(used);
    subtract(used, shared);
    const Matrix after = product(used, count, columns(used, count));
    const bool clean = (after.diagonal().array() >= cancelled * before.diagonal().array()).all();
    if (clean || pass == passes) return after;
  }
}

void BlockLobpcg::step(const std::vector<bool>& done) {
  residuals();
  std::vector<int> active;
  for (int j = 0; j < block_; ++j) {
    if (!done[static_cast<std::size_t>(j)]) active.push_back(j);
  }
  const auto count = static_cast<int>(active.size());
  const int used = block_ + directions_;
  const BlockView fresh = columns(used, count);
  for (std::size_t i = 0; i < rows_; ++i) {
    double* const to = fresh.data + i * static_cast<std::size_t>(fresh.stride);
    const double* const from = image_.data() + i * static_cast<std::size_t>(block_);
    for (int j = 0; j < count; ++j) to[j] = from[active[static_cast<std::size_t>(j)]];
  }
  op_.precondition(fresh, fresh);
  const Matrix whitening = whitening_of(orthogonalise(used, count));

  const BlockView image{image_.data(), rows_, count, block_};
  op_.apply(fresh, image);
  const Matrix mixed = product(0, used + count, image);
  const Index kept = whitening.cols();
  const Index size = used + kept;
  Matrix projected(size, size);
  projected.topLeftCorner(used, used) = projected_;
  projected.topRightCorner(used, kept) = mixed.topRows(used) * whitening;
  projected.bottomLeftCorner(kept, used) = projected.topRightCorner(used, kept).transpose();
  const Matrix corner = whitening.transpose() * mixed.bottomRows(count) * whitening;
  projected.bottomRightCorner(kept, kept) = 0.5 * (corner + corner.transpose());
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(projected);

  const Matrix vectors = solver.eigenvectors().leftCols(block_);
  Matrix basis(size, block_ + count);
  basis.leftCols(block_) = vectors;
  int directions = 0;
  for (const int j : active) { // the part of each new vector outside the old ones
    Eigen::VectorXd p = vectors.col(j);
    p.head(block_).setZero();
    const double length = p.norm();
    for (int twice = 0; twice < 2; ++twice) {
      const auto found = basis.leftCols(block_ + directions);
      p -= found * (found.transpose() * p).eval();
    }
    if (p.norm() <= 1e-8 * length || length == 0) continue;
    basis.col(block_ + directions++) = p.normalized();
  }
  const Matrix chosen = basis.leftCols(block_ + directions);
  Matrix coefficients(used + count, chosen.cols());
  coefficients.topRows(used) = chosen.topRows(used);
  coefficients.bottomRows(count) = whitening * chosen.bottomRows(kept);
  replace(coefficients);
  projected_ = chosen.transpose() * projected * chosen;
  directions_ = directions;
  std::copy_n(solver.eigenvalues().data(), block_, values_.begin());
  residuals_known_ = false;
  constexpr int refresh_every = 15; // before rounding tilts the basis
  if (++steps_ % refresh_every == 0) refresh();
}

} // namespace komori::linalg
