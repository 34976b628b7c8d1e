#include "operators/layer_matrix.hpp"

#include <algorithm>
#include <array>

#include "base/signals.hpp"
#include "operators/csr.hpp"
#include "operators/ulam_done.hpp"

namespace komori::operators {
namespace {

using base::check;

/// Calls `visit(index, value)` for every point with a weight: the tensor product of the axes, cut
/// to a block of them.
template <class Visit>
void for_each_weight(const std::vector<AxisWeights>& weights, const spaces::Block& block,
                     Visit&& visit) {
  const auto d = weights.size();
  std::array<PetscInt, spaces::max_dimension> begin{};
  std::array<PetscInt, spaces::max_dimension> end{};
  for (std::size_t k = 0; k < d; ++k) {
    begin[k] = std::max(block.start[k], weights[k].first);
    end[k] = std::min(block.start[k] + block.count[k],
                      weights[k].first + static_cast<PetscInt>(weights[k].values.size()));
    if (begin[k] >= end[k]) return;
  }
  const auto value_at = [&](std::size_t k, PetscInt i) {
    return weights[k].values[static_cast<std::size_t>(i - weights[k].first)];
  };
  spaces::Index index{};
  std::array<double, spaces::max_dimension + 1> product{};
  product[0] = 1;
  for (std::size_t k = 0; k < d; ++k) {
    index[k] = begin[k];
    product[k + 1] = product[k] * value_at(k, begin[k]);
  }
  for (;;) {
    visit(index, product[d]);
    std::size_t k = d;
    while (k > 0 && index[k - 1] + 1 == end[k - 1]) --k;
    if (k == 0) return;
    ++index[k - 1];
    for (std::size_t j = k; j < d; ++j) index[j] = begin[j];
    for (std::size_t j = k - 1; j < d; ++j) product[j + 1] = product[j] * value_at(j, index[j]);
  }
}

spaces::Block whole(const spaces::Grid& grid) {
  spaces::Block block;
  for (int k = 0; k < grid.dimension(); ++k) {
    block.count[static_cast<std::size_t>(k)] = grid.axis(k).cells();
  }
  return block;
}

} // namespace

LayerMatrix assemble_layer(const models::NetworkLayer& layer, const LayerSpace& from,
                           const LayerSpace& to, Integrand integrand,
                           const UlamContinuation& continuation) {
  LayerKernel kernel(layer, from, to);
  const spaces::Grid& rows = from.grid();
  const spaces::Grid& columns = to.grid();
  const spaces::Block all = whole(columns);
  CsrBuilder builder(rows.local_cells(), columns.first(), columns.local_cells(),
                     static_cast<PetscInt>(kernel.most_entries()));
  LayerMatrix result;
  std::array<double, spaces::max_dimension> x{};
  const std::span<double> place(x.data(), static_cast<std::size_t>(from.dimension()));
  const MatrixGrids grids{.rows = rows, .columns = columns};
  KnownRows known(grids, continuation.from.value_or(UlamRowsDone{}));
  std::vector<double> leaks;
  leaks.reserve(static_cast<std::size_t>(rows.local_cells()));
  std::int64_t computed = 0;
  const auto done = [&] { return known.done(builder, leaks); };
  const auto pause = [&] {
    if (continuation.step) {
      continuation.step(done, computed);
    } else {
      base::stop_if_asked(rows.comm(), "the matrices of the layers were not complete");
    }
  };
  base::StopRounds rounds(rows.comm(), pause, continuation.seconds);
  rows.for_each_cell([&](PetscInt local, const spaces::Index& index) {
    double leak = 0;
    if (!known.take(local, builder, leak)) {
      rounds.look();
      from.point(index, place);
      const std::vector<AxisWeights>& weights = kernel.row(place, integrand);
      leak = 1 - LayerKernel::sum(weights);
      for_each_weight(weights, all, [&](const spaces::Index& column, double value) {
        if (value != 0) builder.add(columns.number(column), value);
      });
      ++computed;
    }
    builder.end_row();
    leaks.push_back(leak);
    result.largest_leak = std::max(result.largest_leak, leak);
  });
  rounds.finish();
  result.nonzeros = builder.nonzeros();
  MPI_Allreduce(MPI_IN_PLACE, &result.nonzeros, 1, MPI_INT64_T, MPI_SUM, rows.comm());
  MPI_Allreduce(MPI_IN_PLACE, &result.largest_leak, 1, MPI_DOUBLE, MPI_MAX, rows.comm());
  result.matrix = std::move(builder).finish(rows.comm(), rows.cells(), columns.cells());
  return result;
}

void apply_composition(Mat matrix, Vec u, Vec v) {
  check(MatMult(matrix, u, v));
}

void apply_transfer(Mat matrix, Vec weights_from, Vec weights_to, Vec p, Vec q) {
  const base::UniqueVec masses = base::duplicate(p);
  check(VecPointwiseMult(masses.get(), weights_from, p));
  check(MatMultTranspose(matrix, masses.get(), q));
  check(VecPointwiseDivide(q, q, weights_to));
}

std::vector<double> composition_at(const models::NetworkLayer& layer, const LayerSpace& from,
                                   const LayerSpace& to, Vec u, std::span<const double> points,
                                   Integrand integrand) {
  LayerKernel kernel(layer, from, to);
  const spaces::Grid& grid = to.grid();
  const spaces::Block& block = grid.block();
  const base::ReadArray values(u);
  std::vector<double> answers(points.size() / layer.inputs, 0.0);
  for (std::size_t p = 0; p < answers.size(); ++p) {
    const auto& weights = kernel.row(points.subspan(p * layer.inputs, layer.inputs), integrand);
    if (grid.local_cells() == 0) continue;
    for_each_weight(weights, block, [&](const spaces::Index& index, double weight) {
      const auto local = static_cast<std::size_t>(grid.number(index) - grid.first());
      answers[p] += weight * values[local];
    });
  }
  MPI_Allreduce(MPI_IN_PLACE, answers.data(), static_cast<int>(answers.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  return answers;
}

void add_transferred(LayerKernel& kernel, const LayerSpace& to, std::span<const double> points,
                     double mass, std::span<double> masses) {
  const spaces::Grid& grid = to.grid();
  if (grid.local_cells() == 0) return;
  for (std::size_t p = 0; p + kernel.inputs() <= points.size(); p += kernel.inputs()) {
    const auto& weights = kernel.row(points.subspan(p, kernel.inputs()), Integrand::shares);
    for_each_weight(weights, grid.block(), [&](const spaces::Index& index, double weight) {
      masses[static_cast<std::size_t>(grid.number(index) - grid.first())] += mass * weight;
    });
  }
}

} // namespace komori::operators
