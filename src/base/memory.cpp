#include "base/memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace komori::base {
namespace {

/// A number in a file of the kernel, or `otherwise` where there is none ("max", no such file).
double number_in(const std::string& path, double otherwise) {
  std::ifstream file(path);
  double value = 0;
  return file >> value && value > 0 ? value : otherwise;
}

} // namespace

double peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

double node_memory_bytes() {
  double bytes =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  bytes = std::min(bytes, number_in("/sys/fs/cgroup/memory.max", bytes));
  bytes = std::min(bytes, number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes", bytes));
  if (const char* slurm = std::getenv("SLURM_MEM_PER_NODE")) {
    const double megabytes = std::strtod(slurm, nullptr);
    if (megabytes > 0) bytes = std::min(bytes, megabytes * 1024 * 1024);
  }
  return bytes;
}

int ranks_on_node(MPI_Comm comm) {
  MPI_Comm node = MPI_COMM_NULL;
  int size = 1;
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &size);
  MPI_Comm_free(&node);
  return size;
}

} // namespace komori::base
