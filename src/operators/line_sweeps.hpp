/// Symmetric block Gauss-Seidel along the lines of a grid: a preconditioner for s - L, and for its
/// restriction to functions of mean 0 on every line, where noise acts along one axis and transport
/// along the others.
///
/// With D the tridiagonal blocks of the lines and -E, -F what couples a line to earlier and later
/// ones, M = (D - E) D^-1 (D - F). Transport with upwinding is triangular in the order of lines for
/// each sign of the velocity, so that both sweeps together follow it whatever the cells' width:
/// iterations hardly grow with the grid, or with the ranks it is cut among (`SweepBorder`). On
/// functions of mean 0 every D is bordered,
///
///   [ D    c ] [x]   [b]
///   [ r^T  0 ] [y] = [0],
///
/// as is the system itself, so that modes which P holds are left out of the sweeps as well.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include <petscmat.h>

#include "models/sde.hpp"
#include "operators/line_factors.hpp"
#include "operators/projection.hpp"
#include "operators/sweep_border.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// The rows of a matrix of type aij, or of its transpose. Collective.
base::UniqueMat rows_of(Mat entries, bool transposed);

/// The sweeps, on all ranks together.
class LineSweeps {
public:
  /// Of s - L, or its transpose, whose `rows` are those of L, or of its transpose. With a
  /// projection whose parts are the lines (`parts_are_lines`), of its restriction to the
  /// complement. Collective.
  LineSweeps(Mat rows, double shift, const spaces::Grid& grid, int axis,
             const Projection* projection, bool transposed);

  /// x = M^-1 b; of a restriction, x is in the range of Q to round-off. Collective.
  void apply(std::span<const double> b, std::span<double> x);
  /// y becomes Q (a x + b y), or Q^T of it; needs a projection. Local.
  void complement(double a, std::span<const double> x, double b, std::span<double> y);

  const Lines& lines() const noexcept { return lines_; }
  const SweepBorder& border() const noexcept { return border_; }
  const LineFactors& factors() const noexcept { return factors_; }

private:
  void add_shares(const Projection& projection);
  void eliminate_borders();
  /// y_j = b_j, which may be y_j itself, or 0 without b, + what couples the line to others. Local.
  void gather(const LineCouplings& couplings, PetscInt line, const double* x, const double* b,
              double* y) const;
  /// D^-1 of a line's right side, in place. Local.
  void solve_line(PetscInt line, double* x) const;
  void subtract_borders(PetscInt line, double* x) const;
  /// r . x over a line.
  double seen(PetscInt line, const double* x) const;

  Lines lines_;
  SweepBorder border_;
  SweepExchange<double> exchange_;
  LineFactors factors_;
  bool transposed_ = false;
  std::vector<double> work_; ///< a line
};

/// The only axis along which noise acts: sweeps along it precondition well. Local.
std::optional<int> noisy_axis(const models::Sde& sde);

/// Every part of the projection is a line, and no line is cut between ranks. Collective.
bool parts_are_lines(const Projection& projection, const Lines& lines);

} // namespace komori::operators
