#include "analyses/benchmark_solves.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analyses/memory_systems.hpp"
#include "analyses/problem.hpp"
#include "analyses/spectrum.hpp"
#include "analyses/stationary.hpp"
#include "base/collective.hpp"
#include "base/error.hpp"
#include "config/reader.hpp"
#include "linalg/exponential.hpp"

namespace komori::analyses {

BenchmarkSolves::Solved BenchmarkSolves::eigenpairs(const std::string& form, double cells,
                                                    int dimension, MPI_Comm comm) const {
  const models::Sde model = sde(false, dimension);
  SpectrumInput input;
  input.solver = "iterative";
  input.error_estimate = false;
  MPI_Barrier(comm);
  const auto start = std::chrono::steady_clock::now();
  Problem problem(session_, model, grid(cells, -2.5, 2.5, dimension, comm), {}, form);
  const Spectrum found = compute_spectrum(problem, input);
  if (!found.complete) throw base::ConvergenceError("the eigensolve did not converge");
  Solved solved{.seconds =
                    std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
                .iterations = found.iterations};
  MPI_Allreduce(MPI_IN_PLACE, &solved.seconds, 1, MPI_DOUBLE, MPI_MAX, comm);
  return solved;
}

void BenchmarkSolves::eigensolve() {
  const auto cells = static_cast<double>(input_.solve_cells);
  const auto dimension = static_cast<int>(input_.dimension);
  usual_ = eigenpairs("auto", cells, dimension, session_.comm());
  add({.name = "ten eigenpairs, tolerance 1e-10",
       .seconds = usual_.seconds,
       .value = usual_.seconds,
       .unit = "s",
       .note = "block LOBPCG, block multigrid, eigenfunctions included"});
  if (!input_.compare) return;
  const double matrices = eigenpairs("assembled", cells, dimension, session_.comm()).seconds;
  add({.name = "the same by SLEPc's LOBPCG and BoomerAMG",
       .seconds = matrices,
       .value = matrices / usual_.seconds,
       .unit = "times longer",
       .note = "operator: assembled"});
}

void BenchmarkSolves::eigensolve_in_three_dimensions() {
  if (input_.dimension != 2) return;
  const Solved solved =
      eigenpairs("auto", static_cast<double>(input_.solve_cells), 3, session_.comm());
  add({.name = "ten eigenpairs in three dimensions",
       .seconds = solved.seconds,
       .value = solved.seconds,
       .unit = "s",
       .note = fmt::format("{} iterations", solved.iterations)});
}

void BenchmarkSolves::eigensolve_on_one_rank() {
  if (session_.size() == 1) return;
  // Once more on all: the first solve of a process pays for memory that later ones find mapped.
  const double together = eigenpairs("auto", static_cast<double>(input_.solve_cells),
                                     static_cast<int>(input_.dimension), session_.comm())
                              .seconds;
  const std::string seconds = base::on_first_rank(session_.comm(), [&] {
    return fmt::format("{:.17g}", eigenpairs("auto", static_cast<double>(input_.solve_cells),
                                             static_cast<int>(input_.dimension), PETSC_COMM_SELF)
                                      .seconds);
  });
  const double alone = std::stod(seconds);
  add({.name = "ten eigenpairs, one rank over all",
       .seconds = alone,
       .value = alone / together,
       .unit = "times longer",
       .note = fmt::format("speed-up from 1 to {} ranks, these in {:.3g} s", session_.size(),
                           together)});
}

void BenchmarkSolves::eigensolve_at_other_sizes() {
  PetscInt fewest = usual_.iterations;
  PetscInt most = usual_.iterations;
  std::string list;
  double seconds = 0;
  for (const double cells :
       {0.1 * static_cast<double>(input_.solve_cells), static_cast<double>(input_.largest_cells)}) {
    const Solved solved =
        eigenpairs("auto", cells, static_cast<int>(input_.dimension), session_.comm());
    fewest = std::min(fewest, solved.iterations);
    most = std::max(most, solved.iterations);
    seconds += solved.seconds;
    list += fmt::format(", {} at {:.2g}", solved.iterations, cells);
  }
  add({.name = "iterations, spread over the sizes",
       .seconds = seconds,
       .value = 100 * (static_cast<double>(most) / static_cast<double>(fewest) - 1),
       .unit = "%",
       .note = fmt::format("{} at {:.2g} cells{}", usual_.iterations,
                           static_cast<double>(input_.solve_cells), list)});
}

void BenchmarkSolves::stationary_density_of_a_rotation() {
  const models::Sde model = sde(true);
  const double seconds = once([&] {
    Problem problem(session_, model, grid(static_cast<double>(input_.solve_cells), -3, 3), {});
    StationaryInput input;
    input.solver = "iterative";
    stationary_density(problem, input, nullptr);
  });
  add({.name = "stationary density without detailed balance",
       .seconds = seconds,
       .value = seconds,
       .unit = "s",
       .note = "rotating Ornstein-Uhlenbeck process"});
}

double BenchmarkSolves::memory(const std::vector<std::string>& observables, int rates) const {
  const std::string axis =
      fmt::format("{{from: -2.5, to: 2.5, cells: {}}}",
                  std::llround(std::sqrt(static_cast<double>(input_.solve_cells))));
  const auto input = config::read<MoriZwanzigInput>(config::parse(
      fmt::format("model: {{kind: sde, variables: [x, y], potential: (x^2-1)^2 + y^2, diffusion: "
                  "0.25}}\ngrid: {{x: {0}, y: {0}}}\nprojection: {{kind: observables, observables: "
                  "[{1}]}}\nmemory: {{rates: {2}, solver: iterative}}",
                  axis, fmt::join(observables, ", "), rates),
      "benchmark"));
  return once([&] {
    MemoryStudy study(session_, input);
    if (!study.compute().complete) {
      throw base::ConvergenceError("the decay rates of the memory did not converge");
    }
  });
}

void BenchmarkSolves::memory_rates() {
  if (input_.dimension != 2) return;
  const std::vector<std::string> four{"x", "y", "x*y", "x^2"};
  const double seconds = memory(four, 8);
  add({.name = "eight decay rates of a memory",
       .seconds = seconds,
       .value = seconds,
       .unit = "s",
       .note = "four observables, all projected"});
  if (!input_.compare) return;
  std::vector<std::string> eight = four;
  eight.insert(eight.end(), {"y^2", "x^3", "x*y^2", "x^2*y"});
  const double observables = memory(eight, 8);
  add({.name = "the same for another observable",
       .seconds = observables,
       .value = std::max(0.0, (observables - seconds) / 4),
       .unit = "s",
       .note = "a quarter of what four more take"});
  const double rates = memory(four, 16);
  add({.name = "the same for another rate",
       .seconds = rates,
       .value = std::max(0.0, (rates - seconds) / 8),
       .unit = "s",
       .note = "an eighth of what eight more take"});
}

void BenchmarkSolves::series() {
  const models::Sde model = sde(false);
  Problem problem(session_, model, grid(static_cast<double>(input_.solve_cells), -2.5, 2.5), {});
  const base::UniqueVec start =
      problem.grid().sampled([](std::span<const double> x) { return std::exp(-x[0] * x[0]); });
  const auto run = [&](const operators::Generator& a) {
    const double time = 2000 / a.facts.norm;
    linalg::ExponentialRequest request{.times = {time}, .tolerance = 1e-6};
    std::int64_t products = 0;
    const double seconds = once([&] {
      products = linalg::chebyshev(
                     a.matrix.get(), a.facts.norm, start.get(), request,
                     [](std::size_t, Vec, double) {}, session_.log())
                     .products;
    });
    return std::pair(seconds, products);
  };
  const auto [stencil, products] = run(problem.symmetrised());
  add({.name = "Chebyshev series, matrix-free",
       .seconds = stencil,
       .value = 1e3 * stencil / static_cast<double>(products),
       .unit = "ms per product",
       .note = fmt::format("{} products", products)});
  if (!input_.compare) return;
  const double matrix = run(problem.symmetrised_entries()).first;
  add({.name = "the same on the assembled matrix",
       .seconds = matrix,
       .value = matrix / stencil,
       .unit = "times longer",
       .note = {}});
}

} // namespace komori::analyses
