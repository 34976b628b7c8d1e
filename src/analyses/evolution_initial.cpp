#include <array>
#include <cmath>

#include <fmt/format.h>

#include "analyses/evolution.hpp"
#include "base/error.hpp"
#include "io/read_file.hpp"

namespace komori::analyses {
namespace {

using base::check;
using spaces::Index;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// Densities at cell centres.
base::UniqueVec from_formula(const Problem& problem, const config::FormulaText& text) {
  const config::Formula formula(text, problem.sde().variables(), problem.sde().parameters());
  const std::string name = fmt::format("{}: '{}'", text.origin.text(), text.path);
  spaces::require_finite(problem.grid(), std::cref(formula), name);
  spaces::require(
      problem.grid(), std::cref(formula), [](double value) { return value >= 0; },
      name + " is a density, but negative");
  base::UniqueVec density = problem.grid().sampled(std::cref(formula));
  PetscReal top = 0;
  check(VecMax(density.get(), nullptr, &top));
  if (top > 0) return density;
  throw base::InputError(fmt::format("{} is 0 at every cell centre, so it cannot be normalised; "
                                     "widen it, move it into the grid, refine the grid, or start "
                                     "from 'initial: {{point: [...]}}'",
                                     name));
}

/// Densities from a dataset of the grid's shape.
base::UniqueVec from_file(const Problem& problem, const InitialInput& input) {
  const io::ReadFile file(problem.comm(), input.file);
  const std::vector<double> values = file.read(input.dataset, problem.grid().slab());
  base::UniqueVec density = problem.grid().vector();
  {
    const base::WriteArray entries(density.get());
    std::copy(values.begin(), values.end(), entries.span().begin());
  }
  PetscReal bottom = 0;
  check(VecMin(density.get(), nullptr, &bottom));
  PetscReal top = 0;
  check(VecMax(density.get(), nullptr, &top));
  // A computed density may fall below 0 by rounding; such cells keep what they hold.
  if (top > 0 && bottom >= -1e-8 * top) return density;
  throw base::InputError(fmt::format("'{}': dataset '{}' is no density: its values lie between "
                                     "{:.6g} and {:.6g}; choose one of densities, e.g. "
                                     "/stationary/density",
                                     input.file, input.dataset, bottom, top));
}

/// Masses of the cells around a point, such that their mean is the point.
base::UniqueVec from_point(const Problem& problem, const InitialInput& input) {
  const spaces::Grid& grid = problem.grid();
  if (input.point.size() != at(grid.dimension())) {
    throw base::InputError(fmt::format(
        "'evolve.initial.point' has {} coordinates, but the model has {} variables ({}); give one "
        "number per variable",
        input.point.size(), grid.dimension(), fmt::join(grid.names(), ", ")));
  }
  std::array<std::array<std::pair<PetscInt, double>, 2>, spaces::max_dimension> shares{};
  for (int k = 0; k < grid.dimension(); ++k) {
    const spaces::Axis& axis = grid.axis(k);
    const double x = input.point[at(k)];
    const std::optional<PetscInt> found = axis.find(x);
    if (!found) {
      throw base::InputError(fmt::format(
          "'evolve.initial.point' lies outside the grid: {} = {:g}, but the axis covers [{:g}, "
          "{:g}]",
          axis.name(), x, axis.from(), axis.to()));
    }
    const double offset = x - axis.center(*found);
    const PetscInt next = axis.wrapped(offset < 0 ? *found - 1 : *found + 1);
    double share = 0;
    if (axis.contains(next)) {
      share = std::abs(offset) / (0.5 * (axis.width(*found) + axis.width(next)));
    }
    shares[at(k)] = {{{*found, 1 - share}, {next, share}}};
  }
  base::UniqueVec masses = grid.vector();
  const base::WriteArray mass(masses.get());
  grid.for_each_cell([&](PetscInt local, const Index& cell) {
    double product = 1;
    for (int k = 0; k < grid.dimension() && product != 0; ++k) {
      double share = 0;
      for (const auto& [index, part] : shares[at(k)]) share += index == cell[at(k)] ? part : 0;
      product *= share;
    }
    mass[static_cast<std::size_t>(local)] = product;
  });
  return masses;
}

} // namespace

void declare(config::Declarer& declarer, InitialInput& input) {
  declarer.reals("point", input.point,
                 {.help = "All probability starts here, shared by the cells around the point so "
                          "that their mean is the point.",
                  .unit = "of the variables"},
                 {});
  declarer.text("file", input.file, {.help = "A result file that holds the initial density."});
  declarer.text("dataset", input.dataset, {.help = "The dataset of 'file', of the grid's shape."});
  if (declarer.reading() && input.point.empty() == input.file.empty()) {
    declarer.reject("", "needs one of 'point' and 'file'; or write the density as a formula in its "
                        "place");
  }
}

base::UniqueVec initial_masses(const Problem& problem, const EvolveInput& input) {
  base::UniqueVec masses;
  if (input.initial && !input.initial->point.empty()) {
    masses = from_point(problem, *input.initial);
  } else {
    masses =
        input.initial ? from_file(problem, *input.initial) : from_formula(problem, input.formula);
    check(VecPointwiseMult(masses.get(), masses.get(), problem.volumes()));
  }
  // Largest entry first, so that the sum neither overflows nor vanishes.
  PetscReal top = 0;
  check(VecMax(masses.get(), nullptr, &top));
  check(VecScale(masses.get(), 1 / top));
  check(VecScale(masses.get(), 1 / base::sum(masses.get())));
  return masses;
}

} // namespace komori::analyses
