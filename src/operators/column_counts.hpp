/// How often each column comes among the points of one row. Internal to operators.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace komori::operators {

/// Sets `counts` to the columns that come among the points, in descending order, each with how
/// often. Points are the bits of whole numbers as doubles; where one is negative, nothing is
/// counted and the answer is no. Rows have few columns: each is taken out of all points at one go,
/// without a branch on any, the more points at once the wider the machine's vectors are. Counts are
/// exact, so the width does not show. The points are used up. Local.
bool count_columns(std::span<std::int64_t> points,
                   std::vector<std::pair<std::int64_t, double>>& counts);

} // namespace komori::operators
