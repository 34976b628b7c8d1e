/// Arithmetic that treats the tiniest numbers as 0.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace komori::operators {

/// While one lives, numbers too small for full precision count as 0, where the processor can do
/// so; they would cost a hundred times more than others.
class FlushDenormals {
public:
#if defined(__SSE2__)
  FlushDenormals() : before_(_mm_getcsr()) {
    constexpr unsigned flush_results = 0x8000;
    constexpr unsigned flush_operands = 0x0040;
    _mm_setcsr(before_ | flush_results | flush_operands);
  }
  ~FlushDenormals() {
    _mm_setcsr(before_);
  }
#else
  FlushDenormals() = default;
  ~FlushDenormals() = default;
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

private:
#if defined(__SSE2__)
  unsigned before_;
#endif
};

} // namespace komori::operators
