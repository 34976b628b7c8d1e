/// M(n,n+1) without a matrix where noise is uniform: averages over boxes, by cumulative sums.
///
/// (M u)(x) is then the mean of u over the box F(x) + [-b, b]^N. With one value per cell it is a
/// sum over the corners of the box of the integral of u up to there, which is multilinear between
/// the corners of cells: 4^N terms, however many cells the box holds. Neurons without noise take
/// the value of their cell. Nothing of global size is kept: blocks of cumulative sums go round the
/// ranks, and each adds what its own points see of them. (Summed-area tables: Crow, SIGGRAPH 1984.)
#pragma once

#include "operators/layer_matrix.hpp"

namespace komori::operators {

/// Whether the noise of a neuron can be applied this way: uniform, or none. Local.
bool noise_of_boxes(const models::NeuronNoise& noise);

/// M(n,n+1) as a shell matrix with products and transposed products, in the layouts of `from` and
/// `to`, which has one point per cell; `nonzeros` is 0. All three arguments must outlive it. Throws
/// InputError as LayerKernel does. Collective.
LayerMatrix box_layer(const models::NetworkLayer& layer, const LayerSpace& from,
                      const LayerSpace& to);

/// Whether a matrix is one of `box_layer`. Local.
bool is_box_layer(Mat matrix);
/// sum w_i M_ij^2 / w_j of such a matrix, the square of its Hilbert-Schmidt norm. Collective.
double box_hilbert_schmidt_squared(Mat matrix);

} // namespace komori::operators
