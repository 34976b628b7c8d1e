/// How many numbers this machine works on at once.
#pragma once

namespace komori::base {

/// Loops that are worth it are compiled once for each of these.
enum class VectorWidth { plain, four, eight };

/// The widest that machine and operating system have: of AVX-512, AVX2 and what every machine has.
inline VectorWidth vector_width() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0) {
    return VectorWidth::eight;
  }
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
    return VectorWidth::four;
  }
#endif
  return VectorWidth::plain;
}

} // namespace komori::base
