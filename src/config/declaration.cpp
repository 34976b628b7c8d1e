#include "config/declaration.hpp"

#include <cmath>

#include <fmt/format.h>

namespace komori::config {

std::string Origin::text() const {
  return line > 0 ? fmt::format("{}:{}", file, line) : file;
}

bool Range::holds(double value) const noexcept {
  return std::isfinite(value) && (min_excluded ? value > min : value >= min) &&
         (max_excluded ? value < max : value <= max);
}

std::string Range::text() const {
  const bool from = std::isfinite(min);
  const bool to = std::isfinite(max);
  if (from && to)
    return fmt::format("in {}{}, {}{}", min_excluded ? '(' : '[', min, max,
                       max_excluded ? ')' : ']');
  if (from) return fmt::format("{} {}", min_excluded ? ">" : ">=", min);
  if (to) return fmt::format("{} {}", max_excluded ? "<" : "<=", max);
  return "any number";
}

} // namespace komori::config
