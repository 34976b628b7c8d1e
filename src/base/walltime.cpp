#include "base/walltime.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>

#include <fmt/format.h>

namespace komori::base {
namespace {

std::optional<double> ask_slurm() {
  if (const char* end = std::getenv("SLURM_JOB_END_TIME")) {
    const double seconds = std::strtod(end, nullptr) - static_cast<double>(std::time(nullptr));
    if (seconds > 0) return seconds;
  }
  // A task of an array by both numbers: SLURM_JOB_ID of one of them is that of the whole array.
  const char* array = std::getenv("SLURM_ARRAY_JOB_ID");
  const char* task = std::getenv("SLURM_ARRAY_TASK_ID");
  const char* job = std::getenv("SLURM_JOB_ID");
  const std::string id = array && task ? fmt::format("{}_{}", array, task) : (job ? job : "");
  const bool plain = std::all_of(id.begin(), id.end(),
                                 [](unsigned char c) { return std::isdigit(c) != 0 || c == '_'; });
  if (id.empty() || !plain) return std::nullopt;
  std::string command = "squeue --noheader --format=%L --jobs=" + id;
  command += " 2>/dev/null";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::array<char, 64> line{};
  if (!pipe || std::fgets(line.data(), line.size(), pipe.get()) == nullptr) return std::nullopt;
  return slurm_duration(line.data());
}

} // namespace

std::optional<double> slurm_duration(const char* text) {
  int days = 0;
  int hours = 0;
  int minutes = 0;
  int seconds = 0;
  char rest = 0;
  const auto total = [&] { return 86400.0 * days + 3600.0 * hours + 60.0 * minutes + seconds; };
  if (std::sscanf(text, "%d-%d:%d:%d %c", &days, &hours, &minutes, &seconds, &rest) == 4) {
    return total();
  }
  days = 0;
  if (std::sscanf(text, "%d:%d:%d %c", &hours, &minutes, &seconds, &rest) == 3) return total();
  hours = 0;
  if (std::sscanf(text, "%d:%d %c", &minutes, &seconds, &rest) == 2) return total();
  return std::nullopt;
}

std::optional<double> slurm_seconds_left(MPI_Comm comm) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  double seconds = -1;
  if (rank == 0) seconds = ask_slurm().value_or(-1);
  MPI_Bcast(&seconds, 1, MPI_DOUBLE, 0, comm);
  if (seconds < 0) return std::nullopt;
  return seconds;
}

} // namespace komori::base
