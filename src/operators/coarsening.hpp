/// Coarser symmetric stencils by pairing cells along one axis, and the transfer between the two.
///
/// In terms of conductances c_ij = m_i r_ij of the reversible process: masses and parallel
/// conductances of a pair add up; along the axis of the pair, resistances from centre to centre add
/// up, so that in one dimension the coarse process has the exact fluxes of the fine one. Functions
/// are interpolated linearly in resistance along the axis (Alcouffe, Brandt, Dendy, Painter, SIAM
/// J. Sci. Stat. Comput. 2, 1981), which keeps the constants, whatever the masses.
#pragma once

#include <vector>

#include "operators/stencil.hpp"

namespace komori::operators {

/// Weights of a fine cell for its own pair and for the pair next to it on the side away from its
/// partner; padded arrays with ghosts along the axis of the pairs.
struct TransferWeights {
  std::vector<float> own;
  std::vector<float> other;
};

/// Interpolation from the pairs that `coarse` has on `axis` to the cells of `fine`, and its adjoint
/// in the inner product of the form.
struct Transfer {
  int axis = 0;
  spaces::PaddedBlock fine;
  spaces::PaddedBlock coarse;
  TransferWeights up;   ///< from coarse to fine
  TransferWeights down; ///< from fine to coarse; empty: those of `up`
  const TransferWeights& restriction() const { return down.own.empty() ? up : down; }
};

/// The stencil on pairs of cells along `axis`; the interpolation is added to `transfers`.
/// Collective.
SymmetricStencil paired(const SymmetricStencil& fine, int axis, Form form,
                        std::vector<Transfer>& transfers);

} // namespace komori::operators
