/// What a result says of the boxes of a cover.
#pragma once

#include <cstdint>
#include <string>

#include "io/result_file.hpp"
#include "operators/cover.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// By what factor the number of boxes grew per bisection, over the last half of them (a multiple
/// of the dimension, so that all coordinates count alike). Local.
double growth(const operators::Cover& cover);

/// Box-counting dimension from that growth: dimension of space times log2 of it. Local.
double box_dimension(const operators::Cover& cover);

/// "12345 of 2^30 boxes, dimension about 1.26". Local.
std::string describe(const operators::Cover& cover);

/// What there is to say of boxes that too few sample points have missed; empty if nothing. Local.
std::string missing(const operators::Cover& cover, std::int64_t samples);

/// Writes /cover: {centres[n, d], indices[n, d], radii[d], counts}. `grid` is that of the boxes;
/// `largest_cut` of the matrix on them. Collective.
void write_cover(const operators::Cover& cover, const spaces::Grid& grid, double largest_cut,
                 io::ResultFile& file);

} // namespace komori::analyses
