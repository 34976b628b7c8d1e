/// Geometric multigrid for symmetric stencils, on all columns of a block at once.
///
/// One V-cycle: red-black Gauss-Seidel on every level, once before and twice after the coarser
/// ones, coarse stencils from pairs of cells (coarsening.hpp), a sparse factorisation of the
/// coarsest one on every rank. Axes are coarsened while their couplings are among the strongest, so
/// that anisotropy and graded grids are met by point smoothing. Works in single precision: it
/// serves as a preconditioner.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "linalg/block_operator.hpp"
#include "operators/stencil.hpp"

namespace komori::operators {

class CoarsestSolver;

/// The stencil's product and the cycle that approximates the inverse of A - shift.
class BlockMultigrid final : public linalg::BlockOperator {
public:
  /// `shift` < 0, or 0 where A is definite. Takes over the stencil. Collective.
  BlockMultigrid(SymmetricStencil stencil, double shift, Form form = Form::symmetric);
  ~BlockMultigrid() override;

  void apply(linalg::BlockView x, linalg::BlockView y) override;
  void precondition(linalg::BlockView r, linalg::BlockView z) override;
  std::string describe() const override;
  const SymmetricStencil& stencil() const noexcept { return stencil_; }

private:
  struct Level;
  void build(double shift);
  template <int width> void cycle(linalg::BlockView r, linalg::BlockView z);
  template <int width> void descend(std::size_t l);

  SymmetricStencil stencil_;
  Form form_;
  StencilProduct product_;
  double scale_ = 1; ///< the cycle works on A * scale, so that floats do not overflow
  std::vector<std::unique_ptr<Level>> levels_;
  std::unique_ptr<CoarsestSolver> coarsest_;
};

/// A as a matrix without entries, for SLEPc, that carries `op` for the solvers that know blocks.
/// Collective.
base::UniqueMat shell_matrix(const spaces::Grid& grid, std::shared_ptr<BlockMultigrid> op);

} // namespace komori::operators
