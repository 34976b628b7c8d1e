/// How tests compare numbers, and how they see small distributed matrices whole.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include <Eigen/Dense>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/petsc.hpp"
#include "spaces/grid.hpp"

namespace komori::support {

/// Both parts are allowed together: |actual - expected| <= absolute + relative |expected|.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
};

/// Rounding of sums of up to some thousand terms of order one.
inline constexpr Tolerance round_off{1e-13, 1e-13};

inline testing::AssertionResult near(double actual, double expected, Tolerance tolerance) {
  const double allowed = tolerance.absolute + tolerance.relative * std::abs(expected);
  if (std::abs(actual - expected) <= allowed) return testing::AssertionSuccess();
  return testing::AssertionFailure() << actual << " differs from " << expected << " by "
                                     << actual - expected << ", allowed is " << allowed;
}

/// p of an error that falls like h^p, from the errors at h and h / ratio.
inline double order(double coarse, double fine, double ratio = 2) {
  return std::log(std::abs(coarse / fine)) / std::log(ratio);
}

/// The text of the Error that `body` throws with `code`, or a note that it did not.
inline std::string message_of(const std::function<void()>& body,
                              base::ExitCode code = base::ExitCode::input) {
  try {
    body();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "(no error)";
}

/// A distributed matrix as a dense one, rows and columns in the grid's natural order, on every
/// rank.
inline Eigen::MatrixXd dense(const spaces::Grid& grid, Mat matrix) {
  const auto natural = [&](PetscInt number) {
    return static_cast<Eigen::Index>(grid.natural(grid.cell(number)));
  };
  Eigen::MatrixXd whole = Eigen::MatrixXd::Zero(grid.cells(), grid.cells());
  PetscInt first = 0;
  PetscInt end = 0;
  base::check(MatGetOwnershipRange(matrix, &first, &end));
  for (PetscInt row = first; row < end; ++row) {
    PetscInt count = 0;
    const PetscInt* columns = nullptr;
    const PetscScalar* values = nullptr;
    base::check(MatGetRow(matrix, row, &count, &columns, &values));
    for (PetscInt i = 0; i < count; ++i) whole(natural(row), natural(columns[i])) += values[i];
    base::check(MatRestoreRow(matrix, row, &count, &columns, &values));
  }
  MPI_Allreduce(MPI_IN_PLACE, whole.data(), static_cast<int>(whole.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  return whole;
}

/// Eigenvalues of a symmetric tridiagonal matrix, ascending.
inline Eigen::VectorXd tridiagonal_eigenvalues(const Eigen::MatrixXd& matrix) {
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(matrix.diagonal(), matrix.diagonal<1>(), Eigen::EigenvaluesOnly);
  return solver.eigenvalues();
}

} // namespace komori::support
