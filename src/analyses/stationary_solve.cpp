/// How the stationary density is found where detailed balance does not hold.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/reversed_process.hpp"
#include "analyses/solver_checkpoints.hpp"
#include "analyses/stationary.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "base/signals.hpp"
#include "linalg/solver.hpp"
#include "spaces/cubic_interpolation.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::Kind;
using linalg::LinearSolver;
using linalg::Method;

/// Grids up to this size are factorised wherever iteration starts from coarser ones.
constexpr PetscInt factorised_cells = 20'000;

/// Scales cell masses to a sum of 1.
void normalise(Vec masses) {
  check(VecScale(masses, 1 / base::sum(masses)));
}

double one_norm(Vec vec) {
  PetscReal norm = 0;
  check(VecNorm(vec, NORM_1, &norm));
  return norm;
}

/// Rounding leaves masses below 0 where the density is smallest. There m_i = (flow in) / (rate
/// out), which is positive once a neighbour is, replaces them; monotone operators only.
void lift_rounding(Problem& problem, Vec masses) {
  if (problem.generator().facts.negative > 0) return;
  const Mat generator = problem.generator().matrix.get();
  const base::UniqueVec diagonal = base::duplicate(masses);
  const base::UniqueVec inflow = base::duplicate(masses);
  check(MatGetDiagonal(generator, diagonal.get()));
  PetscReal top = 0;
  check(VecMax(masses, nullptr, &top));
  constexpr double rounding = 1e-14;
  constexpr int sweeps = 1000; // each lifts one more layer of cells
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    PetscReal lowest = 0;
    check(VecMin(masses, nullptr, &lowest));
    if (lowest > 0 || lowest < -rounding * top) return;
    {
      const base::WriteArray m(masses);
      for (std::size_t i = 0; i < m.size(); ++i) m[i] = std::max(m[i], 0.0);
    }
    check(MatMultTranspose(generator, masses, inflow.get()));
    const base::ReadArray in(inflow.get());
    const base::ReadArray out(diagonal.get());
    const base::WriteArray m(masses);
    for (std::size_t i = 0; i < m.size(); ++i) {
      if (m[i] == 0 && out[i] < 0) m[i] = in[i] / -out[i];
    }
  }
}

/// Certificate of cell masses: residual, minimum; turns masses into a density.
StationaryDensity certify(Problem& problem, base::UniqueVec masses, std::string method) {
  if (!problem.reversible()) lift_rounding(problem, masses.get());
  normalise(masses.get());
  StationaryDensity result;
  result.method = std::move(method);
  const base::UniqueVec change = problem.grid().vector();
  check(MatMultTranspose(problem.generator().matrix.get(), masses.get(), change.get()));
  result.residual = one_norm(change.get());
  const double norm = problem.generator().facts.norm; // 0 on a grid of one cell
  result.relative = norm > 0 ? result.residual / norm : result.residual;
  check(VecPointwiseDivide(masses.get(), masses.get(), problem.volumes()));
  check(VecMin(masses.get(), nullptr, &result.minimum));
  result.density = std::move(masses);
  return result;
}

/// Inverse iteration (epsilon I - G^T) y = x. The shifted matrix is an M-matrix, so y is positive;
/// one step damps everything but the null vector by epsilon / rate.
StationaryDensity by_factorisation(Problem& problem) {
  const double norm = problem.generator().facts.norm;
  const double epsilon = 1e-14 * norm;
  base::UniqueMat shifted;
  check(MatDuplicate(problem.transposed(), MAT_COPY_VALUES, shifted.put()));
  check(MatScale(shifted.get(), -1));
  check(MatShift(shifted.get(), epsilon));
  LinearSolver solver(shifted.get(), Kind::general, Method::direct, 1e-12, "stationary_");
  base::UniqueVec masses = problem.grid().volumes();
  const base::UniqueVec next = base::duplicate(masses.get());
  normalise(masses.get());
  for (int step = 0; step < 3; ++step) {
    solver.solve(masses.get(), next.get());
    check(VecCopy(next.get(), masses.get()));
    normalise(masses.get());
    base::stop_if_asked(problem.comm(), "the stationary density is incomplete");
  }
  StationaryDensity result = certify(problem, std::move(masses), "inverse iteration, sparse LU");

  // The slowest other mode, from the growth of a perturbation that carries no mass.
  base::UniqueVec mode = problem.grid().vector();
  {
    const base::Random random(20210515);
    const base::WriteArray value(mode.get());
    const base::ReadArray density(result.density.get());
    const base::ReadArray volume(problem.volumes());
    problem.grid().for_each_cell([&](PetscInt local, const spaces::Index& cell) {
      const auto i = static_cast<std::size_t>(local);
      const auto natural = static_cast<std::uint64_t>(problem.grid().natural(cell));
      value[i] = std::max(density[i], 0.0) * volume[i] * random.normal(natural);
    });
  }
  const base::UniqueVec masses_of_result = base::duplicate(mode.get());
  check(VecPointwiseMult(masses_of_result.get(), result.density.get(), problem.volumes()));
  double growth = 0;
  for (int step = 0; step < 4; ++step) {
    check(VecAXPY(mode.get(), -base::sum(mode.get()), masses_of_result.get()));
    const double before = one_norm(mode.get());
    if (before == 0) break;
    check(VecScale(mode.get(), 1 / before));
    solver.solve(mode.get(), next.get());
    check(VecAXPY(next.get(), -base::sum(next.get()), masses_of_result.get()));
    growth = one_norm(next.get());
    check(VecCopy(next.get(), mode.get()));
  }
  if (growth > 0) result.slowest_rate = std::max(1 / growth - epsilon, 0.0);
  return result;
}

/// What a finer grid takes from this one beside the density.
struct Experience {
  base::UniqueVec carried; ///< logarithm of the density of the next coarser grid, on this one
  bool entries = false;    ///< the reversible part did not serve as a preconditioner
};

/// Masses on a grid too large to factorise, from those of coarser grids.
StationaryDensity by_iteration(Problem& problem, const StationaryInput& input,
                               io::Checkpoints* checkpoints, Experience& experience);

StationaryDensity nested(Problem& problem, const StationaryInput& input, Experience& experience) {
  if (problem.grid().cells() <= factorised_cells) return by_factorisation(problem);
  return by_iteration(problem, input, nullptr, experience);
}

/// The logarithm, 0 at its largest. Far down the flanks the density of a coarse grid is rounding,
/// even negative; a flat floor makes no jumps there.
base::UniqueVec floored_log(Vec density) {
  constexpr double faint = 1e-30;
  base::UniqueVec log = base::duplicate(density);
  PetscReal top = 0;
  check(VecMax(density, nullptr, &top));
  const base::ReadArray from(density);
  const base::WriteArray value(log.get());
  for (std::size_t i = 0; i < value.size(); ++i) {
    value[i] = std::log(std::max(from[i], faint * top) / top);
  }
  return log;
}

/// What takes the logarithm from a grid to one of half the widths, by Richardson's rule, from that
/// of a grid of twice the widths: a quarter of the difference, where it is small.
void extrapolate_log(Vec log, Vec carried) {
  constexpr double largest = 0.5;
  const base::ReadArray before(carried);
  const base::WriteArray value(log);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const double difference = value[i] - before[i];
    if (std::abs(difference) <= largest) value[i] += 0.25 * difference;
  }
}

/// A guess of the masses from a coarser grid, positive: interpolating the logarithm keeps the steep
/// flanks smooth.
base::UniqueVec carried_over(Problem& problem, const Problem& coarse,
                             const StationaryDensity& start, Vec coarser,
                             base::UniqueVec& carried) {
  const spaces::CubicInterpolation up(coarse.grid(), problem.grid());
  const base::UniqueVec log = floored_log(start.density.get());
  carried = problem.grid().vector();
  up.apply(log.get(), carried.get());
  if (coarser) extrapolate_log(log.get(), coarser);
  base::UniqueVec masses = problem.grid().vector();
  up.apply(log.get(), masses.get());
  check(VecExp(masses.get()));
  check(VecPointwiseMult(masses.get(), masses.get(), problem.volumes()));
  normalise(masses.get());
  return masses;
}

StationaryDensity by_iteration(Problem& problem, const StationaryInput& input,
                               io::Checkpoints* checkpoints, Experience& experience) {
  const auto coarse = problem.coarsened(2, 8);
  if (coarse->grid().cells() > problem.grid().cells() / 2) return by_factorisation(problem);
  base::UniqueVec scale;
  base::UniqueVec factor;
  double slowest_rate = -1;
  if (checkpoints) {
    checkpoints->restore("stationary", [&](io::CheckpointReader& reader) {
      OwnedState saved = load_state(reader, problem.grid(), "masses");
      slowest_rate = saved.numbers.at(0);
      scale = std::move(saved.vectors.at(0));
      factor = std::move(saved.vectors.at(1));
    });
  }
  if (!scale) {
    Experience coarser;
    const StationaryDensity start = nested(*coarse, input, coarser);
    slowest_rate = start.slowest_rate;
    scale = carried_over(problem, *coarse, start, coarser.carried.get(), experience.carried);
    experience.entries = coarser.entries;
    factor = base::duplicate(scale.get());
    check(VecSet(factor.get(), 1));
  }
  experience.entries = experience.entries || !(sweeps_suit(problem) || stencil_suits(problem));
  std::unique_ptr<ReversedProcess> process = experience.entries ? by_entries(problem, scale.get())
                                             : sweeps_suit(problem)
                                                 ? by_sweeps(problem, scale.get())
                                                 : by_stencil(problem, scale.get());

  const double norm = problem.generator().facts.norm;
  const base::UniqueVec residual = base::duplicate(scale.get());
  const base::UniqueVec correction = base::duplicate(scale.get());
  const base::UniqueVec change = base::duplicate(scale.get());
  constexpr int rounds = 8;
  for (int round = 0; round < rounds; ++round) {
    process->apply(factor.get(), residual.get());
    check(VecPointwiseMult(change.get(), residual.get(), scale.get()));
    const double relative = one_norm(change.get()) / norm;
    // A start may be within the tolerance by the rough errors alone, which say nothing of others.
    if (round > 0 && relative <= 0.1 * input.tolerance) break;
    try {
      process->solve(residual.get(), correction.get());
    } catch (const base::ConvergenceError& error) {
      if (experience.entries) throw;
      problem.log().line(fmt::format("    {}; going on with algebraic multigrid", error.what()));
      experience.entries = true;
      process.reset();
      process = by_entries(problem, scale.get());
      continue;
    }
    check(VecAXPY(factor.get(), -1, correction.get()));
    problem.log().iteration("stationary", round, 0, relative);
    if (!checkpoints) continue;
    checkpoints->step("stationary", [&](io::CheckpointWriter& writer) {
      save_state(writer, problem.grid(), "masses",
                 {.numbers = {slowest_rate}, .vectors = {scale.get(), factor.get()}});
    });
  }
  check(VecPointwiseMult(factor.get(), factor.get(), scale.get()));
  StationaryDensity result = certify(problem, std::move(factor),
                                     fmt::format("{} from a coarser grid, {} iterations",
                                                 process->describe(), process->iterations()));
  result.slowest_rate = slowest_rate;
  return result;
}

/// exp(ln p), normalised; exact up to rounding.
StationaryDensity in_closed_form(Problem& problem) {
  base::UniqueVec masses = base::duplicate(problem.log_density());
  check(VecCopy(problem.log_density(), masses.get()));
  check(VecExp(masses.get()));
  check(VecPointwiseMult(masses.get(), masses.get(), problem.volumes()));
  return certify(problem, std::move(masses), "closed form (detailed balance)");
}

} // namespace

StationaryDensity stationary_density(Problem& problem, const StationaryInput& input,
                                     io::Checkpoints* checkpoints) {
  if (problem.reversible() && input.solver == "auto") return in_closed_form(problem);
  const bool prefers = sweeps_suit(problem) ? problem.grid().cells() <= factorised_cells
                                            : problem.preferred_method() == Method::direct;
  const bool direct = input.solver == "direct" || (input.solver == "auto" && prefers);
  if (direct) return by_factorisation(problem);
  try {
    Experience experience;
    StationaryDensity result = by_iteration(problem, input, checkpoints, experience);
    const double round_off = -1e-14 / problem.grid().volume(spaces::Index{});
    if (result.relative <= input.tolerance && result.minimum > round_off) return result;
    problem.log().line(
        fmt::format("    iteration left a residual of {:.1e} and a minimum of {:.1e}; "
                    "factorising instead",
                    result.relative, result.minimum));
  } catch (const base::ConvergenceError& error) {
    problem.log().line(fmt::format("    {}; factorising instead", error.what()));
  }
  return by_factorisation(problem);
}

} // namespace komori::analyses
