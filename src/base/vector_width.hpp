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

/// Runs Loop::run(arguments...), which must be always inlined, compiled for the widest vectors.
/// With fused multiply-add where there is one: results differ between machines by rounding.
template <class Loop, class... Arguments> void run_plain(const Arguments&... arguments) {
  Loop::run(arguments...);
}
#ifdef __x86_64__
template <class Loop, class... Arguments>
[[gnu::target("avx2,fma")]] void run_four_at_once(const Arguments&... arguments) {
  Loop::run(arguments...);
}
template <class Loop, class... Arguments>
[[gnu::target("avx512f,avx512dq,fma")]] void run_eight_at_once(const Arguments&... arguments) {
  Loop::run(arguments...);
}
#endif
template <class Loop, class... Arguments> void run_widest(const Arguments&... arguments) {
#ifdef __x86_64__
  static const VectorWidth width = vector_width();
  if (width == VectorWidth::eight) return run_eight_at_once<Loop>(arguments...);
  if (width == VectorWidth::four) return run_four_at_once<Loop>(arguments...);
#endif
  run_plain<Loop>(arguments...);
}

} // namespace komori::base
