#include "base/huge_pages.hpp"

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace komori::base {
namespace {

/// Whether the system gives huge pages to a process that asks, and to no other.
bool given_on_request() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  return std::getline(file, line) && line.find("[madvise]") != std::string::npos;
}

} // namespace

void use_huge_pages([[maybe_unused]] char** arguments) {
#ifdef __GLIBC__
  // Blocks up to this size come from the heap, and freed ones stay there for the next.
  constexpr int largest_kept = 32 << 20;
  mallopt(M_MMAP_THRESHOLD, largest_kept);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);

  const char* present = std::getenv("GLIBC_TUNABLES");
  std::string tunables = present ? present : "";
  if (tunables.find("glibc.malloc.hugetlb") != std::string::npos) return;
  // Set before the new beginning, so that there is only one.
  if (std::getenv("KOMORI_HUGE_PAGES") || !given_on_request()) return;
  if (!tunables.empty()) tunables += ':';
  tunables += "glibc.malloc.hugetlb=1";
  if (setenv("GLIBC_TUNABLES", tunables.c_str(), 1) != 0) return;
  if (setenv("KOMORI_HUGE_PAGES", "1", 1) != 0) return;
  // By its own path, so that it keeps its name in lists of processes.
  std::error_code unknown;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  if (unknown) return;
  execv(program.c_str(), arguments); // comes back only where it failed: then without huge pages
#endif
}

} // namespace komori::base
