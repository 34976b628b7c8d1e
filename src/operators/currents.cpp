#include "operators/currents.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "operators/links.hpp"
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

/// Along the links of a full diffusion matrix: each adds its flux times its share at either end.
Currents along_links(const FaceFluxes& fluxes, Vec density) {
  const spaces::Grid& grid = fluxes.grid();
  const int dimension = grid.dimension();
  spaces::Halo p(grid, fluxes.lattice().reach());
  p.update(density);
  Currents result;
  for (int k = 0; k < dimension; ++k) result.components.push_back(grid.vector());
  std::vector<double> totals(static_cast<std::size_t>(dimension) + 1, 0.0);
  std::array<double, spaces::max_dimension> current{};
  {
    std::vector<std::unique_ptr<const base::WriteArray>> at_center;
    for (const base::UniqueVec& component : result.components) {
      at_center.push_back(std::make_unique<const base::WriteArray>(component.get()));
    }
    grid.for_each_cell([&](PetscInt local, const Index& cell) {
      const double volume = grid.volume(cell);
      current.fill(0);
      fluxes.lattice().for_each_link(cell, [&](const Link& link) {
        const double forward = volume * link.out * p(cell);
        double other_volume = 1;
        for (int k = 0; k < dimension; ++k) {
          const spaces::Axis& axis = grid.axis(k);
          other_volume *= axis.width(axis.wrapped(link.cell[static_cast<std::size_t>(k)]));
        }
        const double backward = other_volume * link.back * p(link.cell);
        const double flux = forward - backward;
        for (int k = 0; k < dimension; ++k) {
          const auto a = static_cast<std::size_t>(k);
          const auto step = static_cast<double>(link.cell[a] - cell[a]);
          current[a] += link.share * flux * step * grid.axis(k).width(cell[a]) / volume;
          if (link.upper && grid.axis(k).periodic()) {
            totals[a + 1] += flux * step / static_cast<double>(grid.axis(k).cells());
          }
        }
        if (!link.upper) return;
        result.largest_face = std::max(result.largest_face, std::abs(flux));
        totals[0] += production(forward, backward);
      });
      fluxes.lattice().for_each_exit(cell, [&](int k, Side side, double rate) {
        const auto a = static_cast<std::size_t>(k);
        const double outward = side == Side::upper ? 1 : -1;
        current[a] += 0.5 * outward * rate * p(cell) * grid.axis(k).width(cell[a]);
      });
      for (std::size_t a = 0; a < at_center.size(); ++a) {
        (*at_center[a])[static_cast<std::size_t>(local)] = current[a];
      }
    });
  }
  MPI_Allreduce(MPI_IN_PLACE, totals.data(), static_cast<int>(totals.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  MPI_Allreduce(MPI_IN_PLACE, &result.largest_face, 1, MPI_DOUBLE, MPI_MAX, grid.comm());
  result.entropy_production = totals[0];
  result.circulation.assign(totals.begin() + 1, totals.end());
  return result;
}

} // namespace

Currents currents(const FaceFluxes& fluxes, Vec density) {
  if (!fluxes.axis_aligned()) return along_links(fluxes, density);
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
