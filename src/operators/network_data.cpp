#include "operators/network_data.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "config/file_path.hpp"

namespace komori::operators {
namespace {

using base::InputError;

constexpr std::int64_t piece = 4096;

/// Opens on every rank; what goes wrong on one is thrown on all. Collective.
io::ArrayFile opened(MPI_Comm comm, const std::string& path, const std::string& dataset) {
  std::unique_ptr<io::ArrayFile> file;
  std::string problem;
  try {
    file = std::make_unique<io::ArrayFile>(path, dataset);
  } catch (const InputError& error) {
    problem = error.what();
  }
  problem = base::first_text(comm, problem);
  if (!problem.empty()) throw InputError(problem);
  return std::move(*file);
}

} // namespace

void declare(config::Declarer& declarer, NetworkDataInput& input) {
  using config::Range;
  declarer.text("file", input.file,
                {.help = "An array [samples, variables] with a column per input: .npy, HDF5 or "
                         ".csv, sought in the current folder and then beside the input.",
                 .need = config::Need::required});
  declarer.text("dataset", input.dataset, {.help = "Of an HDF5 file, the dataset."});
  declarer.boolean("labels", input.labels,
                   {.help = "Whether one more column, the last, holds the class of each row: 0 for "
                            "the first output, 1 for the second, ... Asks for the accuracy of the "
                            "network, whose largest output is the class it sees."});
  declarer.integer("held_out", input.held_out,
                   {.help = "How many rows at the end are kept for measuring accuracies and serve "
                            "for nothing else: those that the network was not trained on."},
                   Range::at_least(0));
  if (!declarer.reading()) return;
  input.origin = declarer.origin("file");
}

NetworkData::NetworkData(MPI_Comm comm, const NetworkDataInput& input,
                         const models::Network& network)
    : comm_(comm), path_(config::sought(input.file, input.origin)),
      file_(opened(comm, path_, input.dataset)), inputs_(network.width(0)), rows_(file_.rows()),
      held_out_(input.held_out), labelled_(input.labels) {
  const auto columns = static_cast<std::int64_t>(inputs_) + (labelled_ ? 1 : 0);
  if (file_.parts() != 1 || file_.columns() != columns) {
    throw InputError(fmt::format(
        "'{}': the array has {} columns{}, but the network has {} inputs{}: it takes {}", path_,
        file_.columns(), file_.parts() == 1 ? "" : " and three axes", inputs_,
        labelled_ ? " and 'data.labels' adds a column" : "", columns));
  }
  if (held_out_ >= rows_) {
    throw InputError(fmt::format("{}: 'data.held_out' is {}, but '{}' has {} rows: none is left",
                                 input.origin.text(), held_out_, path_, rows_));
  }
  const std::vector<std::string> names = network.variables(0);
  const auto classes = static_cast<double>(network.width(network.depth()));
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm_, &rank);
  MPI_Comm_size(comm_, &size);
  std::string problem;
  std::vector<double> raw;
  for (std::int64_t first = rank * piece; first < rows_ && problem.empty(); first += size * piece) {
    const std::int64_t count = std::min(piece, rows_ - first);
    raw.resize(static_cast<std::size_t>(count * columns));
    try {
      file_.read(0, first, count, raw);
    } catch (const InputError& error) {
      problem = error.what();
      break;
    }
    for (std::size_t i = 0; i < raw.size() && problem.empty(); ++i) {
      const std::size_t k = i % static_cast<std::size_t>(columns);
      const std::int64_t row = first + static_cast<std::int64_t>(i) / columns;
      if (k < inputs_) {
        const models::Interval range = network.input[k].range;
        if (raw[i] >= range.from && raw[i] <= range.to) continue;
        problem = fmt::format("'{}': row {}, column {} (from 0) is {:g}, but the range of {} is "
                              "[{:g}, {:g}]; widen it in 'model'",
                              path_, row, k, raw[i], names[k], range.from, range.to);
      } else if (raw[i] != std::floor(raw[i]) || raw[i] < 0 || raw[i] >= classes) {
        problem = fmt::format("'{}': row {} has the label {:g}, but must have one of 0 .. {:g}, as "
                              "the outputs are counted",
                              path_, row, raw[i], classes - 1);
      }
    }
  }
  problem = base::first_text(comm_, problem);
  if (!problem.empty()) throw InputError(problem);
}

void NetworkData::read(std::int64_t first, std::size_t count, std::span<double> points,
                       std::span<std::int64_t> labels) const {
  const std::size_t columns = inputs_ + (labelled_ ? 1 : 0);
  std::vector<double> raw(count * columns);
  file_.read(0, first, static_cast<std::int64_t>(count), raw);
  for (std::size_t p = 0; p < count; ++p) {
    const double* row = raw.data() + p * columns;
    std::copy(row, row + inputs_, points.data() + p * inputs_);
    labels[p] = labelled_ ? static_cast<std::int64_t>(row[inputs_]) : -1;
  }
}

models::PathInputs NetworkData::inputs() const {
  return [this](std::uint64_t first, std::size_t count, std::span<double> points) {
    const auto fitted = static_cast<std::uint64_t>(fitted_rows());
    std::vector<std::int64_t> labels(count);
    for (std::size_t done = 0; done < count;) {
      const std::uint64_t row = (first + done) % fitted;
      const auto now =
          static_cast<std::size_t>(std::min<std::uint64_t>(count - done, fitted - row));
      read(static_cast<std::int64_t>(row), now, points.subspan(done * inputs_, now * inputs_),
           labels);
      done += now;
    }
  };
}

void NetworkData::for_each(const std::function<void(std::int64_t, std::span<const double>,
                                                    std::span<const std::int64_t>)>& visit) const {
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm_, &rank);
  MPI_Comm_size(comm_, &size);
  constexpr std::int64_t few = 256; // small enough that all ranks have some of a small file
  std::string problem;
  std::vector<double> points;
  std::vector<std::int64_t> labels;
  for (std::int64_t first = rank * few; first < rows_ && problem.empty(); first += size * few) {
    const auto count = static_cast<std::size_t>(std::min(few, rows_ - first));
    points.resize(count * inputs_);
    labels.resize(count);
    try {
      read(first, count, points, labels);
      visit(first, points, labels);
    } catch (const InputError& error) {
      problem = error.what();
    }
  }
  problem = base::first_text(comm_, problem);
  if (!problem.empty()) throw InputError(problem);
}

void NetworkData::for_all_fitted(const std::function<void(std::span<const double>)>& visit) const {
  std::vector<double> points;
  std::vector<std::int64_t> labels;
  for (std::int64_t first = 0; first < fitted_rows(); first += piece) {
    const auto count = static_cast<std::size_t>(std::min(piece, fitted_rows() - first));
    points.resize(count * inputs_);
    labels.resize(count);
    std::string problem;
    try {
      read(first, count, points, labels);
    } catch (const InputError& error) {
      problem = error.what();
    }
    problem = base::first_text(comm_, problem);
    if (!problem.empty()) throw InputError(problem);
    visit(points);
  }
}

} // namespace komori::operators
