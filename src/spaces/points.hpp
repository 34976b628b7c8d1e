/// Many points at once, stored by coordinate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace komori::spaces {

/// `count` points: coordinate k of point i is x[k * count + i]. A view.
struct Points {
  std::span<const double> x;
  std::size_t count = 0;
  std::int64_t first = 0; ///< number of point 0 among all; the others follow

  int dimension() const noexcept { return count ? static_cast<int>(x.size() / count) : 0; }
  std::span<const double> column(int k) const {
    return x.subspan(static_cast<std::size_t>(k) * count, count);
  }
  /// All coordinates, as formulas take them.
  std::vector<std::span<const double>> columns() const {
    std::vector<std::span<const double>> all;
    for (int k = 0; k < dimension(); ++k) all.push_back(column(k));
    return all;
  }
  /// Copies point i to `point`.
  void get(std::size_t i, std::span<double> point) const {
    for (std::size_t k = 0; k < point.size(); ++k) point[k] = x[k * count + i];
  }
};

} // namespace komori::spaces
