#include "analyses/coherent_sets.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "analyses/solver_checkpoints.hpp"
#include "base/error.hpp"
#include "config/formula.hpp"
#include "config/wording.hpp"
#include "linalg/singular.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// Of all mass: less of it that stays is rounding.
constexpr double least_survival = 1e-12;

/// L = D(before) P^n D(after), applied as products.
struct WeightedSteps {
  Mat forward = nullptr;  ///< P
  Mat backward = nullptr; ///< P^T
  std::int64_t steps = 1;
  base::UniqueVec before; ///< m / S p^(-1/2); 0 where nothing stays
  base::UniqueVec after;  ///< q^(-1/2); 0 where nothing arrives
  base::UniqueVec from;
  base::UniqueVec to;
};

void multiply_by(Mat matrix, WeightedSteps& self, Vec first, Vec last, Vec x, Vec y) {
  check(VecPointwiseMult(self.from.get(), first, x));
  for (std::int64_t i = 0; i < self.steps; ++i) {
    check(MatMult(matrix, self.from.get(), self.to.get()));
    std::swap(self.from, self.to);
  }
  check(VecPointwiseMult(y, last, self.from.get()));
}

WeightedSteps& context_of(Mat shell) {
  WeightedSteps* self = nullptr;
  check(MatShellGetContext(shell, &self));
  return *self;
}

PetscErrorCode multiply(Mat shell, Vec x, Vec y) {
  return base::guarded([&] {
    WeightedSteps& self = context_of(shell);
    multiply_by(self.forward, self, self.after.get(), self.before.get(), x, y);
  });
}

PetscErrorCode multiply_transposed(Mat shell, Vec x, Vec y) {
  return base::guarded([&] {
    WeightedSteps& self = context_of(shell);
    multiply_by(self.backward, self, self.before.get(), self.after.get(), x, y);
  });
}

PetscErrorCode create_vectors(Mat shell, Vec* right, Vec* left) {
  return base::guarded([&] {
    const WeightedSteps& self = context_of(shell);
    if (right) check(VecDuplicate(self.from.get(), right));
    if (left) check(VecDuplicate(self.from.get(), left));
  });
}

base::UniqueMat shell_of(const spaces::Grid& grid, WeightedSteps& context) {
  base::UniqueMat shell;
  check(MatCreateShell(grid.comm(), grid.local_cells(), grid.local_cells(), grid.cells(),
                       grid.cells(), &context, shell.put()));
  check(MatShellSetOperation(shell.get(), MATOP_MULT, reinterpret_cast<void (*)()>(multiply)));
  check(MatShellSetOperation(shell.get(), MATOP_MULT_TRANSPOSE,
                             reinterpret_cast<void (*)()>(multiply_transposed)));
  check(MatShellSetOperation(shell.get(), MATOP_CREATE_VECS,
                             reinterpret_cast<void (*)()>(create_vectors)));
  return shell;
}

std::string key_of(const CoherentSetsInput& input) {
  return fmt::format("{}: '{}'", input.density.origin.text(), input.density.path);
}

/// Cell masses at the beginning, sum 1.
base::UniqueVec masses_before(const TransferProblem& problem, const CoherentSetsInput& input,
                              const std::vector<std::string>& variables,
                              const std::vector<std::pair<std::string, double>>& constants) {
  base::UniqueVec masses = base::duplicate(problem.volumes());
  if (input.density.given()) {
    const config::Formula formula(input.density, variables, constants);
    problem.require(
        std::cref(formula), [](double value) { return value >= 0 && std::isfinite(value); },
        key_of(input) + " is negative or not finite");
    const base::UniqueVec density =
        problem.sampled([&](std::span<const double> x) { return formula(x); });
    check(VecPointwiseMult(masses.get(), density.get(), problem.volumes()));
  } else {
    check(VecCopy(problem.volumes(), masses.get()));
  }
  const double sum = base::sum(masses.get());
  if (!(sum > 0)) {
    throw base::InputError(key_of(input) + " is 0 in every cell; it needs some mass");
  }
  check(VecScale(masses.get(), 1 / sum));
  return masses;
}

/// Replaces every entry of a copy.
base::UniqueVec mapped(Vec values, const std::function<double(double)>& function) {
  base::UniqueVec result = base::duplicate(values);
  const base::ReadArray from(values);
  const base::WriteArray to(result.get());
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = function(from[i]);
  return result;
}

/// Of the mass that stays, where u > 0, the share that ends where v > 0, and of the rest that in
/// the rest: the smaller. `image`: P^n 1_(v > 0), `stays`: P^n 1.
double coherence_of(Vec u, Vec image, Vec stays, Vec masses) {
  const base::ReadArray side(u);
  const base::ReadArray arrives(image);
  const base::ReadArray all(stays);
  const base::ReadArray mass(masses);
  std::array<double, 4> sums{};
  for (std::size_t i = 0; i < side.size(); ++i) {
    const bool upper = side[i] > 0;
    sums[upper ? 0 : 2] += mass[i] * all[i];
    sums[upper ? 1 : 3] += mass[i] * (upper ? arrives[i] : all[i] - arrives[i]);
  }
  MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(u));
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), 4, MPI_DOUBLE, MPI_SUM, comm);
  const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 1.0; };
  return std::min(share(sums[1], sums[0]), share(sums[3], sums[2]));
}

void print(const TransferProblem& problem, const CoherentSets& sets) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < sets.values.size(); ++i) {
    rows.push_back({std::to_string(i), fmt::format("{:.12g}", sets.values[i]),
                    fmt::format("{:.1e}", sets.residuals[i]),
                    fmt::format("{:.6g}", sets.coherence[i])});
  }
  if (1 - sets.survival > least_survival) {
    problem.log().line(fmt::format("  of the {:.4g} % of all mass that {}", 100 * sets.survival,
                                   problem.closed() ? "begin in cells where paths have been"
                                                    : "stay on the grid for the whole time"));
  }
  problem.log().table("Coherent sets", {"#", "singular value", "residual", "coherence"}, rows);
}

void write(const TransferProblem& problem, const CoherentSetsInput& input, const CoherentSets& sets,
           io::ResultFile& file) {
  const hsize_t n = sets.values.size();
  const auto numbers = [&](const std::string& name, const std::vector<double>& values,
                           const std::string& meaning) {
    file.write_small("/coherent_sets/" + name, values, {n}, {{"meaning", meaning}, {"unit", "-"}});
  };
  numbers("singular_values", sets.values,
          "singular values of the density-weighted transfer operator, largest first");
  numbers("residuals", sets.residuals, "the larger of ||L v - sigma u|| and ||L^T u - sigma v||");
  numbers("coherence", sets.coherence,
          "of the mass that stays, the share where u > 0 that ends where v > 0, or of the rest in "
          "the rest: the smaller");
  const io::Slab slab = problem.grid().slab();
  std::vector<hsize_t> shape = slab.shape;
  shape.insert(shape.begin(), n);
  const auto functions = [&](const std::string& name, const std::vector<base::UniqueVec>& vectors,
                             const std::string& when) {
    const std::string dataset = "/coherent_sets/" + name;
    file.create(dataset, shape,
                {{"meaning", "singular functions at the " + when + ", mean square 1 there"},
                 {"unit", "-"}});
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      const base::ReadArray entries(vectors[i].get());
      file.write_leading(dataset, i, entries.span(), slab);
    }
  };
  functions("beginning", sets.beginning, "beginning");
  functions("end", sets.end, "end");
  file.annotate("/coherent_sets", {{"solver", sets.solver},
                                   {"iterations", static_cast<std::int64_t>(sets.iterations)},
                                   {"tolerance", input.tolerance},
                                   {"asked", input.pairs},
                                   {"steps", input.steps},
                                   {"survival", sets.survival},
                                   {"time", static_cast<double>(input.steps) * problem.lag()}});
}

} // namespace

void declare(config::Declarer& declarer, CoherentSetsInput& input) {
  using config::Range;
  declarer.integer("pairs", input.pairs,
                   {.help = "Singular pairs wanted; the first is the constant with the value 1."},
                   Range::between(1, 1000));
  declarer.integer("steps", input.steps, {.help = "Steps of the map or chain that time counts."},
                   Range::between(1, 1000000));
  declarer.formula("density", input.density,
                   {.help = "Probability density at the beginning, not necessarily normalised; the "
                            "same everywhere where left out."});
  declarer.real("tolerance", input.tolerance, {.help = "Largest residual of a pair."},
                {.min = 1e-15, .max = 1e-2});
  if (declarer.reading()) input.origin = declarer.origin("pairs");
}

void validate(std::int64_t cells, const CoherentSetsInput& input) {
  if (input.pairs <= cells) return;
  config::fail(input.origin,
               fmt::format("'coherent_sets.pairs' is {}, but there are only {} cells or states; "
                           "ask for fewer pairs",
                           input.pairs, cells));
}

void validate(const spaces::Grid& grid, const CoherentSetsInput& input,
              const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants) {
  validate(grid.cells(), input);
  if (!input.density.given()) return;
  const config::Formula formula(input.density, variables, constants);
  spaces::require_finite(grid, std::cref(formula), key_of(input));
  spaces::require(
      grid, std::cref(formula), [](double value) { return value >= 0; },
      key_of(input) + " is negative");
  const base::UniqueVec density =
      grid.sampled([&](std::span<const double> x) { return formula(x); });
  if (base::sum(density.get()) > 0) return;
  throw base::InputError(key_of(input) + " is 0 in every cell; it needs some mass");
}

CoherentSets compute_coherent_sets(TransferProblem& problem, const CoherentSetsInput& input,
                                   const std::vector<std::string>& variables,
                                   const std::vector<std::pair<std::string, double>>& constants) {
  if (problem.rates()) {
    throw base::InputError("'coherent_sets' is for the steps of a map or chain, but the matrix "
                           "holds rates; remove it");
  }
  const base::UniqueVec masses = masses_before(problem, input, variables, constants);
  WeightedSteps context{.forward = problem.matrix(),
                        .backward = problem.transposed(),
                        .steps = input.steps,
                        .before = {},
                        .after = {},
                        .from = base::duplicate(masses.get()),
                        .to = base::duplicate(masses.get())};
  const auto advance = [&](Mat matrix, Vec x) { // x becomes matrix^steps x
    check(VecCopy(x, context.from.get()));
    for (std::int64_t i = 0; i < input.steps; ++i) {
      check(MatMult(matrix, context.from.get(), context.to.get()));
      std::swap(context.from, context.to);
    }
    check(VecCopy(context.from.get(), x));
  };
  CoherentSets result;
  const base::UniqueVec stays = mapped(masses.get(), [](double) { return 1.0; });
  const base::UniqueVec before = base::duplicate(masses.get());
  advance(problem.matrix(), stays.get());
  check(VecPointwiseMult(before.get(), masses.get(), stays.get()));
  result.survival = base::sum(before.get());
  if (result.survival < least_survival) {
    throw base::InputError(fmt::format(
        "'coherent_sets' is about what stays, but only {:.3g} of all mass does for {} steps; widen "
        "the grid, or lower 'coherent_sets.steps'",
        result.survival, input.steps));
  }
  check(VecScale(before.get(), 1 / result.survival));
  const base::UniqueVec after = mapped(masses.get(), [](double m) { return m; });
  advance(problem.transposed(), after.get());
  check(VecScale(after.get(), 1 / result.survival));
  const auto inverse_root = [](double q) { return q > 0 ? 1 / std::sqrt(q) : 0.0; };
  context.after = mapped(after.get(), inverse_root);
  const base::UniqueVec inverse_before = mapped(before.get(), inverse_root);
  context.before = base::duplicate(masses.get());
  check(VecPointwiseMult(context.before.get(), masses.get(), inverse_before.get()));
  check(VecScale(context.before.get(), 1 / result.survival));

  const base::UniqueMat shell = shell_of(problem.grid(), context);
  const SavedSolver saved(problem.checkpoints(), problem.grid(), "coherent sets");
  linalg::SingularTriplets found =
      linalg::largest_singular(shell.get(),
                               {.triplets = static_cast<PetscInt>(input.pairs),
                                .tolerance = input.tolerance,
                                .prefix = "coherent_sets_",
                                .continuation = saved.continuation()},
                               problem.log());
  result.values = found.values;
  result.residuals = found.residuals;
  result.iterations = found.iterations;
  result.solver = found.solver;
  result.complete = static_cast<std::int64_t>(found.values.size()) >= input.pairs;
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    base::UniqueVec& u = found.left[i];
    base::UniqueVec& v = found.right[i];
    check(VecPointwiseMult(u.get(), u.get(), inverse_before.get()));
    check(VecPointwiseMult(v.get(), v.get(), context.after.get()));
    // A sign of its own: the first function is 1, of the others the heavier tail is positive.
    check(VecPointwiseMult(context.from.get(), u.get(), before.get()));
    double skew = base::sum(context.from.get());
    if (i > 0) {
      const base::UniqueVec cube = mapped(u.get(), [](double x) { return x * x * x; });
      skew = base::dot(cube.get(), before.get());
    }
    if (skew < 0) {
      check(VecScale(u.get(), -1));
      check(VecScale(v.get(), -1));
    }
    const base::UniqueVec image = mapped(v.get(), [](double x) { return x > 0 ? 1.0 : 0.0; });
    advance(problem.matrix(), image.get());
    result.coherence.push_back(coherence_of(u.get(), image.get(), stays.get(), masses.get()));
    result.beginning.push_back(std::move(u));
    result.end.push_back(std::move(v));
  }
  return result;
}

bool coherent_sets(TransferProblem& problem, const CoherentSetsInput& input,
                   const std::vector<std::string>& variables,
                   const std::vector<std::pair<std::string, double>>& constants,
                   io::ResultFile& file) {
  base::Phase phase(problem.log(), "coherent_sets");
  const CoherentSets sets = compute_coherent_sets(problem, input, variables, constants);
  phase.finish(
      fmt::format("{} pairs, {} iterations, {}", sets.values.size(), sets.iterations, sets.solver));
  write(problem, input, sets, file);
  print(problem, sets);
  if (sets.complete) return true;
  problem.log().warning(fmt::format("coherent_sets: {} of {} pairs converged; raise "
                                    "-coherent_sets_svd_max_it or relax 'coherent_sets.tolerance'",
                                    sets.values.size(), input.pairs));
  return false;
}

} // namespace komori::analyses
