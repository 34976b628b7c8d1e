#include "base/walltime.hpp"

#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>

namespace komori::base {
namespace {

std::optional<double> ask_slurm() {
  if (const char* end = std::getenv("SLURM_JOB_END_TIME")) {
    const double seconds = std::strtod(end, nullptr) - static_cast<double>(std::time(nullptr));
    if (seconds > 0) return seconds;
  }
  const char* job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr) return std::nullopt;
  std::string command = "squeue --noheader --format=%L --jobs=";
  for (const char* c = job; *c != 0; ++c) {
    if (std::isdigit(static_cast<unsigned char>(*c)) == 0) return std::nullopt;
    command += *c;
  }
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
