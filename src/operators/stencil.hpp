/// A symmetric operator that couples every cell to its neighbours along the axes, without a matrix.
///
/// A_ii = diagonal_i, A_ij = -coupling between i and j. For the symmetrised generator of a
/// reversible process with rates r: coupling = sqrt(r_ij r_ji), diagonal = sum_j r_ij + leak, and
/// ratio = sqrt(r_ij / r_ji) = sqrt(m_j / m_i), m the equilibrium masses.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/petsc.hpp"
#include "linalg/block_operator.hpp"
#include "operators/face_flux.hpp"
#include "spaces/padded_block.hpp"

namespace komori::operators {

/// What the vectors are: h of the symmetrised operator A, or functions u = h / sqrt(m), for which
/// the same operator is -G. Functions keep their relative accuracy where m underflows.
enum class Form { symmetric, functions };

/// The two coefficients between a cell and its upper neighbour.
struct FaceLink {
  double coupling = 0; ///< sqrt(r_ij r_ji), 1/time
  double ratio = 1;    ///< sqrt(r_ij / r_ji)
  /// Ratios beyond this belong to cells that no probability reaches.
  static constexpr double extreme = 1e100;
  /// The same with a ratio within bounds and the larger of the two rates as it was.
  FaceLink bounded() const {
    if (ratio > extreme) return {coupling * (ratio / extreme), extreme};
    if (ratio < 1 / extreme) return {coupling / (ratio * extreme), 1 / extreme};
    return *this;
  }
};

/// Coefficients in padded arrays: at a cell, for its upper neighbour on axis k; the lower ghosts
/// hold those of the cells below. At walls coupling is 0 and ratio 1.
struct SymmetricStencil {
  explicit SymmetricStencil(spaces::PaddedBlock layout);
  /// Fetches what neighbours hold of couplings and ratios on axis k. Collective.
  void update_ghosts(int k);

  spaces::PaddedBlock block;
  std::array<std::vector<double>, spaces::max_dimension> coupling; ///< 1/time
  std::array<std::vector<double>, spaces::max_dimension> ratio;
  /// Rate of leaving through absorbing walls across axis k, 1/time.
  std::array<std::vector<double>, spaces::max_dimension> leak;
  std::vector<double> diagonal; ///< 1/time

  /// The largest absolute row sum, 1/time. Collective.
  double norm() const;
  /// The same process, killed on leaving the cells where `kept` is not 0 (padded, with ghosts). The
  /// other cells are left without couplings. Local.
  SymmetricStencil killed_outside(const std::vector<float>& kept) const;
};

/// The symmetrised generator of an axis-aligned reversible process. Collective.
SymmetricStencil symmetric_stencil(const FaceFluxes& fluxes);

/// The same for the part of an axis-aligned process that holds detailed balance with the masses
/// exp(log_masses): flows m_i r_ij between cells are replaced by the mean of both ways. Of the
/// stationary process it is the symmetric part of the generator. No absorbing walls. Collective.
SymmetricStencil reversible_part(const FaceFluxes& fluxes, Vec log_masses);

/// y = A x on blocks of vectors.
class StencilProduct {
public:
  explicit StencilProduct(const SymmetricStencil& stencil, Form form = Form::symmetric)
      : stencil_(stencil), form_(form) {}
  /// Rows are this rank's cells in the grid's order. Collective.
  void apply(linalg::BlockView x, linalg::BlockView y);

private:
  template <int width> void apply_chunk(linalg::BlockView x, linalg::BlockView y);
  const SymmetricStencil& stencil_;
  Form form_;
  std::vector<double> padded_;
  std::array<std::unique_ptr<spaces::GhostExchange>, linalg::widest_chunk + 1> exchange_;
};

} // namespace komori::operators
