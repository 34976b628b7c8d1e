#include "operators/chain.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/indices.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"
#include "operators/csr.hpp"

namespace komori::operators {
namespace {

/// How far a row's sum may be off, relative to its largest entry: what six to eight printed digits
/// leave is refused, rounding is not.
constexpr double sum_tolerance = 1e-8;

/// Before anything is allocated: a few bytes of a file may name any number of states.
void require_memory(MPI_Comm comm, const std::string& path, double states) {
  constexpr double on_every_rank = 8; // bytes of a state on an axis
  constexpr double shared = 100;      // of its row, without entries, and of some vectors
  int size = 1;
  MPI_Comm_size(comm, &size);
  const double ranks = base::ranks_on_node(comm);
  const double needed = states * ranks * (on_every_rank + shared / size);
  const double available = base::node_memory_bytes();
  int short_of = needed > available ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &short_of, 1, MPI_INT, MPI_MAX, comm);
  if (short_of == 0) return;
  throw base::MemoryError(fmt::format("'{}': a chain of {:.4g} states needs more than {} on a node "
                                      "with {}, without its entries; use "
                                      "more nodes, or fewer states",
                                      path, states, base::bytes_text(needed),
                                      base::bytes_text(available)));
}

} // namespace

ChainSource::ChainSource(MPI_Comm comm, const models::ChainInput& input)
    : comm_(comm), input_(input) {
  if (input.file.empty()) {
    states_ = static_cast<std::int64_t>(input.matrix.size());
    name_ = fmt::format("{}: 'model.matrix'", input.origin.text());
    return;
  }
  file_ = std::make_unique<io::MatrixFile>(comm, input.file, input.dataset);
  states_ = file_->size();
  base::require_countable(static_cast<double>(states_), "the chain has", "states", "fewer states");
  require_memory(comm, input.file, static_cast<double>(states_));
  name_ = fmt::format("'{}'", input.file);
}

spaces::Grid ChainSource::grid() const {
  std::vector<double> edges;
  for (std::int64_t i = 0; i <= states_; ++i) edges.push_back(static_cast<double>(i) - 0.5);
  return {comm_,
          {spaces::Axis("state", std::move(edges), spaces::Boundary::reflecting,
                        spaces::Boundary::reflecting)}};
}

std::vector<io::MatrixEntry> ChainSource::rows(std::int64_t first, std::int64_t count) const {
  if (file_) return file_->rows(first, count);
  std::vector<io::MatrixEntry> entries;
  for (std::int64_t i = first; i < first + count; ++i) {
    const std::vector<double>& row = input_.matrix[static_cast<std::size_t>(i)];
    for (std::size_t j = 0; j < row.size(); ++j) {
      if (row[j] != 0) entries.push_back({i, static_cast<std::int64_t>(j), row[j]});
    }
  }
  return entries;
}

Chain assemble_chain(const ChainSource& source, const spaces::Grid& grid) {
  const std::int64_t first = grid.first();
  const std::vector<io::MatrixEntry> entries = source.rows(first, grid.local_cells());
  int rates = std::any_of(entries.begin(), entries.end(),
                          [](const auto& e) { return e.row == e.column && e.value < 0; });
  MPI_Allreduce(MPI_IN_PLACE, &rates, 1, MPI_INT, MPI_MAX, grid.comm());

  Chain chain;
  chain.rates = rates != 0;
  chain.transfer.leak = grid.vector();
  chain.transfer.norm = 0;
  const char* kind = chain.rates ? "rates (it has negative diagonal entries)" : "probabilities";
  CsrBuilder builder(
      grid.first(), grid.local_cells(),
      static_cast<PetscInt>(
          entries.size() / std::max<std::size_t>(1, static_cast<std::size_t>(grid.local_cells()))) +
          1);
  std::string problem;
  auto entry = entries.begin();
  for (std::int64_t row = first; row < first + grid.local_cells(); ++row) {
    double sum = 0;
    double size = 0;
    double largest = chain.rates ? 0 : 1;
    for (; entry != entries.end() && entry->row == row; ++entry) {
      const double value = entry->value;
      if (value < 0 && (!chain.rates || entry->column != row) && problem.empty()) {
        problem = fmt::format("{}: row {}, column {} (from 0) is {:g}, but {} cannot be negative",
                              source.name(), row, entry->column, value,
                              chain.rates ? "rates between states" : "probabilities");
      }
      sum += value;
      size += std::abs(value);
      largest = std::max(largest, std::abs(value));
      builder.add(static_cast<PetscInt>(entry->column), value);
    }
    const double wanted = chain.rates ? 0 : 1;
    if (std::abs(sum - wanted) > sum_tolerance * largest && problem.empty()) {
      constexpr double single = 1e-4; // precision, or few digits, leave less
      problem = fmt::format("{}: row {} (from 0) sums to {:.10g}, but rows of a matrix of {} must "
                            "sum to {:g}{}",
                            source.name(), row, sum, kind, wanted,
                            std::abs(sum - wanted) < single * largest
                                ? fmt::format("; write more digits (double precision), or {}",
                                              chain.rates ? "set the diagonal to minus the others"
                                                          : "divide every row by its sum")
                                : "");
    }
    chain.transfer.norm = std::max(chain.transfer.norm, size);
    builder.end_row();
  }
  problem = base::first_text(grid.comm(), problem); // ranks hold rows in ascending order
  if (!problem.empty()) throw base::InputError(problem);
  MPI_Allreduce(MPI_IN_PLACE, &chain.transfer.norm, 1, MPI_DOUBLE, MPI_MAX, grid.comm());
  chain.transfer.nonzeros = builder.nonzeros();
  MPI_Allreduce(MPI_IN_PLACE, &chain.transfer.nonzeros, 1, MPI_INT64_T, MPI_SUM, grid.comm());
  chain.transfer.matrix = std::move(builder).finish(grid.comm(), grid.cells());
  return chain;
}

} // namespace komori::operators
