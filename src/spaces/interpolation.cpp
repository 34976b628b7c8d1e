#include "spaces/interpolation.hpp"

#include <array>
#include <cmath>
#include <utility>

namespace komori::spaces {
namespace {

using base::check;

/// The two coarse cells between whose centres a point of one axis lies, and their weights.
using Ends = std::array<std::pair<PetscInt, double>, 2>;

Ends ends_of(const Axis& coarse, double x) {
  const PetscInt i = coarse.find(x).value_or(0);
  const double offset = x - coarse.center(i);
  const bool below = offset < 0;
  const PetscInt next = coarse.wrapped(below ? i - 1 : i + 1);
  if (!coarse.contains(next)) {
    const Boundary wall = below ? coarse.lower() : coarse.upper();
    const double kept =
        wall == Boundary::absorbing ? 1 - std::abs(offset) / (0.5 * coarse.width(i)) : 1;
    return {{{i, kept}, {i, 0.0}}};
  }
  const double weight = std::abs(offset) / (0.5 * (coarse.width(i) + coarse.width(next)));
  return {{{i, 1 - weight}, {next, weight}}};
}

} // namespace

base::UniqueMat interpolation(const Grid& coarse, const Grid& fine) {
  const int dimension = fine.dimension();
  const auto corners = 1U << static_cast<unsigned>(dimension);
  std::array<std::vector<Ends>, max_dimension> table;
  for (int k = 0; k < dimension; ++k) {
    const auto a = static_cast<std::size_t>(k);
    const PetscInt start = fine.block().start[a];
    for (PetscInt i = 0; i < fine.block().count[a]; ++i) {
      table[a].push_back(ends_of(coarse.axis(k), fine.axis(k).center(start + i)));
    }
  }
  base::UniqueMat matrix;
  check(MatCreateAIJ(fine.comm(), fine.local_cells(), coarse.local_cells(), fine.cells(),
                     coarse.cells(), static_cast<PetscInt>(corners), nullptr,
                     static_cast<PetscInt>(corners), nullptr, matrix.put()));
  std::vector<PetscInt> columns(corners);
  std::vector<double> weights(corners);
  fine.for_each_cell([&](PetscInt local, const Index& cell) {
    const PetscInt row = fine.first() + local;
    PetscInt count = 0;
    for (unsigned corner = 0; corner < corners; ++corner) {
      Index source{};
      double weight = 1;
      for (int k = 0; k < dimension; ++k) {
        const auto a = static_cast<std::size_t>(k);
        const auto offset = static_cast<std::size_t>(cell[a] - fine.block().start[a]);
        const auto& [i, w] = table[a][offset][corner >> static_cast<unsigned>(k) & 1U];
        source[a] = i;
        weight *= w;
      }
      if (weight == 0) continue;
      columns[static_cast<std::size_t>(count)] = coarse.number(source);
      weights[static_cast<std::size_t>(count++)] = weight;
    }
    check(MatSetValues(matrix.get(), 1, &row, count, columns.data(), weights.data(), ADD_VALUES));
  });
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return matrix;
}

} // namespace komori::spaces
