#include "io/blas.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include <dlfcn.h>

namespace komori::io {
namespace {

namespace fs = std::filesystem;

/// The file that defines dgemm, links resolved; empty if unknown.
fs::path dgemm_file() {
  void* entry = dlsym(RTLD_DEFAULT, "dgemm_");
  Dl_info info{};
  if (!entry || dladdr(entry, &info) == 0 || !info.dli_fname) return {};
  std::error_code code;
  const fs::path resolved = fs::canonical(info.dli_fname, code);
  return code ? fs::path(info.dli_fname) : resolved;
}

} // namespace

std::string blas_library() {
  const fs::path file = dgemm_file();
  if (file.empty()) return "unknown";
  const fs::path folder = file.parent_path().filename();
  return folder.empty() ? file.filename().string() : (folder / file.filename()).string();
}

bool reference_blas() {
  // Optimised libraries may hide behind the same file name, but not behind the same symbols.
  constexpr std::array optimised{
      "openblas_get_config", "mkl_get_version", "bli_info_get_version_str",
      "ATL_buildinfo",       "armplversion",    "iessl"};
  if (std::any_of(optimised.begin(), optimised.end(),
                  [](const char* name) { return dlsym(RTLD_DEFAULT, name) != nullptr; })) {
    return false;
  }
  const std::string name = dgemm_file().filename().string();
  return name.starts_with("libblas.") || name.starts_with("librefblas.");
}

} // namespace komori::io
