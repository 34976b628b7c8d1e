#include "operators/line_sweeps.hpp"

#include <cmath>
#include <functional>
#include <utility>

#include <gtest/gtest.h>

#include "numbers.hpp"
#include "operators/orthogonal_dynamics.hpp"
#include "operators/orthogonal_resolvent.hpp"
#include "operators/resolved.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using base::check;
using support::noise;

double distance(Vec a, Vec b) {
  const base::UniqueVec rest = base::duplicate(a);
  check(VecWAXPY(rest.get(), -1, a, b));
  return base::norm2(rest.get());
}

/// ||b - (s - A) x|| / ||b||, or of the transpose.
double defect(Mat matrix, bool transposed, double shift, Vec x, Vec b) {
  const base::UniqueVec image = base::duplicate(b);
  check(transposed ? MatMultTranspose(matrix, x, image.get()) : MatMult(matrix, x, image.get()));
  check(VecAXPBY(image.get(), shift, -1, x));
  return distance(image.get(), b) / base::norm2(b);
}

/// Noise along v alone; x is carried along.
support::Case particle(spaces::Axis x, spaces::Axis v) {
  return support::Case({.drift = {"v", "-4*x*(x^2-1)-v"}, .diffusion = {"0", "0.25"}},
                       {std::move(x), std::move(v)});
}

base::UniqueVec weights(const spaces::Grid& grid) {
  base::UniqueVec w = grid.sampled([](std::span<const double> x) {
    const double well = x[0] * x[0] - 1;
    return std::exp(-4 * well * well - 2 * x[1] * x[1] + 0.3 * x[0] * x[1]);
  });
  check(VecScale(w.get(), 1 / base::sum(w.get())));
  return w;
}

TEST(LineSweeps, invert_what_couples_along_lines_alone) {
  for (const PetscInt cells : {1, 2, 3, 4, 9}) {
    for (const bool ring : {false, true}) {
      const auto y = ring ? support::axis("y", 0, 6, cells, spaces::Boundary::periodic)
                          : support::axis("y", -2, 2, cells);
      support::Case c({.drift = {"0", ring ? "cos(y)+1" : "-y"}, .diffusion = {"0", "0.5"}},
                      {support::axis("x", -1, 1, 7), y});
      const spaces::Grid& grid = c.problem().grid();
      const Mat entries = c.problem().generator_entries();
      const Lines lines(grid, 1);
      if (!lines.whole) continue; // pieces of lines are inverted one by one
      for (const bool transposed : {false, true}) {
        LineSweeps sweeps(rows_of(entries, transposed).get(), 0.8, grid, 1, nullptr, transposed);
        const base::UniqueVec b = noise(grid, 5);
        const base::UniqueVec x = grid.vector();
        {
          const base::ReadArray from(b.get());
          const base::WriteArray to(x.get());
          sweeps.apply(from.span(), to.span());
        }
        // The factors are kept in single precision.
        EXPECT_LT(defect(entries, transposed, 0.8, x.get(), b.get()), 1e-5)
            << cells << ring << transposed;
      }
    }
  }
}

/// A place across the lines by the rank's part and the step of its sweep: parts are swept in
/// opposite directions in turn, and where they meet the first comes first.
std::pair<int, PetscInt> turn(const spaces::Grid& grid, int across, PetscInt place) {
  int part = 0;
  while (place >= grid.part_cells(across, part)) place -= grid.part_cells(across, part++);
  return {part, part % 2 == 0 ? place : grid.part_cells(across, part) - 1 - place};
}

/// Those entries of a matrix of which `keep(place of the row, place of the column)` holds.
base::UniqueMat part_of(Mat rows, const spaces::Grid& grid, int across,
                        const std::function<bool(PetscInt, PetscInt)>& keep) {
  base::UniqueMat part;
  check(MatDuplicate(rows, MAT_COPY_VALUES, part.put()));
  PetscInt begin = 0;
  PetscInt end = 0;
  check(MatGetOwnershipRange(rows, &begin, &end));
  const auto place = [&](PetscInt number) {
    return grid.cell(number)[static_cast<std::size_t>(across)];
  };
  for (PetscInt row = begin; row < end; ++row) {
    PetscInt count = 0;
    const PetscInt* columns = nullptr;
    check(MatGetRow(rows, row, &count, &columns, nullptr));
    for (PetscInt e = 0; e < count; ++e) {
      if (keep(place(row), place(columns[e]))) continue;
      check(MatSetValue(part.get(), row, columns[e], 0, INSERT_VALUES));
    }
    check(MatRestoreRow(rows, row, &count, &columns, nullptr));
  }
  check(MatAssemblyBegin(part.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(part.get(), MAT_FINAL_ASSEMBLY));
  return part;
}

base::UniqueVec swept(LineSweeps& sweeps, Vec b) {
  base::UniqueVec x = base::duplicate(b);
  const base::ReadArray from(b);
  const base::WriteArray to(x.get());
  sweeps.apply(from.span(), to.span());
  return x;
}

/// s x - A x.
base::UniqueVec shifted_product(Mat matrix, double shift, Vec x) {
  base::UniqueVec image = base::duplicate(x);
  check(MatMult(matrix, x, image.get()));
  check(VecAXPBY(image.get(), shift, -1, x));
  return image;
}

TEST(LineSweeps, are_one_sweep_in_one_order_of_all_lines_on_any_number_of_ranks) {
  const double shift = 0.7;
  for (const PetscInt positions : {3, 5, 24}) {
    for (const bool noise_first : {false, true}) {
      for (const bool ring : {false, true}) {
        const auto x = ring ? support::axis("x", -2, 2, positions, spaces::Boundary::periodic)
                            : support::axis("x", -2, 2, positions);
        const auto v = support::axis("v", -2.5, 2.5, 11);
        support::Case c =
            noise_first
                ? support::Case({.drift = {"-x-v", "v"}, .diffusion = {"0.25", "0"}}, {v, x})
                : support::Case({.drift = {"v", "-x-v"}, .diffusion = {"0", "0.25"}}, {x, v});
        const spaces::Grid& grid = c.problem().grid();
        const int axis = noise_first ? 0 : 1;
        const int across = 1 - axis;
        if (!Lines(grid, axis).whole) continue;
        const auto earlier = [&](PetscInt one, PetscInt other) {
          return turn(grid, across, one) < turn(grid, across, other);
        };
        for (const bool transposed : {false, true}) {
          const base::UniqueMat rows = rows_of(c.problem().generator_entries(), transposed);
          const base::UniqueMat lower =
              part_of(rows.get(), grid, across,
                      [&](PetscInt row, PetscInt column) { return !earlier(row, column); });
          const base::UniqueMat upper =
              part_of(rows.get(), grid, across,
                      [&](PetscInt row, PetscInt column) { return !earlier(column, row); });
          const base::UniqueMat lines =
              part_of(rows.get(), grid, across,
                      [](PetscInt row, PetscInt column) { return row == column; });
          LineSweeps inverse(lines.get(), shift, grid, axis, nullptr, transposed);
          LineSweeps sweeps(rows.get(), shift, grid, axis, nullptr, transposed);
          const base::UniqueVec b = noise(grid, 10);
          const base::UniqueVec found = swept(sweeps, b.get());
          // M x = (D - E) D^-1 (D - F) x.
          const base::UniqueVec right = shifted_product(upper.get(), shift, found.get());
          const base::UniqueVec middle = swept(inverse, right.get());
          const base::UniqueVec image = shifted_product(lower.get(), shift, middle.get());
          // Factors and couplings are kept in single precision.
          EXPECT_LT(distance(image.get(), b.get()), 1e-5 * base::norm2(b.get()))
              << positions << noise_first << ring << transposed;
        }
      }
    }
  }
}

TEST(LineSweeps, solve_for_a_particle_on_any_number_of_ranks) {
  for (const PetscInt positions : {3, 40}) {
    for (const bool ring : {false, true}) {
      support::Case c =
          particle(ring ? support::axis("x", -2, 2, positions, spaces::Boundary::periodic)
                        : support::axis("x", -2, 2, positions),
                   support::axis("v", -2.5, 2.5, 30));
      const spaces::Grid& grid = c.problem().grid();
      const Mat entries = c.problem().generator_entries();
      const base::UniqueVec w = weights(grid);
      const double shift = 0.3;
      const SweptSystem system{
          .matrix = entries, .entries = entries, .shift = shift, .grid = &grid, .axis = 1};
      const base::UniqueVec x = grid.vector();
      ShiftedSolver whole(system, 1e-11);
      const base::UniqueVec b = noise(grid, 6);
      whole.solve(b.get(), x.get());
      EXPECT_LT(defect(entries, false, shift, x.get(), b.get()), 2e-11);
      whole.solve_transposed(b.get(), x.get());
      EXPECT_LT(defect(entries, true, shift, x.get(), b.get()), 2e-11);
      // Parts that are lines, and parts of several of them, which the sweeps do not know.
      for (const bool lines : {true, false}) {
        ProjectionInput input;
        input.kind = "variables";
        input.variables = {"x"};
        if (!lines) input.cells = {2};
        const Resolved resolved = resolve(grid, input, {{"x", "v"}, {}}, w.get(), true);
        const Projection& p = *resolved.projection;
        SweptSystem restricted = system;
        restricted.projection = &p;
        const auto resolvent = swept_resolvent(restricted, 1e-11);
        const base::UniqueMat shell = orthogonal_dynamics(entries, p);
        const base::UniqueVec f = noise(grid, 7);
        p.complement(f.get());
        resolvent->solve(f.get(), x.get());
        EXPECT_LT(defect(shell.get(), false, shift, x.get(), f.get()), 1e-10);
        const base::UniqueVec seen = grid.vector();
        p.apply(x.get(), seen.get());
        EXPECT_LT(base::norm2(seen.get()), 1e-12 * base::norm2(x.get()));
        const base::UniqueVec m = noise(grid, 8);
        p.complement_transposed(m.get());
        resolvent->solve_transposed(m.get(), x.get());
        EXPECT_LT(defect(shell.get(), true, shift, x.get(), m.get()), 1e-10);
      }
    }
  }
}

TEST(LineSweeps, need_few_iterations_however_fine_the_grid) {
  std::vector<PetscInt> iterations;
  for (const PetscInt cells : {40, 80, 160}) {
    support::Case c =
        particle(support::axis("x", -2, 2, cells), support::axis("v", -2.5, 2.5, cells));
    const Mat entries = c.problem().generator_entries();
    SweptSolver solver({.matrix = entries,
                        .entries = entries,
                        .shift = 1.5,
                        .grid = &c.problem().grid(),
                        .axis = 1},
                       1e-10);
    const base::UniqueVec b = noise(c.problem().grid(), 9);
    const base::UniqueVec x = c.problem().grid().vector();
    solver.solve(b.get(), x.get());
    iterations.push_back(solver.iterations());
  }
  // A factor of four in width: one more, or two, on any number of ranks.
  EXPECT_LE(iterations.back(), iterations.front() + 4);
  EXPECT_LE(iterations.back(), 20);
}

TEST(LineSweeps, a_process_with_noise_on_two_axes_has_no_noisy_one) {
  support::Case both({.drift = {"v", "-x-v"}, .diffusion = {"0.1", "0.25"}},
                     {support::axis("x", -2, 2, 6), support::axis("v", -2, 2, 6)});
  EXPECT_FALSE(noisy_axis(both.sde()));
  support::Case first({.drift = {"-x", "x"}, .diffusion = {"1", "0"}},
                      {support::axis("x", -2, 2, 6), support::axis("y", -2, 2, 6)});
  EXPECT_EQ(noisy_axis(first.sde()), 0);
}

} // namespace
} // namespace komori::operators
