/// A chain of layers shrunk to matrices between the functions its projections resolve.
#pragma once

#include <memory>
#include <vector>

#include "operators/layer_chain.hpp"

namespace komori::operators {

/// Row by row.
struct SmallMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> values{};
};

/// omega[n][l]: coefficients at layer n from those of layer n + l + 1, on orthonormal functions:
/// <phi_i, M_n Q M_{n+1} ... Q M_{n+l} phi_j>. With all lags c_n = sum_l omega[n][l] c_{n+l+1} is
/// exact where the observable is resolved at the outputs.
struct ReducedChain {
  std::vector<std::vector<SmallMatrix>> omega{};
  /// By lags of memory kept, 0 .. depth - 1: what the error of the coefficients at layer 0 cannot
  /// exceed, from the norms of the terms left out at every layer and the norms of the products of
  /// reduced layers that carry them on, and the true error, both over ||P g_0||; of several
  /// observables as one vector.
  std::vector<double> predicted{};
  std::vector<double> measured{};
  double unresolved = 0; ///< ||Q g_0|| / ||g_0||
  /// By lags, the observables at layer 0 as the reduced layers have them.
  std::vector<std::vector<base::UniqueVec>> inputs{};
};

/// All projections must have functions. Several observables of the last layer are reduced alike.
/// Collective.
ReducedChain reduce(const LayerChain& chain,
                    const std::vector<std::unique_ptr<LayerProjection>>& projections,
                    const std::vector<base::UniqueVec>& observables);

} // namespace komori::operators
