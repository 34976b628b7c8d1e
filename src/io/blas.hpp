/// Which BLAS the process loaded: it decides the speed of every dense step.
#pragma once

#include <string>

namespace komori::io {

/// The library that provides dgemm, links resolved, with the folder that tells Debian's builds
/// apart: "openblas-pthread/libblas.so.3". "unknown" if it cannot be found out. Local.
std::string blas_library();

/// Whether that is the unoptimised reference BLAS, an order of magnitude slower. Local.
bool reference_blas();

} // namespace komori::io
