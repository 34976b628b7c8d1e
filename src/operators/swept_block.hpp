/// s - L on the complement of a projection onto lines of a grid, for several vectors at once:
/// products and sweeps read the matrix once for all of them, and a recursion
/// along a line, which bounds a sweep for one vector, runs in all of them side by side.
#pragma once

#include <span>
#include <vector>

#include <petscsf.h>

#include "base/petsc.hpp"
#include "linalg/lane_gmres.hpp"
#include "operators/line_sweeps.hpp"
#include "operators/swept_solver.hpp"

namespace komori::operators {

class LocalRows;

class SweptBlock final : public linalg::LaneOperator {
public:
  /// The projection's parts are the lines (`parts_are_lines`), whole on one rank. What `system`
  /// refers to must outlive it. Collective.
  explicit SweptBlock(const SweptSystem& system);
  MPI_Comm comm() const override { return system_.grid->comm(); }
  std::size_t rows() const override { return rows_; }
  double shift() const override { return system_.shift; }
  std::span<const PetscInt> places() const override { return places_; }
  void product(bool transposed, const linalg::WideLaneVectors& x, const Take& take) override;
  void precondition(bool transposed, const linalg::LaneVectors& b,
                    linalg::WideLaneVectors& x) override;

private:
  using UniqueSf = base::Handle<PetscSF, PetscSFDestroy>;
  /// Rows of s - L in the order of lines, and what other ranks hold of the columns.
  struct Rows {
    std::vector<PetscInt> starts{0};
    std::vector<PetscInt> columns; ///< behind this rank's, those of others
    std::vector<double> values;
    UniqueSf ghosts;
    std::vector<base::WideLanes> received;
  };
  /// One of the two systems.
  struct Side {
    Side(const SweptSystem& system, bool transposed, const Lines& lines);
    Side(const SweptSystem& system, const base::UniqueMat& own, bool transposed,
         const Lines& lines);
    void read(const LocalRows& stored, double shift, const Lines& lines);
    LineSweeps sweeps;
    SweepExchange<base::WideLanes> exchange;
    /// r of the projection's border from cell `first` on, and its c; null: 1. Local.
    const double* weights(PetscInt first) const;
    const double* shares(PetscInt first) const;
    bool transposed;
    LineCouplings earlier; ///< in the order of lines
    LineCouplings later;
    Rows rows;
  };
  Side& side(bool transposed) { return transposed ? transposed_ : forward_; }
  void solve_line(const Side& side, PetscInt line, base::WideLanes* x) const;
  void complement_line(const Side& side, PetscInt line, base::WideLanes* x) const;

  SweptSystem system_;
  Lines lines_;
  std::size_t rows_;
  std::vector<PetscInt> places_;
  Side forward_;
  Side transposed_;
  std::vector<base::WideLanes> work_; ///< a line
};

} // namespace komori::operators
