#include "operators/currents.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "spaces/halo.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using spaces::Index;

Index shifted(Index cell, int k, PetscInt by) {
  cell[static_cast<std::size_t>(k)] += by;
  return cell;
}

/// flux * ln(forward / backward) of one face, >= 0.
double production(double forward, double backward) {
  if (forward <= 0 || backward <= 0) return 0; // no diffusion on this face, or no density at all
  return (forward - backward) * std::log(forward / backward);
}

} // namespace

Currents currents(const FaceFluxes& fluxes, Vec density) {
  const spaces::Grid& grid = fluxes.grid();
  spaces::Halo p(grid);
  p.update(density);
  Currents result;
  std::vector<double> totals(static_cast<std::size_t>(grid.dimension()) + 1, 0.0);
  for (int k = 0; k < grid.dimension(); ++k) {
    const auto a = static_cast<std::size_t>(k);
    const spaces::Axis& axis = grid.axis(k);
    base::UniqueVec component = grid.vector();
    {
      const base::WriteArray at_center(component.get());
      grid.for_each_cell([&](PetscInt local, const Index& cell) {
        const PetscInt i = cell[a];
        const double area = grid.volume(cell) / axis.width(i);
        double above = 0;
        if (axis.periodic() || i + 1 < axis.cells()) {
          const FaceFlux flux = fluxes.between(k, cell);
          const double forward = flux.lower * p(cell);
          const double backward = flux.upper * p(shifted(cell, k, 1));
          above = forward - backward;
          result.largest_face = std::max(result.largest_face, area * std::abs(above));
          if (!fluxes.undiffused(k)) totals[0] += area * production(forward, backward);
          if (axis.periodic()) {
            totals[a + 1] += area * above / static_cast<double>(axis.cells());
          }
        } else if (axis.upper() == Boundary::absorbing) {
          above = fluxes.wall(k, cell, Side::upper).lower * p(cell);
        }
        double below = 0;
        if (axis.periodic() || i > 0) {
          const Index previous = shifted(cell, k, -1);
          const FaceFlux flux = fluxes.between(k, previous);
          below = flux.lower * p(previous) - flux.upper * p(cell);
        } else if (axis.lower() == Boundary::absorbing) {
          below = -fluxes.wall(k, cell, Side::lower).lower * p(cell);
        }
        at_center[static_cast<std::size_t>(local)] = 0.5 * (above + below);
      });
    }
    result.components.push_back(std::move(component));
  }
  MPI_Allreduce(MPI_IN_PLACE, totals.data(), static_cast<int>(totals.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  MPI_Allreduce(MPI_IN_PLACE, &result.largest_face, 1, MPI_DOUBLE, MPI_MAX, grid.comm());
  result.entropy_production = totals[0];
  result.circulation.assign(totals.begin() + 1, totals.end());
  return result;
}

} // namespace komori::operators
