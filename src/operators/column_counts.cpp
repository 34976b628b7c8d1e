#include "operators/column_counts.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

/// The largest of the bits of numbers, and one that is negative if any is.
struct Extremes {
  std::int64_t largest = -1;
  std::int64_t signs = 0;
};

// Numbers that are not negative compare like their bits, and integers add up in any order.
[[gnu::always_inline]] inline Extremes look(const std::int64_t* points, std::size_t count) {
  std::int64_t largest = -1;
  std::int64_t signs = 0;
  for (std::size_t s = 0; s < count; ++s) {
    largest = std::max(largest, points[s]);
    signs |= points[s];
  }
  return {largest, signs};
}

/// Takes out what equals `column`; returns how many that were, and the largest of the others.
[[gnu::always_inline]] inline std::pair<std::int64_t, std::int64_t>
take(std::int64_t* points, std::size_t count, std::int64_t column) {
  std::int64_t taken = 0;
  std::int64_t largest = -1;
  for (std::size_t s = 0; s < count; ++s) {
    const bool equal = points[s] == column;
    const std::int64_t kept = equal ? -1 : points[s];
    taken += equal ? 1 : 0;
    points[s] = kept;
    largest = std::max(largest, kept);
  }
  return {taken, largest};
}

[[gnu::always_inline]] inline bool run(std::int64_t* points, std::size_t count,
                                       std::vector<std::pair<std::int64_t, double>>& counts) {
  counts.clear();
  const Extremes extremes = look(points, count);
  if (extremes.signs < 0) return false;
  constexpr std::size_t few = 24;
  std::int64_t column = extremes.largest;
  while (column >= 0 && counts.size() < few) {
    const auto [taken, next] = take(points, count, column);
    counts.emplace_back(static_cast<std::int64_t>(std::bit_cast<double>(column)),
                        static_cast<double>(taken));
    column = next;
  }
  if (column < 0) return true;
  // Scattered points: what is left is sorted, those taken out come first.
  std::sort(points, points + count);
  while (count > 0 && points[count - 1] >= 0) {
    column = points[count - 1];
    const std::size_t before = count;
    while (count > 0 && points[count - 1] == column) --count;
    counts.emplace_back(static_cast<std::int64_t>(std::bit_cast<double>(column)),
                        static_cast<double>(before - count));
  }
  return true;
}

#ifdef __x86_64__
[[gnu::target("avx2")]] bool four_at_once(std::int64_t* points, std::size_t count,
                                          std::vector<std::pair<std::int64_t, double>>& counts) {
  return run(points, count, counts);
}
[[gnu::target("avx512f,avx512dq")]] bool
eight_at_once(std::int64_t* points, std::size_t count,
              std::vector<std::pair<std::int64_t, double>>& counts) {
  return run(points, count, counts);
}
#endif

} // namespace

bool count_columns(std::span<std::int64_t> points,
                   std::vector<std::pair<std::int64_t, double>>& counts) {
#ifdef __x86_64__
  static const base::VectorWidth width = base::vector_width();
  if (width == base::VectorWidth::eight) return eight_at_once(points.data(), points.size(), counts);
  if (width == base::VectorWidth::four) return four_at_once(points.data(), points.size(), counts);
#endif
  return run(points.data(), points.size(), counts);
}

} // namespace komori::operators
