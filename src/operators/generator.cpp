#include "operators/generator.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "operators/csr.hpp"

namespace komori::operators {
namespace {

using base::check;
using spaces::Boundary;
using spaces::Index;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

Index shifted(Index cell, int k, PetscInt by) {
  cell[at(k)] += by;
  return cell;
}

/// Visits what leaves one cell: neighbours with their rates, walls with their fluxes.
class Row {
public:
  Row(const FaceFluxes& fluxes, CsrBuilder& builder, bool symmetrised)
      : fluxes_(fluxes), grid_(fluxes.grid()), builder_(builder), symmetrised_(symmetrised) {}

  /// Builds the row of `cell`; returns its rate of leaving through walls.
  double build(const Index& cell) {
    total_ = 0;
    double leak = 0;
    for (int k = 0; k < grid_.dimension(); ++k) {
      if (fluxes_.undiffused(k) && fluxes_.second_order_upwind()) {
        second_order(k, cell);
      } else {
        neighbours(k, cell);
      }
      leak += walls(k, cell);
    }
    const double diagonal = -(total_ + leak);
    builder_.add(grid_.number(cell), symmetrised_ ? -diagonal : diagonal);
    return leak;
  }

private:
  PetscInt number(int k, Index cell) const {
    cell[at(k)] = grid_.axis(k).wrapped(cell[at(k)]);
    return grid_.number(cell);
  }

  /// True where a face lies between cells j and j + 1 of axis k.
  bool has_face(int k, PetscInt j) const {
    return grid_.axis(k).periodic() || (j >= 0 && j + 1 < grid_.axis(k).cells());
  }

  void neighbours(int k, const Index& cell) {
    const spaces::Axis& axis = grid_.axis(k);
    const PetscInt i = cell[at(k)];
    const double width = axis.width(i);
    for (const int side : {-1, 1}) {
      if (!has_face(k, side < 0 ? i - 1 : i)) continue;
      const Index next = shifted(cell, k, side);
      const FaceFlux flux = fluxes_.between(k, side < 0 ? next : cell);
      const double out = (side < 0 ? flux.upper : flux.lower) / width;
      total_ += out;
      double entry = out;
      if (symmetrised_) {
        const double back =
            (side < 0 ? flux.lower : flux.upper) / axis.width(axis.wrapped(next[at(k)]));
        entry = -std::sqrt(out) * std::sqrt(back); // the product may underflow, the roots do not
      }
      builder_.add(number(k, next), entry);
    }
  }

  double walls(int k, const Index& cell) const {
    const spaces::Axis& axis = grid_.axis(k);
    const PetscInt i = cell[at(k)];
    double leak = 0;
    if (i == 0 && axis.lower() == Boundary::absorbing) {
      leak += fluxes_.wall(k, cell, Side::lower).lower / axis.width(i);
    }
    if (i == axis.cells() - 1 && axis.upper() == Boundary::absorbing) {
      leak += fluxes_.wall(k, cell, Side::upper).lower / axis.width(i);
    }
    return leak;
  }

  /// Share of p at cell `i` in the reconstructed density at the face above cell j, for flow in the
  /// direction `sign`: Fromm's scheme, exact for linear densities on any spacing; at walls, where
  /// one neighbour is missing, the slope of the face itself.
  double share(int k, PetscInt j, double sign, PetscInt i) const {
    const spaces::Axis& axis = grid_.axis(k);
    const PetscInt upwind = sign > 0 ? j : j + 1;
    const PetscInt downwind = sign > 0 ? j + 1 : j;
    const PetscInt behind = sign > 0 ? j - 1 : j + 2;
    const double to_face = 0.5 * axis.width(axis.wrapped(upwind));
    const double ahead = axis.distance(axis.wrapped(j));
    const bool has_behind = axis.periodic() || axis.contains(behind);
    const double rear = has_behind ? axis.distance(axis.wrapped(std::min(behind, upwind))) : 0;
    const double slope = to_face / (ahead + rear);
    double share = 0;
    if (i == upwind) share += has_behind ? 1 : 1 - slope;
    if (i == downwind) share += slope;
    if (has_behind && i == behind) share -= slope;
    return share;
  }

  void second_order(int k, const Index& cell) {
    const PetscInt i = cell[at(k)];
    const double width = grid_.axis(k).width(i);
    for (PetscInt j = i - 2; j <= i + 1; ++j) {
      if (!has_face(k, j)) continue;
      const Index lower = shifted(cell, k, j - i);
      const double velocity = fluxes_.face_velocity(k, lower);
      const double rate = velocity * share(k, j, velocity, i) / width;
      if (rate == 0) continue;
      // What p_i sends through this face, cell j loses and cell j + 1 gains.
      if (j != i) {
        builder_.add(number(k, lower), -rate);
        total_ -= rate;
      }
      if (j + 1 != i) {
        builder_.add(number(k, shifted(lower, k, 1)), rate);
        total_ += rate;
      }
    }
  }

  const FaceFluxes& fluxes_;
  const spaces::Grid& grid_;
  CsrBuilder& builder_;
  bool symmetrised_;
  double total_ = 0;
};

Generator assemble(const FaceFluxes& fluxes, bool symmetrised) {
  const spaces::Grid& grid = fluxes.grid();
  CsrBuilder builder(grid.first(), grid.local_cells(), 2 * grid.dimension() + 1);
  Row row(fluxes, builder, symmetrised);
  Generator generator;
  generator.leak = grid.vector();
  GeneratorFacts& facts = generator.facts;
  {
    const base::WriteArray leaks(generator.leak.get());
    grid.for_each_cell([&](PetscInt local, const Index& cell) {
      const double leak = row.build(cell);
      leaks[static_cast<std::size_t>(local)] = leak;
      facts.leak = std::max(facts.leak, leak);
      const PetscInt own = grid.first() + local;
      double sum = 0;
      for (const auto& [column, value] : builder.row()) {
        sum += std::abs(value);
        if (symmetrised || column == own || value >= 0) continue;
        ++facts.negative;
        facts.most_negative = std::min(facts.most_negative, value);
      }
      facts.norm = std::max(facts.norm, sum);
      builder.end_row();
    });
  }
  fluxes.require_finite();
  facts.nonzeros = builder.nonzeros();
  std::array<double, 3> extremes{facts.norm, facts.leak, -facts.most_negative};
  std::array<std::int64_t, 2> counts{facts.nonzeros, facts.negative};
  MPI_Allreduce(MPI_IN_PLACE, extremes.data(), 3, MPI_DOUBLE, MPI_MAX, grid.comm());
  MPI_Allreduce(MPI_IN_PLACE, counts.data(), 2, MPI_INT64_T, MPI_SUM, grid.comm());
  facts = {.norm = extremes[0],
           .nonzeros = counts[0],
           .negative = counts[1],
           .most_negative = -extremes[2],
           .leak = extremes[1]};
  generator.matrix = std::move(builder).finish(grid.comm(), grid.cells());
  return generator;
}

} // namespace

Generator assemble_generator(const FaceFluxes& fluxes) {
  return assemble(fluxes, false);
}

Generator assemble_symmetrised(const FaceFluxes& fluxes) {
  Generator generator = assemble(fluxes, true);
  check(MatSetOption(generator.matrix.get(), MAT_SYMMETRIC, PETSC_TRUE));
  return generator;
}

std::vector<std::pair<std::string, double>> wall_fluxes(const FaceFluxes& fluxes, Vec masses) {
  const spaces::Grid& grid = fluxes.grid();
  const base::ReadArray mass(masses);
  std::vector<std::pair<std::string, double>> walls;
  for (int k = 0; k < grid.dimension(); ++k) {
    const spaces::Axis& axis = grid.axis(k);
    for (const Side side : {Side::lower, Side::upper}) {
      const bool low = side == Side::lower;
      if ((low ? axis.lower() : axis.upper()) != Boundary::absorbing) continue;
      const PetscInt layer = low ? 0 : axis.cells() - 1;
      double flux = 0;
      grid.for_each_cell([&](PetscInt local, const Index& cell) {
        if (cell[at(k)] != layer) return;
        flux += mass[static_cast<std::size_t>(local)] * fluxes.wall(k, cell, side).lower /
                axis.width(layer);
      });
      MPI_Allreduce(MPI_IN_PLACE, &flux, 1, MPI_DOUBLE, MPI_SUM, grid.comm());
      walls.emplace_back(fmt::format("{} {}", axis.name(), low ? "lower" : "upper"), flux);
    }
  }
  return walls;
}

} // namespace komori::operators
