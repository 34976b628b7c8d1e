/// M(n,n+1) without a matrix where noise is uniform: averages over boxes, by cumulative sums.
///
/// (M u)(x) is then the mean of u over the box F(x) + [-b, b]^N. With one value per cell that mean
/// is multilinear in F(x) between the places where a side of the box meets an edge of a cell. It is
/// tabulated there, axis by axis, from differences of cumulative sums, and interpolated at F(x):
/// 2^N terms, however many cells the box holds. Neurons without noise take the value of their cell.
/// Tables are cut among the ranks; each fetches what lies around its own points, and tabulates it
/// in tiles that a cache holds. (Summed-area tables: Crow, SIGGRAPH 1984.)
#pragma once

#include <memory>

#include "operators/layer_matrix.hpp"

namespace komori::operators {

/// Whether the noise of a neuron can be applied this way: uniform, or none. Local.
bool noise_of_boxes(const models::NeuronNoise& noise);

/// Room that products need while they run.
struct BoxScratch;
/// Products of several layers may use the same, as they run one after the other. Local.
std::shared_ptr<BoxScratch> make_box_scratch();

/// M(n,n+1) as a shell matrix with products and transposed products, in the layouts of `from` and
/// `to`, which has one point per cell; `nonzeros` is 0. The first three arguments must outlive it.
/// `scratch` is made as large as the products need it at once, so that the first of them takes as
/// long as any other. Throws InputError as LayerKernel does. Collective.
LayerMatrix box_layer(const models::NetworkLayer& layer, const LayerSpace& from,
                      const LayerSpace& to, std::shared_ptr<BoxScratch> scratch);

/// Whether a matrix is one of `box_layer`. Local.
bool is_box_layer(Mat matrix);
/// The least bytes that a product moves, by all ranks: every entry of both vectors and of what says
/// where points lie once, and the table before the last pass written and read once. Local.
double box_product_bytes(Mat matrix);
/// sum w_i M_ij^2 / w_j of such a matrix, the square of its Hilbert-Schmidt norm. Collective.
double box_hilbert_schmidt_squared(Mat matrix);

} // namespace komori::operators
