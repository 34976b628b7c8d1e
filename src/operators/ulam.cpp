#include "operators/ulam.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "operators/csr.hpp"
#include "operators/ulam_done.hpp"
#include "operators/ulam_rows.hpp"

namespace komori::operators {
namespace {

/// The first problem any rank met, by natural position, thrown on all ranks. Collective.
void throw_first(MPI_Comm comm, std::int64_t natural, const std::string& problem) {
  std::int64_t first = problem.empty() ? std::numeric_limits<std::int64_t>::max() : natural;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT64_T, MPI_MIN, comm);
  if (first == std::numeric_limits<std::int64_t>::max()) return;
  const bool mine = !problem.empty() && natural == first;
  throw base::InputError(base::first_text(comm, mine ? problem : ""));
}

} // namespace

void declare(config::Declarer& declarer, UlamInput& input) {
  using config::Range;
  declarer.choice("entries", input.entries, {"sampled", "exact"},
                  {.help = "sampled: each cell's share in another counted over sample points; "
                           "exact: measured, for maps of one variable without noise and with "
                           "finitely many monotone pieces. Noise is integrated over cells, never "
                           "sampled."});
  declarer.integer("samples", input.samples, {.help = "sampled: points per cell along each axis."},
                   Range::between(1, 100000));
  declarer.choice("rule", input.rule, {"midpoint", "random"},
                  {.help = "sampled: points at the middles of equal parts, or at random."});
  declarer.integer("seed", input.seed, {.help = "Of random points."}, Range::at_least(0));
  declarer.choice("outside", input.outside, {"error", "leak"},
                  {.help = "What happens where the map leads off the grid: an error that names the "
                           "place, or the probability is lost. It is always lost beyond a wall "
                           "that is absorbing."});
}

void validate(const models::Step& map, const spaces::Grid& grid, const UlamInput& input) {
  if (input.entries == "exact" && grid.dimension() != 1) {
    throw base::InputError(fmt::format("'ulam.entries' is 'exact', which is for maps of one "
                                       "variable, but the model has {}; use 'sampled'",
                                       grid.dimension()));
  }
  if (input.entries == "exact" && (map.noisy() || map.random())) {
    throw base::InputError("'ulam.entries' is 'exact', which is for maps without noise; use "
                           "'sampled', which integrates the noise exactly over the cells");
  }
  if (std::pow(static_cast<double>(input.samples), grid.dimension()) > 1e9) {
    throw base::InputError(fmt::format("'ulam.samples' is {}, which makes {}^{} points per cell; "
                                       "the most is 1e9",
                                       input.samples, input.samples, grid.dimension()));
  }
  (void)map.kernels(grid); // throws where the noise does not fit
}

TransferMatrix assemble_ulam(const models::Step& map, const spaces::Grid& grid,
                             const UlamInput& input, const std::function<void(double)>& progress,
                             const UlamContinuation& continuation) {
  UlamRows rows(map, grid, input);
  RowSum row;
  TransferMatrix result;
  result.leak = grid.vector();
  const MatrixGrids grids{.rows = grid, .columns = grid};
  KnownRows known(grids, continuation.from.value_or(UlamRowsDone{}));
  CsrBuilder builder(grid.first(), grid.local_cells(), 4);
  std::vector<double> leaks;
  leaks.reserve(static_cast<std::size_t>(grid.local_cells()));
  std::string problem;
  std::int64_t where = 0;
  std::int64_t computed = 0;               // rows
  constexpr PetscInt between_reports = 64; // cells
  // Where only the first axis is shared by ranks, cells are numbered in natural order.
  const auto& parts = grid.ranks_per_axis();
  const bool natural_order =
      std::all_of(parts.begin() + 1, parts.end(), [](int count) { return count == 1; });
  double scale = 1;
  if (input.entries == "sampled") {
    scale = 1 / std::pow(static_cast<double>(input.samples), grid.dimension());
  }
  const auto done = [&] { return known.done(builder, leaks); };
  const auto pause = [&] {
    if (continuation.step) {
      continuation.step(done, computed);
    } else {
      base::stop_if_asked(grid.comm(), "no result was written");
    }
  };
  base::StopRounds rounds(grid.comm(), pause, continuation.seconds);
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    if (!problem.empty()) return; // this rank's first problem in natural order
    double leak = 0;
    if (!known.take(local, builder, leak)) {
      rounds.look();
      if (progress && local % between_reports == 0) {
        progress(static_cast<double>(local) / static_cast<double>(grid.local_cells()));
      }
      leak = rows.build(cell, row, problem);
      where = grid.natural(cell);
      if (!problem.empty()) return;
      ++computed;
      for (const auto& [column, value] : row.entries()) {
        const PetscInt number =
            natural_order ? static_cast<PetscInt>(column) : grid.number(cell_at(grid, column));
        builder.add(number, scale * value);
      }
    }
    builder.end_row();
    leaks.push_back(leak);
    result.largest_leak = std::max(result.largest_leak, leak);
  });
  rounds.finish();
  throw_first(grid.comm(), where, problem);
  {
    const base::WriteArray all(result.leak.get());
    std::copy(leaks.begin(), leaks.end(), all.span().begin());
  }
  result.nonzeros = builder.nonzeros();
  MPI_Allreduce(MPI_IN_PLACE, &result.nonzeros, 1, MPI_INT64_T, MPI_SUM, grid.comm());
  MPI_Allreduce(MPI_IN_PLACE, &result.largest_leak, 1, MPI_DOUBLE, MPI_MAX, grid.comm());
  result.matrix = std::move(builder).finish(grid.comm(), grid.cells());
  return result;
}

double entries_per_row(const models::Step& map, const spaces::Grid& grid, const UlamInput& input) {
  constexpr std::int64_t probes = 200;
  UlamRows rows(map, grid, input);
  RowSum row;
  std::array<double, 2> sums{0, 0}; // entries, rows
  std::string problem;
  std::int64_t where = 0;
  const std::int64_t stride = std::max<std::int64_t>(1, grid.cells() / probes);
  grid.for_each_cell([&](PetscInt, const spaces::Index& cell) {
    const std::int64_t natural = grid.natural(cell);
    if (natural % stride != 0 || !problem.empty()) return;
    rows.build(cell, row, problem);
    where = natural;
    sums[0] += static_cast<double>(row.entries().size());
    sums[1] += 1;
  });
  throw_first(grid.comm(), where, problem);
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), 2, MPI_DOUBLE, MPI_SUM, grid.comm());
  return sums[0] / std::max(1.0, sums[1]);
}

} // namespace komori::operators
