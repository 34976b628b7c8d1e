#include "linalg/projected_block.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace komori::linalg {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

} // namespace

ProjectedBlock::ProjectedBlock(MPI_Comm comm, std::shared_ptr<BlockOperator> whole,
                               BlockBasis basis, std::size_t rows, double push)
    : comm_(comm), whole_(std::move(whole)), basis_(std::move(basis)), push_(push) {
  if (basis_.sparse) return;
  const auto count = static_cast<int>(basis_.count);
  std::vector<double> columns = basis_.values; // an operator may read beyond what is const
  solved_.assign(rows * at(count), 0.0);
  const BlockView solved{solved_.data(), rows, count, count};
  whole_->precondition({columns.data(), rows, count, count}, solved);
  const std::vector<double> gram = products(solved);
  Eigen::MatrixXd schur(count, count);
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) schur(i, j) = gram[at(i) * at(count) + at(j)];
  }
  schur_.compute(0.5 * (schur + schur.transpose()));
}

std::vector<double> ProjectedBlock::products(BlockView x) const {
  const auto columns = at(x.columns);
  std::vector<double> c(at(basis_.count) * columns, 0.0);
  for (std::size_t i = 0; i < x.rows; ++i) {
    const double* const row = x.data + i * at(x.stride);
    if (basis_.sparse) {
      double* const to = c.data() + at(basis_.part[i]) * columns;
      for (std::size_t j = 0; j < columns; ++j) to[j] += basis_.values[i] * row[j];
      continue;
    }
    const double* const values = basis_.values.data() + i * at(basis_.count);
    for (std::size_t p = 0; p < at(basis_.count); ++p) {
      double* const to = c.data() + p * columns;
      for (std::size_t j = 0; j < columns; ++j) to[j] += values[p] * row[j];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, c.data(), static_cast<int>(c.size()), MPI_DOUBLE, MPI_SUM, comm_);
  return c;
}

void ProjectedBlock::subtract(const std::vector<double>& c, BlockView x) const {
  const auto columns = at(x.columns);
  for (std::size_t i = 0; i < x.rows; ++i) {
    double* const row = x.data + i * at(x.stride);
    if (basis_.sparse) {
      const double* const from = c.data() + at(basis_.part[i]) * columns;
      for (std::size_t j = 0; j < columns; ++j) row[j] -= basis_.values[i] * from[j];
      continue;
    }
    const double* const values = basis_.values.data() + i * at(basis_.count);
    for (std::size_t p = 0; p < at(basis_.count); ++p) {
      const double* const from = c.data() + p * columns;
      for (std::size_t j = 0; j < columns; ++j) row[j] -= values[p] * from[j];
    }
  }
}

void ProjectedBlock::apply(BlockView x, BlockView y) {
  const auto columns = at(x.columns);
  copy_.resize(x.rows * columns);
  for (std::size_t i = 0; i < x.rows; ++i) {
    std::copy_n(x.data + i * at(x.stride), columns, copy_.data() + i * columns);
  }
  const BlockView complement{copy_.data(), x.rows, x.columns, x.columns};
  std::vector<double> inside = products(x);
  subtract(inside, complement);
  whole_->apply(complement, y);
  std::vector<double> back = products(y);
  for (std::size_t i = 0; i < back.size(); ++i) back[i] -= push_ * inside[i];
  subtract(back, y);
}

void ProjectedBlock::precondition(BlockView r, BlockView z) {
  // On the space itself the operator is `push`, and so the inverse is known.
  std::vector<double> outside = products(r);
  for (double& c : outside) c /= -push_;
  if (basis_.sparse) {
    const auto columns = at(r.columns);
    copy_.resize(r.rows * columns);
    for (std::size_t i = 0; i < r.rows; ++i) {
      std::copy_n(r.data + i * at(r.stride), columns, copy_.data() + i * columns);
    }
    const BlockView complement{copy_.data(), r.rows, r.columns, r.columns};
    subtract(products(complement), complement);
    whole_->precondition(complement, z);
  } else {
    whole_->precondition(r, z);
    const std::vector<double> inside = products(z);
    Eigen::MatrixXd c(basis_.count, r.columns);
    for (Eigen::Index p = 0; p < c.rows(); ++p) {
      for (Eigen::Index j = 0; j < c.cols(); ++j) c(p, j) = inside[at(p) * at(r.columns) + at(j)];
    }
    c = schur_.solve(c).eval();
    for (std::size_t i = 0; i < z.rows; ++i) {
      double* const row = z.data + i * at(z.stride);
      for (std::size_t p = 0; p < at(basis_.count); ++p) {
        const double value = solved_[i * at(basis_.count) + p];
        for (int j = 0; j < z.columns; ++j) {
          row[j] -= value * c(static_cast<Eigen::Index>(p), j);
        }
      }
    }
  }
  std::vector<double> rest = products(z);
  for (std::size_t i = 0; i < rest.size(); ++i) rest[i] += outside[i];
  subtract(rest, z);
}

std::string ProjectedBlock::describe() const {
  return fmt::format("{}, on the complement of {} functions", whole_->describe(), basis_.count);
}

} // namespace komori::linalg
