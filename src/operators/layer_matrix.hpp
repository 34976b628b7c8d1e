/// The operators between the layers of a network, M(n,n+1) and N(n+1,n), as distributed matrices.
///
/// (Venturi and Li, Res. Math. Sci. 10, 2023.)
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/petsc.hpp"
#include "models/network.hpp"
#include "operators/layer_kernel.hpp"
#include "operators/layer_space.hpp"
#include "operators/ulam.hpp"

namespace komori::operators {

/// M(n,n+1): rows are points of layer n, columns points of layer n+1.
struct LayerMatrix {
  base::UniqueMat matrix;
  std::int64_t nonzeros = 0;
  double largest_leak = 0; ///< 1 - the least row sum: what the range of layer n+1 misses
};

/// Assembles the rows of this rank's points. Throws InputError as LayerKernel does, and Stopped
/// where a signal asks for it. Collective.
LayerMatrix assemble_layer(const models::NetworkLayer& layer, const LayerSpace& from,
                           const LayerSpace& to, Integrand integrand,
                           const UlamContinuation& continuation = {});

/// v = M u: expectations one layer back. Collective.
void apply_composition(Mat matrix, Vec u, Vec v);
/// q = N p = W_to^-1 M^T W_from p: densities one layer on; M^* in the inner products of the two
/// layers. Collective.
void apply_transfer(Mat matrix, Vec weights_from, Vec weights_to, Vec p, Vec q);

/// (M u)(x) at any point, the last step exact at x: sum of products of weights with values of u,
/// each rank its own values. `points` is [count][inputs]; the answer is on every rank. Collective.
std::vector<double> composition_at(const models::NetworkLayer& layer, const LayerSpace& from,
                                   const LayerSpace& to, Vec u, std::span<const double> points,
                                   Integrand integrand = Integrand::polynomials);

/// Adds to `masses` what points of layer n, each of probability `mass`, send to the cells around
/// the points of layer n+1: N p of a density p that is no function but a sum of points, nothing of
/// which is smeared over cells of layer n. `points` is [count][inputs], the same on every rank;
/// each rank fills its own part of `masses`, laid out as the vectors of `to`. Local.
void add_transferred(LayerKernel& kernel, const LayerSpace& to, std::span<const double> points,
                     double mass, std::span<double> masses);

} // namespace komori::operators
