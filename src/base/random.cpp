#include "base/random.hpp"

#include <cmath>
#include <numbers>

#include <Random123/philox.h>

namespace komori::base {
namespace {

/// The upper 53 bits as a number in (0, 1).
double open_unit(std::uint64_t bits) {
  return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53;
}

} // namespace

std::array<std::uint64_t, 2> Random::bits(std::uint64_t index) const {
  const r123::Philox2x64 generator;
  const r123::Philox2x64::key_type key{{seed_}};
  const r123::Philox2x64::ctr_type out = generator({{index, stream_}}, key);
  return {out[0], out[1]};
}

double Random::uniform(std::uint64_t index) const {
  return open_unit(bits(index)[0]);
}

void Random::uniforms(std::uint64_t first, std::span<double> values) const {
  std::size_t i = 0;
  if (first % 2 == 1 && !values.empty()) values[i++] = open_unit(bits(first / 2)[1]);
  for (; i + 1 < values.size(); i += 2) {
    const auto [a, b] = bits((first + i) / 2);
    values[i] = open_unit(a);
    values[i + 1] = open_unit(b);
  }
  if (i < values.size()) values[i] = open_unit(bits((first + i) / 2)[0]);
}

double Random::normal(std::uint64_t index) const {
  const auto [a, b] = bits(index);
  return std::sqrt(-2 * std::log(open_unit(a))) * std::cos(2 * std::numbers::pi * open_unit(b));
}

} // namespace komori::base
