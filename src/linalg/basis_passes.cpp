#include "linalg/basis_passes.hpp"

#include <algorithm>
#include <array>

#include "base/vector_width.hpp"

namespace komori::linalg {
namespace {

using Eigen::Index;

/// Rows that are worked on together.
constexpr std::size_t stretch = 512;

struct AddProduct {
  [[gnu::always_inline]] static void run(const double* x, const double* y, std::size_t size,
                                         double* sum) {
    constexpr std::size_t chains = 16;
    std::array<double, chains> sums{};
    std::size_t i = 0;
    for (; i + chains <= size; i += chains) {
      for (std::size_t c = 0; c < chains; ++c) sums[c] += x[i + c] * y[i + c];
    }
    for (; i < size; ++i) sums[0] += x[i] * y[i];
    double whole = 0;
    for (const double part : sums) whole += part;
    *sum += whole;
  }
};

struct SubtractScaled {
  [[gnu::always_inline]] static void run(double factor, const double* x, double* y,
                                         std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) y[i] -= factor * x[i];
  }
};

template <class Body> void for_stretches(std::size_t rows, Body&& body) {
  for (std::size_t first = 0; first < rows; first += stretch) {
    body(first, std::min(stretch, rows - first));
  }
}

void subtract_stretch(const Columns& basis, const Eigen::VectorXd& factors, std::size_t first,
                      std::size_t size, double* x) {
  for (Index j = 0; j < factors.size(); ++j) {
    const double* const column = basis[static_cast<std::size_t>(j)] + first;
    base::run_widest<SubtractScaled>(factors[j], column, x + first, size);
  }
}

void add_products(const Columns& basis, std::size_t first, std::size_t size, const double* with,
                  double* sums) {
  for (const double* const column : basis) {
    base::run_widest<AddProduct>(column + first, with, size, sums++);
  }
}

void add_over_ranks(MPI_Comm comm, double* sums, Index count) {
  MPI_Allreduce(MPI_IN_PLACE, sums, static_cast<int>(count), MPI_DOUBLE, MPI_SUM, comm);
}

/// x -= V factors for those that there are, then the products of what is left.
Projections subtract_and_project(MPI_Comm comm, const Columns& basis,
                                 const Eigen::VectorXd& factors, std::span<const double> weights,
                                 std::span<double> x) {
  const auto count = static_cast<Index>(basis.size());
  Eigen::VectorXd sums = Eigen::VectorXd::Zero(count + 1);
  std::array<double, stretch> weighted{};
  for_stretches(x.size(), [&](std::size_t first, std::size_t size) {
    subtract_stretch(basis, factors, first, size, x.data());
    const double* const left = x.data() + first;
    const double* with = left;
    if (!weights.empty()) {
      for (std::size_t i = 0; i < size; ++i) weighted[i] = weights[first + i] * left[i];
      with = weighted.data();
    }
    add_products(basis, first, size, with, sums.data());
    base::run_widest<AddProduct>(left, with, size, sums.data() + count);
  });
  add_over_ranks(comm, sums.data(), sums.size());
  return {.along = sums.head(count), .square = sums[count]};
}

} // namespace

Eigen::MatrixXd project_both(MPI_Comm comm, const Columns& basis, std::span<const double> x,
                             std::span<const double> y) {
  Eigen::MatrixXd sums = Eigen::MatrixXd::Zero(static_cast<Index>(basis.size()), 2);
  for_stretches(x.size(), [&](std::size_t first, std::size_t size) {
    add_products(basis, first, size, x.data() + first, sums.col(0).data());
    add_products(basis, first, size, y.data() + first, sums.col(1).data());
  });
  add_over_ranks(comm, sums.data(), sums.size());
  return sums;
}

Projections orthogonalise(MPI_Comm comm, const Columns& basis, std::span<const double> weights,
                          std::span<double> x, double orthogonality) {
  Eigen::VectorXd taken = subtract_and_project(comm, basis, {}, weights, x).along;
  Projections left = subtract_and_project(comm, basis, taken, weights, x);
  // Rounding of the first time is magnified where little is left.
  if (left.along.squaredNorm() > orthogonality * orthogonality * left.square) {
    taken += left.along;
    left = subtract_and_project(comm, basis, left.along, weights, x);
  }
  return {.along = std::move(taken), .square = left.square};
}

} // namespace komori::linalg
