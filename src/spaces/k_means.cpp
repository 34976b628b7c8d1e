#include "spaces/k_means.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"

namespace komori::spaces {
namespace {

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double square = 0;
  for (std::size_t k = 0; k < a.size(); ++k) square += (a[k] - b[k]) * (a[k] - b[k]);
  return square;
}

/// Each next centre is a point chosen with a probability like its squared distance to the others.
Draw first_centers(const Draw& points, std::size_t count) {
  const base::Random random(0x6b6d65616e73);
  Draw centers;
  std::vector<double> nearest(points.size(), std::numeric_limits<double>::infinity());
  std::size_t next =
      static_cast<std::size_t>(random.uniform(0) * static_cast<double>(points.size()));
  while (true) {
    centers.push_back(points[next]);
    double total = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      nearest[i] = std::min(nearest[i], distance(points[i], centers.back()));
      total += nearest[i];
    }
    if (centers.size() == count) return centers;
    if (!(total > 0)) {
      throw base::InputError(fmt::format("'dictionary.functions' asks for {} centres, but only {} "
                                         "of the samples looked at differ; "
                                         "lower it",
                                         count, centers.size()));
    }
    double left = random.uniform(centers.size()) * total;
    next = points.size();
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (nearest[i] == 0) continue;
      next = i;
      left -= nearest[i];
      if (left <= 0) break;
    }
  }
}

} // namespace

Draw k_means(const Draw& points, std::size_t count) {
  if (points.size() < count) {
    throw base::InputError(fmt::format("'dictionary.functions' asks for {} centres, but there are "
                                       "only {} samples; lower it",
                                       count, points.size()));
  }
  constexpr int most_iterations = 30;
  Draw centers = first_centers(points, count);
  const std::size_t d = points.front().size();
  for (int iteration = 0; iteration < most_iterations; ++iteration) {
    Draw sums(count, std::vector<double>(d, 0.0));
    std::vector<double> members(count, 0.0);
    for (const std::vector<double>& point : points) {
      std::size_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t c = 0; c < count; ++c) {
        const double square = distance(point, centers[c]);
        if (square < least) {
          least = square;
          best = c;
        }
      }
      for (std::size_t k = 0; k < d; ++k) sums[best][k] += point[k];
      members[best] += 1;
    }
    double moved = 0;
    double spread = 0;
    for (std::size_t c = 0; c < count; ++c) {
      if (members[c] == 0) continue; // keeps its place
      for (double& value : sums[c]) value /= members[c];
      moved += distance(sums[c], centers[c]);
      spread += distance(sums[c], sums[0]);
      centers[c] = sums[c];
    }
    if (moved <= 1e-8 * spread) break;
  }
  return centers;
}

} // namespace komori::spaces
