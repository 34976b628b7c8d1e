/// Compiled with -ffast-math, for with it alone the C library offers vector functions to the
/// compiler. Hence nothing is here but one call per loop, which that flag cannot rearrange, and no
/// template that other files might share.
#include <cmath>

#include "base/elementary_loops.hpp"
#include "base/vector_width.hpp"

namespace komori::base::detail {
namespace {

constexpr std::size_t alignment = group_size * sizeof(double);

[[gnu::always_inline]] inline void run(Elementary f, const double* first, const double* second,
                                       double* __restrict result, std::size_t count) {
  const auto* const a = static_cast<const double*>(__builtin_assume_aligned(first, alignment));
  const auto* const b = static_cast<const double*>(__builtin_assume_aligned(second, alignment));
  auto* const to = static_cast<double*>(__builtin_assume_aligned(result, alignment));
  const std::size_t n = count / group_size * group_size; // tells the compiler that no rest remains
  const auto unary = [&](auto&& call) __attribute__((always_inline)) {
    for (std::size_t i = 0; i < n; ++i) to[i] = call(a[i]);
  };
  const auto binary = [&](auto&& call) __attribute__((always_inline)) {
    for (std::size_t i = 0; i < n; ++i) to[i] = call(a[i], b[i]);
  };
  switch (f) {
  case Elementary::acos:
    return unary([](double x) { return std::acos(x); });
  case Elementary::acosh:
    return unary([](double x) { return std::acosh(x); });
  case Elementary::asin:
    return unary([](double x) { return std::asin(x); });
  case Elementary::asinh:
    return unary([](double x) { return std::asinh(x); });
  case Elementary::atan:
    return unary([](double x) { return std::atan(x); });
  case Elementary::atan2:
    return binary([](double x, double y) { return std::atan2(x, y); });
  case Elementary::atanh:
    return unary([](double x) { return std::atanh(x); });
  case Elementary::cbrt:
    return unary([](double x) { return std::cbrt(x); });
  case Elementary::ceil:
    return unary([](double x) { return std::ceil(x); });
  case Elementary::cos:
    return unary([](double x) { return std::cos(x); });
  case Elementary::cosh:
    return unary([](double x) { return std::cosh(x); });
  case Elementary::erf:
    return unary([](double x) { return std::erf(x); });
  case Elementary::erfc:
    return unary([](double x) { return std::erfc(x); });
  case Elementary::exp:
    return unary([](double x) { return std::exp(x); });
  case Elementary::expm1:
    return unary([](double x) { return std::expm1(x); });
  case Elementary::floor:
    return unary([](double x) { return std::floor(x); });
  case Elementary::hypot:
    return binary([](double x, double y) { return std::hypot(x, y); });
  case Elementary::log:
    return unary([](double x) { return std::log(x); });
  case Elementary::log10:
    return unary([](double x) { return std::log10(x); });
  case Elementary::log2:
    return unary([](double x) { return std::log2(x); });
  case Elementary::pow:
    return binary([](double x, double y) { return std::pow(x, y); });
  case Elementary::rint:
    return unary([](double x) { return std::rint(x); });
  case Elementary::sin:
    return unary([](double x) { return std::sin(x); });
  case Elementary::sinh:
    return unary([](double x) { return std::sinh(x); });
  case Elementary::sqrt:
    return unary([](double x) { return std::sqrt(x); });
  case Elementary::tan:
    return unary([](double x) { return std::tan(x); });
  case Elementary::tanh:
    return unary([](double x) { return std::tanh(x); });
  case Elementary::trunc:
    return unary([](double x) { return std::trunc(x); });
  }
}

void plain(Elementary f, const double* a, const double* b, double* to, std::size_t count) {
  run(f, a, b, to, count);
}

#ifdef __x86_64__
[[gnu::target("avx2,fma")]] void four_at_once(Elementary f, const double* a, const double* b,
                                              double* to, std::size_t count) {
  run(f, a, b, to, count);
}
[[gnu::target("avx512f,avx512dq")]] void
eight_at_once(Elementary f, const double* a, const double* b, double* to, std::size_t count) {
  run(f, a, b, to, count);
}
#endif

} // namespace

Loops widest_loops() {
#ifdef __x86_64__
  if (vector_width() == VectorWidth::eight) return eight_at_once;
  if (vector_width() == VectorWidth::four) return four_at_once;
#endif
  return plain;
}

} // namespace komori::base::detail
