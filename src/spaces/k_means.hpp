/// Centres of clusters of points.
#pragma once

#include <cstddef>

#include "spaces/dictionary.hpp"

namespace komori::spaces {

/// `count` centres of the points by Lloyd's iteration from a seeded start (k-means++; Arthur and
/// Vassilvitskii, SODA 2007). Throws InputError where fewer points differ. Local.
Draw k_means(const Draw& points, std::size_t count);

} // namespace komori::spaces
