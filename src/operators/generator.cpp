#include "operators/generator.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "operators/csr.hpp"
#include "operators/face_stencil.hpp"
#include "operators/line_rows.hpp"
#include "operators/links.hpp"

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
    const auto by_fromm = [&](int k) {
      return fluxes_.undiffused(k) && fluxes_.second_order_upwind();
    };
    for (int k = 0; k < grid_.dimension(); ++k) {
      if (by_fromm(k)) second_order(k, cell);
    }
    for_each_link(
        fluxes_, cell,
        [&](const Link& link) {
          total_ += link.out;
          // The product may underflow, the roots do not.
          builder_.add(number(link.cell),
                       symmetrised_ ? -std::sqrt(link.out) * std::sqrt(link.back) : link.out);
        },
        by_fromm);
    double leak = 0;
    for_each_exit(fluxes_, cell, [&](int, Side, double rate) { leak += rate; });
    const double diagonal = -(total_ + leak);
    builder_.add(grid_.number(cell), symmetrised_ ? -diagonal : diagonal);
    return leak;
  }

private:
  PetscInt number(Index cell) const {
    for (int k = 0; k < grid_.dimension(); ++k) cell[at(k)] = grid_.axis(k).wrapped(cell[at(k)]);
    return grid_.number(cell);
  }

  /// True where a face lies between cells j and j + 1 of axis k.
  bool has_face(int k, PetscInt j) const {
    return grid_.axis(k).periodic() || (j >= 0 && j + 1 < grid_.axis(k).cells());
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
        builder_.add(number(lower), -rate);
        total_ -= rate;
      }
      if (j + 1 != i) {
        builder_.add(number(shifted(lower, k, 1)), rate);
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

/// Extremes and counts of all ranks.
void reduce(const spaces::Grid& grid, GeneratorFacts& facts) {
  std::array<double, 3> extremes{facts.norm, facts.leak, -facts.most_negative};
  std::array<std::int64_t, 2> counts{facts.nonzeros, facts.negative};
  MPI_Allreduce(MPI_IN_PLACE, extremes.data(), 3, MPI_DOUBLE, MPI_MAX, grid.comm());
  MPI_Allreduce(MPI_IN_PLACE, counts.data(), 2, MPI_INT64_T, MPI_SUM, grid.comm());
  facts = {.norm = extremes[0],
           .nonzeros = counts[0],
           .negative = counts[1],
           .most_negative = -extremes[2],
           .leak = extremes[1]};
}

Generator assemble(const FaceFluxes& fluxes, bool symmetrised) {
  const spaces::Grid& grid = fluxes.grid();
  const int links =
      fluxes.axis_aligned() ? 2 * grid.dimension() : fluxes.lattice().links_per_cell();
  CsrBuilder builder(grid.first(), grid.local_cells(), links + 1);
  Generator generator;
  generator.leak = grid.vector();
  GeneratorFacts& facts = generator.facts;
  if (has_face_stencil(fluxes)) {
    const base::WriteArray leaks(generator.leak.get());
    build_lines(fluxes, symmetrised, builder, leaks.span(), facts);
  } else {
    Row row(fluxes, builder, symmetrised);
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
  reduce(grid, facts);
  generator.matrix = std::move(builder).finish(grid.comm(), grid.cells());
  return generator;
}

/// Of a type whose values can be replaced in place.
bool is_aij(Mat matrix) {
  PetscBool aij = PETSC_FALSE;
  check(PetscObjectTypeCompareAny(reinterpret_cast<PetscObject>(matrix), &aij, MATSEQAIJ, MATMPIAIJ,
                                  ""));
  return aij == PETSC_TRUE;
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

void update_generator(const FaceFluxes& fluxes, bool symmetrised, Generator& generator) {
  const spaces::Grid& grid = fluxes.grid();
  if (!has_face_stencil(fluxes) || !is_aij(generator.matrix.get())) {
    generator = symmetrised ? assemble_symmetrised(fluxes) : assemble_generator(fluxes);
    return;
  }
  GeneratorFacts facts;
  {
    const base::WriteArray leaks(generator.leak.get());
    CsrValues values(generator.matrix.get(), grid.first(), grid.local_cells());
    build_lines(fluxes, symmetrised, values, leaks.span(), facts);
    std::move(values).finish();
  }
  fluxes.require_finite();
  reduce(grid, facts);
  facts.nonzeros = generator.facts.nonzeros;
  generator.facts = facts;
}

Generator assemble_symmetrised_like(const FaceFluxes& fluxes, const Generator& like) {
  if (!has_face_stencil(fluxes) || !is_aij(like.matrix.get())) return assemble_symmetrised(fluxes);
  Generator generator;
  generator.leak = fluxes.grid().vector();
  generator.facts.nonzeros = like.facts.nonzeros;
  check(MatDuplicate(like.matrix.get(), MAT_DO_NOT_COPY_VALUES, generator.matrix.put()));
  update_generator(fluxes, true, generator);
  check(MatSetOption(generator.matrix.get(), MAT_SYMMETRIC, PETSC_TRUE));
  return generator;
}

std::vector<std::pair<std::string, double>> wall_fluxes(const FaceFluxes& fluxes, Vec masses) {
  const spaces::Grid& grid = fluxes.grid();
  const base::ReadArray mass(masses);
  std::vector<std::pair<std::string, double>> walls;
  std::vector<double> flux(2 * at(grid.dimension()), 0.0);
  const auto place = [](int k, Side side) { return 2 * at(k) + (side == Side::lower ? 0 : 1); };
  grid.for_each_cell([&](PetscInt local, const Index& cell) {
    for_each_exit(fluxes, cell, [&](int k, Side side, double rate) {
      flux[place(k, side)] += mass[static_cast<std::size_t>(local)] * rate;
    });
  });
  MPI_Allreduce(MPI_IN_PLACE, flux.data(), static_cast<int>(flux.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  for (int k = 0; k < grid.dimension(); ++k) {
    const spaces::Axis& axis = grid.axis(k);
    if (axis.lower() == Boundary::absorbing) {
      walls.emplace_back(axis.name() + " lower", flux[place(k, Side::lower)]);
    }
    if (axis.upper() == Boundary::absorbing) {
      walls.emplace_back(axis.name() + " upper", flux[place(k, Side::upper)]);
    }
  }
  return walls;
}

} // namespace komori::operators
