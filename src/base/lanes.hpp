/// Numbers of several vectors side by side, so that one pass over an operator serves all of them.
#pragma once

#include <array>
#include <cstddef>

namespace komori::base {

/// Vectors that are worked on at once.
inline constexpr std::size_t lanes = 8;

/// One entry of each of them: what is only stored, and what is worked with. Never handed over by
/// value: how that is done depends on the processor.
struct alignas(lanes * sizeof(float)) Lanes {
  using Vector = float __attribute__((vector_size(lanes * sizeof(float)), may_alias));
  /// As many as a part of the wide ones has.
  using Part = float __attribute__((vector_size(4 * sizeof(float)), may_alias));
  Vector v;
};
struct alignas(lanes * sizeof(double)) WideLanes {
  /// As wide as every processor's registers are made up from: compilers keep wider ones in memory.
  static constexpr std::size_t width = 4;
  static constexpr std::size_t parts = lanes / width;
  using Vector = double __attribute__((vector_size(width * sizeof(double)), may_alias));
  struct Part {
    Vector v;
  };
  std::array<Part, parts> part;

  double operator[](std::size_t lane) const { return part[lane / width].v[lane % width]; }
  void set(std::size_t lane, double value) { part[lane / width].v[lane % width] = value; }
};

/// One number for each of them.
using LaneSums = std::array<double, lanes>;

} // namespace komori::base
