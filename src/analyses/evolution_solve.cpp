#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "analyses/evolution.hpp"
#include "linalg/exponential.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// Work of a Krylov space (factorisation or multigrid setup, solves, orthogonalisation) in products
/// with the operator, as measured (README, performance): the number of products above which
/// shift-invert is faster than a series.
double products_per_space(const Problem& problem, bool symmetric, linalg::Method solver) {
  if (!symmetric) return 5000;
  if (problem.grid().dimension() == 1) return 300;
  const bool fast = solver == linalg::Method::direct && problem.session().size() == 1 &&
                    problem.grid().dimension() == 2;
  return fast ? 1000 : 3000;
}

/// ||P^(-1/2) m||_2, by which rounding in the symmetrised form is magnified. Infinite where there
/// is mass but the equilibrium's is 0 in double precision.
double symmetrised_size(Problem& problem, Vec masses) {
  double square = 0;
  {
    const base::ReadArray mass(masses);
    const base::ReadArray root(problem.root_of_masses());
    for (std::size_t i = 0; i < mass.size(); ++i) {
      if (mass[i] == 0) continue;
      const double value = mass[i] / root[i];
      square += value * value;
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, &square, 1, MPI_DOUBLE, MPI_SUM, problem.comm());
  return std::sqrt(square);
}

/// The largest rate of leaving a cell.
double largest_rate(Problem& problem) {
  const base::UniqueVec diagonal = problem.grid().vector();
  check(MatGetDiagonal(problem.generator().matrix.get(), diagonal.get()));
  PetscReal lowest = 0;
  check(VecMin(diagonal.get(), nullptr, &lowest));
  return -lowest;
}

linalg::Method preferred_solver(const Problem& problem) {
  const bool direct =
      evolution_prefers_direct(problem.grid().dimension(),
                               static_cast<double>(problem.grid().cells()), problem.reversible());
  return direct ? linalg::Method::direct : linalg::Method::iterative;
}

} // namespace

bool evolution_prefers_direct(int dimension, double cells, bool reversible) {
  // One factorisation serves some twenty solves, so it pays up to larger sizes than elsewhere: in
  // two dimensions it was twice as fast as multigrid at a million cells.
  constexpr double largest = 2e6;
  return (dimension <= 2 && cells <= largest) || prefers_direct(dimension, cells, reversible);
}

EvolveChoice choose_method(Problem& problem, const EvolveInput& input, Vec masses) {
  EvolveChoice choice{.method = input.method};
  choice.solver = input.solver == "auto"     ? preferred_solver(problem)
                  : input.solver == "direct" ? linalg::Method::direct
                                             : linalg::Method::iterative;
  const auto spaces = static_cast<double>(linalg::shift_invert_spaces(input.times));
  // Later spaces use the factorisation of the first.
  const double krylov_factor = 0.5 + 0.5 * std::max(1.0, spaces);
  const bool automatic = input.method == "auto";
  const std::string asked = "as asked";
  std::string why_not_symmetrised = "detailed balance does not hold";
  if (problem.reversible()) {
    const double size = symmetrised_size(problem, masses);
    const double norm = problem.symmetrised().facts.norm;
    const std::int64_t products =
        linalg::chebyshev_products(norm, input.times, input.tolerance / size);
    const double rounding = linalg::series_rounding(products) * size;
    choice.symmetrised = rounding <= 0.5 * input.tolerance;
    if (input.method == "chebyshev") {
      choice.symmetrised = true; // fails with the reason if it must
      choice.reason = asked;
      return choice;
    }
    if (choice.symmetrised && automatic) {
      const double krylov = krylov_factor * products_per_space(problem, true, choice.solver);
      const bool series = static_cast<double>(products) <= krylov;
      choice.method = series ? "chebyshev" : "shift_invert";
      choice.reason = fmt::format("detailed balance holds, and about {} products are {} than "
                                  "factorising and solving (worth {:.0f})",
                                  products, series ? "less work" : "more work", krylov);
      return choice;
    }
    why_not_symmetrised =
        fmt::format("the start is {:.1e} times larger in the symmetrised measure, "
                    "where rounding would err by {:.1e}",
                    size, rounding);
  }
  if (!automatic) {
    choice.reason = asked;
    if (input.method == "shift_invert" && problem.reversible()) {
      choice.reason += choice.symmetrised
                           ? ", symmetrised"
                           : fmt::format(", not symmetrised: {}", why_not_symmetrised);
    }
    if (input.method == "uniformisation") choice.symmetrised = false;
    return choice;
  }
  const std::int64_t products =
      linalg::uniformisation_products(largest_rate(problem), input.times, input.tolerance);
  const double krylov = krylov_factor * products_per_space(problem, false, choice.solver);
  const bool monotone = problem.generator().facts.negative == 0;
  const bool exact = linalg::series_rounding(products) <= 0.5 * input.tolerance;
  const bool series = monotone && exact && static_cast<double>(products) <= krylov;
  choice.method = series ? "uniformisation" : "shift_invert";
  choice.reason = fmt::format("{}; {} products {}", why_not_symmetrised, products,
                              series ? fmt::format("are less work than factorising and solving "
                                                   "(worth {:.0f})",
                                                   krylov)
                              : !monotone ? "do not keep densities positive with negative rates"
                              : !exact    ? "would round to more than the tolerance"
                                       : fmt::format("are more work than factorising and solving "
                                                     "(worth {:.0f})",
                                                     krylov));
  return choice;
}

linalg::ExponentialReport propagate(Problem& problem, const EvolveInput& input,
                                    const EvolveChoice& choice, Vec masses,
                                    const linalg::ExponentialOutput& output,
                                    const linalg::Continuation& continuation) {
  linalg::ExponentialRequest request{.times = input.times,
                                     .tolerance = input.tolerance,
                                     .method = choice.solver,
                                     .prefix = "evolve_",
                                     .continuation = continuation};
  if (!choice.symmetrised) {
    return choice.method == "uniformisation"
               ? linalg::uniformisation(problem.forward(), largest_rate(problem), masses, request,
                                        output, problem.log())
               : linalg::shift_invert(problem.transposed(), linalg::Kind::general, masses, request,
                                      output, problem.log());
  }
  // m = P^(1/2) v; where P^(1/2) is 0 in double precision no mass ever arrives.
  const Vec root = problem.root_of_masses();
  base::UniqueVec start = base::duplicate(masses);
  {
    const base::ReadArray mass(masses);
    const base::ReadArray weight(root);
    const base::WriteArray value(start.get());
    for (std::size_t i = 0; i < mass.size(); ++i) value[i] = mass[i] == 0 ? 0 : mass[i] / weight[i];
  }
  request.weight = root;
  const base::UniqueVec state_masses = base::duplicate(masses);
  const auto to_masses = [&](std::size_t index, Vec state, double error) {
    check(VecPointwiseMult(state_masses.get(), state, root));
    output(index, state_masses.get(), error);
  };
  if (choice.method == "chebyshev") {
    const operators::Generator& a = problem.symmetrised();
    return linalg::chebyshev(a.matrix.get(), a.facts.norm, start.get(), request, to_masses,
                             problem.log());
  }
  return linalg::shift_invert(problem.symmetrised_entries().matrix.get(),
                              linalg::Kind::positive_definite, start.get(), request, to_masses,
                              problem.log());
}

} // namespace komori::analyses
