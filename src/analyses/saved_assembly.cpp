#include "analyses/saved_assembly.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "analyses/solver_checkpoints.hpp"

namespace komori::analyses {
namespace {

constexpr std::size_t row_width = 3;
constexpr std::size_t entry_width = 2;

/// Bytes per second that a modest file system takes, and how much dearer than a save a matrix must
/// be to be part of every one.
constexpr double disk = 3e8;
constexpr double dearer = 10;

operators::UlamRowsDone load(io::CheckpointReader& reader, MPI_Comm comm, const std::string& name) {
  operators::UlamRowsDone done;
  done.largest_cut = reader.numbers(name).at(1);
  done.rows = load_table(reader, comm, name + ".rows", row_width);
  double entries = 0;
  for (std::size_t i = 0; i < done.rows.size(); i += row_width) entries += done.rows[i + 1];
  done.entries =
      load_table(reader, comm, name + ".entries", entry_width, static_cast<std::int64_t>(entries));
  return done;
}

/// Of what took so many seconds in all.
void save(io::CheckpointWriter& writer, MPI_Comm comm, const std::string& name,
          const operators::UlamRowsDone& done, double seconds) {
  double largest_cut = done.largest_cut;
  MPI_Allreduce(MPI_IN_PLACE, &largest_cut, 1, MPI_DOUBLE, MPI_MAX, comm);
  writer.numbers(name, {seconds, largest_cut});
  save_table(writer, comm, name + ".rows", done.rows, row_width);
  save_table(writer, comm, name + ".entries", done.entries, entry_width);
}

} // namespace

SavedAssembly::SavedAssembly(base::Session& session, io::Checkpoints& checkpoints, std::string name)
    : session_(session), checkpoints_(checkpoints), name_(std::move(name)), begun_(MPI_Wtime()) {
  const bool resumes = checkpoints_.kept(name_, [&](io::CheckpointReader& reader) {
    before_ = reader.numbers(name_).at(0);
    known_ = static_cast<std::int64_t>(reader.numbers(name_ + ".rows.size").at(0));
    from_ = load(reader, session_.comm(), name_);
  });
  if (resumes) session_.log().line(fmt::format("    {} rows from the checkpoint", known_));
}

double SavedAssembly::seconds() const {
  double spent = before_ + MPI_Wtime() - begun_;
  MPI_Bcast(&spent, 1, MPI_DOUBLE, 0, session_.comm());
  return spent;
}

operators::UlamContinuation SavedAssembly::continuation() {
  operators::UlamContinuation result;
  if (known_ > 0) result.from = std::move(from_);
  result.step = [this](const std::function<operators::UlamRowsDone()>& done,
                       std::int64_t computed) {
    MPI_Allreduce(MPI_IN_PLACE, &computed, 1, MPI_INT64_T, MPI_MAX, session_.comm());
    checkpoints_.step_before(computed > 0, [&](io::CheckpointWriter& writer) {
      save(writer, session_.comm(), name_, done(), seconds());
    });
  };
  return result;
}

void SavedAssembly::finish(const TransferProblem& problem) {
  finish(problem.grid().cells(), problem.transfer().nonzeros,
         [&problem] { return operators::rows_of(problem.transfer(), problem.grid()); });
}

void SavedAssembly::finish(std::int64_t rows, std::int64_t entries,
                           std::function<operators::UlamRowsDone()> all) {
  const double spent = seconds();
  const double bytes = sizeof(double) * (row_width * static_cast<double>(rows) +
                                         entry_width * static_cast<double>(entries));
  if (spent < std::max(1.0, dearer * bytes / disk)) return;
  checkpoints_.keep([spent, all = std::move(all), comm = session_.comm(), name = name_](
                        io::CheckpointWriter& writer) { save(writer, comm, name, all(), spent); },
                    known_ < rows);
}

} // namespace komori::analyses
