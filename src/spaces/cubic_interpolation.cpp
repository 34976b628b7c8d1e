#include "spaces/cubic_interpolation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace komori::spaces {
namespace {

using base::check;

constexpr std::size_t nodes = 4;

/// A coarse cell of one axis and its weight.
using Share = std::pair<PetscInt, double>;
using Shares = std::array<Share, nodes>;

/// Where a cell index beyond an end of the axis lies, the cell whose value it takes, and the sign.
struct Node {
  double x = 0;
  PetscInt cell = 0;
  double sign = 1;
};

Node node_of(const Axis& axis, PetscInt i) {
  const PetscInt cells = axis.cells();
  if (axis.contains(i)) return {axis.center(i), i, 1};
  const bool below = i < 0;
  if (axis.periodic()) {
    const PetscInt cell = axis.wrapped(i);
    return {axis.center(cell) + (below ? -axis.length() : axis.length()), cell, 1};
  }
  const PetscInt mirror = below ? -1 - i : 2 * cells - 1 - i;
  const double wall = below ? axis.from() : axis.to();
  const Boundary boundary = below ? axis.lower() : axis.upper();
  return {2 * wall - axis.center(mirror), mirror, boundary == Boundary::absorbing ? -1.0 : 1.0};
}

/// Lagrange's weights of the two or four nearest nodes around x.
Shares shares_of(const Axis& coarse, double x) {
  PetscInt first = coarse.find(x).value_or(0);
  if (x < coarse.center(first)) --first;
  const bool cubic = coarse.cells() >= static_cast<PetscInt>(nodes);
  const std::size_t count = cubic ? nodes : 2;
  if (cubic) --first;
  std::array<Node, nodes> node;
  for (std::size_t k = 0; k < count; ++k) {
    node[k] = node_of(coarse, first + static_cast<PetscInt>(k));
  }
  Shares shares{};
  for (std::size_t k = 0; k < count; ++k) {
    double weight = node[k].sign;
    for (std::size_t l = 0; l < count; ++l) {
      if (l != k) weight *= (x - node[l].x) / (node[k].x - node[l].x);
    }
    shares[k] = {node[k].cell, weight};
  }
  return shares;
}

/// The matrix (cells of `to` x cells of `from`) between grids that differ along one axis.
base::UniqueMat along(const Grid& from, const Grid& to, int axis) {
  const auto a = static_cast<std::size_t>(axis);
  std::vector<Shares> table;
  for (PetscInt i = 0; i < to.block().count[a]; ++i) {
    table.push_back(shares_of(from.axis(axis), to.axis(axis).center(to.block().start[a] + i)));
  }
  base::UniqueMat matrix;
  check(MatCreateAIJ(to.comm(), to.local_cells(), from.local_cells(), to.cells(), from.cells(),
                     static_cast<PetscInt>(nodes), nullptr, static_cast<PetscInt>(nodes), nullptr,
                     matrix.put()));
  to.for_each_cell([&](PetscInt local, const Index& cell) {
    Index source = cell;
    for (const auto& [i, weight] : table[static_cast<std::size_t>(cell[a] - to.block().start[a])]) {
      if (weight == 0) continue;
      source[a] = i;
      check(MatSetValue(matrix.get(), to.first() + local, from.number(source), weight, ADD_VALUES));
    }
  });
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return matrix;
}

} // namespace

CubicInterpolation::CubicInterpolation(const Grid& coarse, const Grid& fine) {
  std::vector<Axis> axes(coarse.axes().begin(), coarse.axes().end());
  Grid from = coarse;
  std::vector<int> changed;
  for (int k = 0; k < fine.dimension(); ++k) {
    if (coarse.axis(k).edges() != fine.axis(k).edges()) changed.push_back(k);
  }
  for (const int k : changed) {
    axes[static_cast<std::size_t>(k)] = fine.axis(k);
    const bool last = k == changed.back();
    const Grid next = last ? fine : Grid(fine.comm(), axes);
    steps_.push_back(
        {.matrix = along(from, next, k), .result = last ? base::UniqueVec{} : next.vector()});
    from = next;
  }
}

void CubicInterpolation::apply(Vec from, Vec to) const {
  if (steps_.empty()) check(VecCopy(from, to));
  for (const Step& step : steps_) {
    const Vec next = step.result ? step.result.get() : to;
    check(MatMult(step.matrix.get(), from, next));
    from = next;
  }
}

} // namespace komori::spaces
