/// Passes over the vectors of a basis that read each of them once, in stretches of rows that stay
/// in the cache: what memory delivers bounds Krylov methods for one vector at a time.
#pragma once

#include <span>
#include <vector>

#include <Eigen/Core>
#include <mpi.h>

namespace komori::linalg {

/// This rank's entries of the vectors v_j, one pointer for each.
using Columns = std::vector<const double*>;

/// V^T W x and x^T W x; W is a diagonal, 1 where none is given.
struct Projections {
  Eigen::VectorXd along;
  double square = 0;
};

/// V^T [x, y]: one row for each vector. Collective.
Eigen::MatrixXd project_both(MPI_Comm comm, const Columns& basis, std::span<const double> x,
                             std::span<const double> y);
/// Takes from x what it has along an orthonormal basis, a second time where what is left is along
/// it by more than `orthogonality` of its own size. Returns what was taken, and the square of what
/// is left. Collective. (Giraud, Langou, Rozloznik, Comput. Math. Appl. 50, 2005: twice is enough.)
Projections orthogonalise(MPI_Comm comm, const Columns& basis, std::span<const double> weights,
                          std::span<double> x, double orthogonality);

} // namespace komori::linalg
