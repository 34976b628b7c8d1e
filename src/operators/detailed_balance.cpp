#include "operators/detailed_balance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "operators/links.hpp"

namespace komori::operators {
namespace {

using base::check;
using spaces::Index;

/// Sums of log ratios that cancel exactly on paper agree to a few units of round-off of their
/// largest term; anything above is a force that does work round a loop.
constexpr double round_off = 1e-11;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

Index shifted(Index cell, int k, PetscInt by) {
  cell[at(k)] += by;
  return cell;
}

/// How far a loop is from closing, relative to the sizes of its terms.
struct Loop {
  double defect = 0;
  double size = 1;
  void add(double term) {
    defect += term;
    size += std::abs(term);
  }
  double relative() const {
    return std::isfinite(size) ? std::abs(defect) / size : std::numeric_limits<double>::infinity();
  }
};

/// The largest defect of the squares at this rank's cells.
double worst_square(const FaceFluxes& fluxes) {
  const spaces::Grid& grid = fluxes.grid();
  double worst = 0;
  grid.for_each_cell([&](PetscInt, const Index& cell) {
    for (int k = 0; k < grid.dimension(); ++k) {
      const auto has_next = [&](int axis) {
        return grid.axis(axis).periodic() || cell[at(axis)] + 1 < grid.axis(axis).cells();
      };
      if (!has_next(k)) continue;
      if (!std::isfinite(fluxes.log_ratio(k, cell)))
        worst = std::numeric_limits<double>::infinity();
      for (int l = k + 1; l < grid.dimension(); ++l) {
        if (!has_next(l)) continue;
        Loop loop;
        loop.add(fluxes.log_ratio(k, cell));
        loop.add(fluxes.log_ratio(l, shifted(cell, k, 1)));
        loop.add(-fluxes.log_ratio(k, shifted(cell, l, 1)));
        loop.add(-fluxes.log_ratio(l, cell));
        worst = std::max(worst, loop.relative());
      }
    }
  });
  MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, grid.comm());
  return worst;
}

/// The largest defect of the loops of a link and the way back along the axes, at this rank's cells.
double worst_link(const FaceFluxes& fluxes) {
  const spaces::Grid& grid = fluxes.grid();
  double worst = 0;
  grid.for_each_cell([&](PetscInt, const Index& cell) {
    fluxes.lattice().for_each_link(cell, [&](const Link& link) {
      if (!link.upper) return;
      Loop loop;
      loop.add(link.log_ratio);
      Index way = cell;
      for (int k = 0; k < grid.dimension(); ++k) {
        for (; way[at(k)] < link.cell[at(k)]; ++way[at(k)]) loop.add(-fluxes.log_ratio(k, way));
        while (way[at(k)] > link.cell[at(k)]) {
          --way[at(k)];
          loop.add(fluxes.log_ratio(k, way));
        }
      }
      worst = std::max(worst, loop.relative());
    });
  });
  MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, grid.comm());
  return worst;
}

/// Defect of the loop once round periodic axis k; the same for all parallel lines once the squares
/// close, so one line through cell 0 serves.
double round_axis(const FaceFluxes& fluxes, int k) {
  Loop loop;
  Index cell{};
  for (PetscInt i = 0; i < fluxes.grid().axis(k).cells(); ++i) {
    cell[at(k)] = i;
    loop.add(fluxes.log_ratio(k, cell));
  }
  return loop.relative();
}

/// ln p by adding log ratios along axis 0, then axis 1, ..., from cell 0 to this rank's block, and
/// in the same order within it.
base::UniqueVec integrate(const FaceFluxes& fluxes) {
  const spaces::Grid& grid = fluxes.grid();
  base::UniqueVec log_density = grid.vector();
  {
    const base::WriteArray value(log_density.get());
    const spaces::Block& block = grid.block();
    double corner = 0;
    if (grid.local_cells() > 0) {
      Index cell{};
      for (int k = 0; k < grid.dimension(); ++k) {
        for (; cell[at(k)] < block.start[at(k)]; ++cell[at(k)]) corner += fluxes.log_ratio(k, cell);
      }
    }
    Index stride{};
    PetscInt step = 1;
    for (int k = grid.dimension() - 1; k >= 0; --k) {
      stride[at(k)] = step;
      step *= block.count[at(k)];
    }
    grid.for_each_cell([&](PetscInt local, const Index& cell) {
      int k = grid.dimension() - 1;
      while (k >= 0 && cell[at(k)] == block.start[at(k)]) --k;
      value[static_cast<std::size_t>(local)] =
          k < 0 ? corner
                : value[static_cast<std::size_t>(local - stride[at(k)])] +
                      fluxes.log_ratio(k, shifted(cell, k, -1));
    });
  }
  return log_density;
}

base::UniqueVec gibbs(const FaceFluxes& fluxes) {
  base::UniqueVec log_density = fluxes.grid().vector();
  const double diffusion = *fluxes.sde().constant_diffusion(0);
  const base::WriteArray value(log_density.get());
  fluxes.grid().for_each_cell([&](PetscInt local, const Index& cell) {
    value[static_cast<std::size_t>(local)] = -fluxes.potential(cell) / diffusion;
  });
  return log_density;
}

} // namespace

DetailedBalance test_detailed_balance(const FaceFluxes& fluxes) {
  const spaces::Grid& grid = fluxes.grid();
  DetailedBalance result;
  const auto finish = [&](base::UniqueVec log_density) {
    PetscReal top = 0;
    check(VecMax(log_density.get(), nullptr, &top));
    check(VecShift(log_density.get(), -top));
    result.holds = true;
    result.log_density = std::move(log_density);
    return std::move(result);
  };
  if (fluxes.gibbs()) {
    result.reason = "drift is -grad V and the diffusion one constant";
    return finish(gibbs(fluxes));
  }
  for (int k = 0; k < grid.dimension(); ++k) {
    if (!fluxes.undiffused(k)) continue;
    result.reason = fmt::format("axis {} has no diffusion", grid.axis(k).name());
    return result;
  }
  double square = worst_square(fluxes);
  if (!fluxes.axis_aligned()) square = std::max(square, worst_link(fluxes));
  if (std::isinf(square)) {
    result.reason = "the diffusion vanishes on a face";
    return result;
  }
  if (square > round_off) {
    result.reason =
        fmt::format("the drift does work round closed loops (relative defect {:.1e})", square);
    // Works along links are quadratures: exact for linear forces, for cubic ones by Simpson's rule.
    if (!fluxes.axis_aligned() && square < 1e-3) {
      result.reason += "; if it should not, try 'scheme.face_drift: simpson'";
    }
    return result;
  }
  for (int k = 0; k < grid.dimension(); ++k) {
    if (!grid.axis(k).periodic()) continue;
    const double loop = round_axis(fluxes, k);
    if (loop > round_off) {
      result.reason =
          fmt::format("the drift does work round the periodic axis {}", grid.axis(k).name());
      return result;
    }
  }
  result.reason = "the rates close round every loop of cells";
  return finish(integrate(fluxes));
}

base::UniqueVec root_of_masses(const spaces::Grid& grid, Vec log_density) {
  base::UniqueVec root = grid.vector();
  {
    const base::ReadArray log(log_density);
    const base::WriteArray value(root.get());
    grid.for_each_cell([&](PetscInt local, const Index& cell) {
      const auto i = static_cast<std::size_t>(local);
      value[i] = std::exp(0.5 * log[i]) * std::sqrt(grid.volume(cell));
    });
  }
  check(VecNormalize(root.get(), nullptr));
  return root;
}

} // namespace komori::operators
