/// Groups of values of one variable of a layer, whose probabilities are compared.
#pragma once

#include <span>
#include <vector>

#include "operators/layer_space.hpp"

namespace komori::analyses {

/// At most 12 groups between edges of pairs of cells: those of a grid with half as many, where
/// their number is even. Probabilities of such groups carry the error of the operators and none of
/// cells that are cut. Ascending, from one end of the range to the other. Local.
std::vector<double> bin_edges(const operators::LayerSpace& space, int k);

/// The probabilities between edges, which need not be those of cells: the probability of all below
/// an edge is a cubic polynomial between those of the four nearest edges of cells. Collective.
std::vector<double> bin_masses(const operators::LayerSpace& space, Vec density, int k,
                               std::span<const double> edges);

} // namespace komori::analyses
