#include "io/run_record.hpp"

#include <array>
#include <ctime>

#include <fmt/format.h>
#include <petscsys.h>
#include <slepcsys.h>

#include "base/collective.hpp"
#include "base/petsc.hpp"
#include "komori_version.hpp"

namespace komori::io {
namespace {

std::string petsc_version() {
  PetscInt major = 0;
  PetscInt minor = 0;
  PetscInt subminor = 0;
  base::check(PetscGetVersionNumber(&major, &minor, &subminor, nullptr));
  return fmt::format("{}.{}.{}", major, minor, subminor);
}

std::string slepc_version() {
  PetscInt major = 0;
  PetscInt minor = 0;
  PetscInt subminor = 0;
  base::check(SlepcGetVersionNumber(&major, &minor, &subminor, nullptr));
  return fmt::format("{}.{}.{}", major, minor, subminor);
}

std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  check_hdf5(H5get_libversion(&major, &minor, &release), "HDF5 version");
  return fmt::format("{}.{}.{}", major, minor, release);
}

/// "Open MPI v4.1.4": the first clause of what the library says of itself.
std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string all(text.data(), static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

std::int64_t index_bits() {
  return static_cast<std::int64_t>(8 * sizeof(PetscInt));
}

std::string host_name() {
  std::array<char, MPI_MAX_PROCESSOR_NAME> text{};
  int length = 0;
  MPI_Get_processor_name(text.data(), &length);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::int64_t count_nodes(MPI_Comm comm) {
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  int rank_on_node = 0;
  MPI_Comm_rank(node, &rank_on_node);
  MPI_Comm_free(&node);
  int nodes = rank_on_node == 0 ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &nodes, 1, MPI_INT, MPI_SUM, comm);
  return nodes;
}

/// Rank 0's record on every rank: the file needs the same metadata from all, and clocks differ.
RunRecord agreed(MPI_Comm comm, const RunRecord& record) {
  RunRecord common = record;
  for (std::string* text : {&common.driver, &common.command_line, &common.input_file, &common.input,
                            &common.early_exit}) {
    *text = base::broadcast(comm, *text);
  }
  if (common.seconds < 0) {
    const auto elapsed = std::chrono::system_clock::now() - common.start;
    common.seconds = std::chrono::duration<double>(elapsed).count();
  }
  auto ticks = static_cast<std::int64_t>(common.start.time_since_epoch().count());
  std::array<std::int64_t, 5> whole{ticks, common.cells, common.nonzeros,
                                    static_cast<std::int64_t>(common.phases.size()),
                                    static_cast<std::int64_t>(common.warnings.size())};
  MPI_Bcast(whole.data(), static_cast<int>(whole.size()), MPI_INT64_T, 0, comm);
  MPI_Bcast(&common.seconds, 1, MPI_DOUBLE, 0, comm);
  common.start =
      std::chrono::system_clock::time_point(std::chrono::system_clock::duration(whole[0]));
  common.cells = whole[1];
  common.nonzeros = whole[2];
  common.phases.resize(static_cast<std::size_t>(whole[3]));
  common.warnings.resize(static_cast<std::size_t>(whole[4]));
  for (base::PhaseRecord& phase : common.phases) {
    phase.name = base::broadcast(comm, phase.name);
    std::array<double, 11> cost{phase.seconds,
                                phase.peak_bytes,
                                phase.mean_bytes,
                                phase.mean.messages,
                                phase.mean.message_bytes,
                                phase.mean.reductions,
                                phase.mean.flops,
                                phase.largest.messages,
                                phase.largest.message_bytes,
                                phase.largest.reductions,
                                phase.largest.flops};
    MPI_Bcast(cost.data(), static_cast<int>(cost.size()), MPI_DOUBLE, 0, comm);
    phase = {.name = phase.name,
             .seconds = cost[0],
             .peak_bytes = cost[1],
             .mean_bytes = cost[2],
             .mean = {cost[3], cost[4], cost[5], cost[6]},
             .largest = {cost[7], cost[8], cost[9], cost[10]}};
  }
  for (std::string& warning : common.warnings) warning = base::broadcast(comm, warning);
  return common;
}

/// One dataset of /run/phases.
struct Column {
  const char* name;
  const char* unit;
  const char* meaning;
  double (*of)(const base::PhaseRecord&);
};
using Record = base::PhaseRecord;
constexpr std::array<Column, 11> columns{
    {{"seconds", "s", "wall-clock time of each phase", [](const Record& r) { return r.seconds; }},
     {"peak_bytes", "B", "largest resident memory of any rank when the phase ended",
      [](const Record& r) { return r.peak_bytes; }},
     {"mean_bytes", "B", "the same averaged over the ranks",
      [](const Record& r) { return r.mean_bytes; }},
     {"messages", "-", "messages sent per rank as PETSc counts them, mean",
      [](const Record& r) { return r.mean.messages; }},
     {"messages_largest", "-", "messages sent, largest of any rank",
      [](const Record& r) { return r.largest.messages; }},
     {"message_bytes", "B", "bytes sent per rank, mean",
      [](const Record& r) { return r.mean.message_bytes; }},
     {"message_bytes_largest", "B", "bytes sent, largest of any rank",
      [](const Record& r) { return r.largest.message_bytes; }},
     {"reductions", "-", "reductions and other collective calls of a rank",
      [](const Record& r) { return r.largest.reductions; }},
     {"flops", "-", "floating-point operations per rank as PETSc counts them, mean",
      [](const Record& r) { return r.mean.flops; }},
     {"flops_largest", "-", "floating-point operations, largest of any rank",
      [](const Record& r) { return r.largest.flops; }},
     {"imbalance", "-", "largest over mean floating-point operations of the ranks",
      [](const Record& r) { return r.mean.flops > 0 ? r.largest.flops / r.mean.flops : 1; }}}};

Attributes facts(MPI_Comm comm, const RunRecord& record) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  Attributes all{{"meaning", "what ran, where, and what it cost"},
                 {"driver", record.driver},
                 {"version", KOMORI_VERSION},
                 {"git_hash", KOMORI_GIT_HASH},
                 {"petsc", petsc_version()},
                 {"slepc", slepc_version()},
                 {"hdf5", hdf5_version()},
                 {"mpi", mpi_version()},
                 {"blas", base::broadcast(comm, blas_library())},
                 {"index_bits", index_bits()},
                 {"ranks", std::int64_t{ranks}},
                 {"nodes", count_nodes(comm)},
                 {"host", base::broadcast(comm, host_name())},
                 {"start_time", utc_text(record.start)},
                 {"seconds", record.seconds},
                 {"early_exit", record.early_exit},
                 {"input_file", record.input_file}};
  if (record.cells >= 0) all.push_back({"cells", record.cells});
  if (record.nonzeros >= 0) all.push_back({"nonzeros", record.nonzeros});
  return all;
}

} // namespace

void write(ResultFile& file, MPI_Comm comm, const RunRecord& record) {
  const RunRecord common = agreed(comm, record);
  file.annotate("/run", facts(comm, common));
  file.write_text("/run/input", common.input,
                  {{"meaning", "input with every default filled in, YAML"}, {"unit", "-"}});
  file.write_text("/run/command_line", common.command_line,
                  {{"meaning", "command line as typed"}, {"unit", "-"}});
  file.write_strings("/run/warnings", common.warnings,
                     {{"meaning", "warnings in the order they came"}, {"unit", "-"}});
  std::vector<std::string> names;
  for (const base::PhaseRecord& phase : common.phases) names.push_back(phase.name);
  file.write_strings("/run/phases/name", names,
                     {{"meaning", "phases in the order they ended"}, {"unit", "-"}});
  for (const Column& column : columns) {
    std::vector<double> values;
    for (const base::PhaseRecord& phase : common.phases) values.push_back(column.of(phase));
    file.write_small(fmt::format("/run/phases/{}", column.name), values, {values.size()},
                     {{"meaning", column.meaning}, {"unit", column.unit}});
  }
}

std::string version_text() {
  return fmt::format("komori {} ({})\nPETSc {}, SLEPc {}, HDF5 {}, {}, {}-bit indices, BLAS {}",
                     KOMORI_VERSION, KOMORI_GIT_HASH, petsc_version(), slepc_version(),
                     hdf5_version(), mpi_version(), index_bits(), blas_library());
}

std::string utc_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

} // namespace komori::io
