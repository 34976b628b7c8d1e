/// The cells of many points on an axis of equal cells. Internal to models.
#pragma once

#include <span>

namespace komori::models {

struct EqualCells {
  double from = 0;
  double scale = 1; ///< 1 / width
  double cells = 1; ///< a whole number
  bool periodic = false;
};

/// Adds stride * (cell of image s, wrapped) to columns[s]; makes it -infinity where the image is
/// not finite, outside a bounded axis, or too far away to tell. Columns are whole numbers. Local.
void add_equal_cells(const EqualCells& axis, std::span<const double> images, double stride,
                     std::span<double> columns);

} // namespace komori::models
