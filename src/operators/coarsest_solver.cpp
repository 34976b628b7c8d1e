#include "operators/coarsest_solver.hpp"

#include <algorithm>
#include <numeric>

#include <Eigen/SparseLU>

#include "base/error.hpp"

namespace komori::operators {
namespace {

using spaces::Index;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

} // namespace

struct CoarsestSolver::Factor {
  Eigen::SparseLU<Eigen::SparseMatrix<double>> lu; ///< functions are not in a symmetric form
};

CoarsestSolver::CoarsestSolver(const SymmetricStencil& stencil, Form form, double shift,
                               double scale)
    : block_(stencil.block), factor_(std::make_unique<Factor>()) {
  int ranks = 1;
  int rank = 0;
  MPI_Comm_size(block_.comm(), &ranks);
  MPI_Comm_rank(block_.comm(), &rank);
  counts_.resize(at(ranks));
  const int own = static_cast<int>(block_.cells());
  MPI_Allgather(&own, 1, MPI_INT, counts_.data(), 1, MPI_INT, block_.comm());
  const int first = std::accumulate(counts_.begin(), counts_.begin() + rank, 0);
  const int total = std::accumulate(counts_.begin(), counts_.end(), 0);

  const auto run = static_cast<std::size_t>(block_.count(block_.dimension() - 1));
  std::vector<double> number(block_.padded_cells(), -1);
  block_.for_each_run([&](std::size_t position, const Index&, std::size_t row) {
    for (std::size_t c = 0; c < run; ++c) {
      number[position + c] = first + static_cast<double>(row + c);
    }
  });
  const spaces::GhostExchange exchange(block_, MPI_DOUBLE, 1);
  exchange(number.data());
  // Every rank needs all rows: (row, column, value) as doubles, which hold such small indices.
  std::vector<double> entries;
  block_.for_each_run([&](std::size_t position, const Index&, std::size_t) {
    for (std::size_t i = position; i < position + run; ++i) {
      const double entry = (stencil.diagonal[i] - shift) * scale;
      entries.insert(entries.end(), {number[i], number[i], entry > 0 ? entry : 1});
      for (int k = 0; k < block_.dimension(); ++k) {
        const auto stride = static_cast<std::size_t>(block_.stride(k));
        const auto add = [&](std::size_t other, double coupling) {
          if (coupling == 0) return;
          entries.insert(entries.end(), {number[i], number[other], -coupling * scale});
        };
        const bool functions = form == Form::functions;
        const std::size_t below = i - stride;
        add(i + stride, stencil.coupling[at(k)][i] * (functions ? stencil.ratio[at(k)][i] : 1));
        add(below, stencil.coupling[at(k)][below] / (functions ? stencil.ratio[at(k)][below] : 1));
      }
    }
  });
  std::vector<int> sizes(at(ranks));
  const int size = static_cast<int>(entries.size());
  MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, block_.comm());
  std::vector<int> starts(at(ranks), 0);
  std::partial_sum(sizes.begin(), sizes.end() - 1, starts.begin() + 1);
  std::vector<double> all(at(starts.back() + sizes.back()));
  MPI_Allgatherv(entries.data(), size, MPI_DOUBLE, all.data(), sizes.data(), starts.data(),
                 MPI_DOUBLE, block_.comm());
  std::vector<Eigen::Triplet<double>> triplets;
  for (std::size_t i = 0; i < all.size(); i += 3) {
    triplets.emplace_back(static_cast<int>(all[i]), static_cast<int>(all[i + 1]), all[i + 2]);
  }
  Eigen::SparseMatrix<double> matrix(total, total);
  matrix.setFromTriplets(triplets.begin(), triplets.end());
  factor_->lu.compute(matrix);
  if (factor_->lu.info() != Eigen::Success) { // alike on all ranks: they factorise the same
    throw base::ConvergenceError("the coarsest grid of the multigrid preconditioner is singular; "
                                 "use 'solver: direct'");
  }
}

CoarsestSolver::~CoarsestSolver() = default;

template <int width> void CoarsestSolver::solve(Field& field) {
  const auto run = static_cast<std::size_t>(block_.count(block_.dimension() - 1));
  std::vector<float> own(block_.cells() * width);
  block_.for_each_run([&](std::size_t position, const Index&, std::size_t row) {
    std::copy_n(field.data() + position * width, run * width, own.data() + row * width);
  });
  std::vector<int> sizes;
  std::vector<int> starts;
  int total = 0;
  for (const int count : counts_) {
    sizes.push_back(count * width);
    starts.push_back(total * width);
    total += count;
  }
  using Rows =
      Eigen::Matrix<float, Eigen::Dynamic, width, width == 1 ? Eigen::ColMajor : Eigen::RowMajor>;
  Rows all(total, width);
  MPI_Allgatherv(own.data(), static_cast<int>(own.size()), MPI_FLOAT, all.data(), sizes.data(),
                 starts.data(), MPI_FLOAT, block_.comm());
  const Eigen::MatrixXd sides = all.template cast<double>();
  const Eigen::MatrixXd solutions = factor_->lu.solve(sides);
  all = solutions.template cast<float>();
  int rank = 0;
  MPI_Comm_rank(block_.comm(), &rank);
  const float* const mine = all.data() + starts[at(rank)];
  block_.for_each_run([&](std::size_t position, const Index&, std::size_t row) {
    std::copy_n(mine + row * width, run * width, field.data() + position * width);
  });
}

template void CoarsestSolver::solve<1>(Field&);
template void CoarsestSolver::solve<4>(Field&);
template void CoarsestSolver::solve<8>(Field&);
template void CoarsestSolver::solve<16>(Field&);

} // namespace komori::operators
