/// How the pairs of `spectrum` are found: symmetrised or not, direct or on nested grids.
#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "analyses/eigen_checkpoints.hpp"
#include "analyses/eigenfunctions.hpp"
#include "analyses/refinement.hpp"
#include "analyses/spectrum.hpp"
#include "base/error.hpp"
#include "linalg/pair_order.hpp"
#include "operators/block_multigrid.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::EigenPairs;
using linalg::EigenRequest;
using linalg::keep_first;
using linalg::Method;
using linalg::sort_units;

/// Grids below this size are solved directly and start the next finer one.
constexpr PetscInt coarsest_cells = 5000;

Method method_of(const Problem& problem, const SpectrumInput& input) {
  if (input.solver == "direct") return Method::direct;
  if (input.solver == "iterative") return Method::iterative;
  // Multigrid needs a definite shifted operator, so values inside the spectrum are found directly.
  return input.target.word.empty() ? Method::direct : problem.preferred_method();
}

/// The shift for eigenvalues near `target`, off it by an odd fraction of the scale so that it is
/// never exactly an eigenvalue.
double shift_near(double target, double scale) {
  return target + 0.0137 * scale;
}

using Vectors = std::vector<base::UniqueVec>;

/// Slowest eigenvectors of coarser grids, carried over. `plain`, if given, gets those of the next
/// coarser grid alone, for `extrapolate`.
Vectors nested_start(Problem& fine, const SpectrumInput& input, Vectors* plain);

/// The symmetrised operator in the form that suits the method: entries, or a stencil that carries
/// its block multigrid.
struct Symmetrised {
  Symmetrised(Problem& problem, const EigenRequest& request) {
    if (request.method == Method::iterative && problem.matrix_free()) {
      auto op = std::make_shared<operators::BlockMultigrid>(
          operators::symmetric_stencil(problem.fluxes()), request.shift);
      norm = op->stencil().norm();
      shell = operators::shell_matrix(problem.grid(), std::move(op));
      matrix = shell.get();
    } else {
      matrix = problem.symmetrised_entries().matrix.get();
      norm = problem.symmetrised_entries().facts.norm;
    }
  }
  base::UniqueMat shell;
  Mat matrix = nullptr;
  double norm = 0; ///< largest absolute row sum, 1/time
};

EigenPairs reversible_pairs(Problem& problem, const SpectrumInput& input, double* norm,
                            Vectors* plain) {
  const bool slowest = !input.target.word.empty();
  const double rate = problem.diffusive_rate();
  EigenRequest request{.pairs = static_cast<PetscInt>(input.pairs),
                       .tolerance = input.tolerance,
                       .shift = slowest ? -rate : -shift_near(input.target.number, rate),
                       .method = method_of(problem, input),
                       .prefix = "spectrum_"};
  const Symmetrised a(problem, request);
  request.norm = a.norm;
  Vectors start;
  const io::Checkpoints* checkpoints = problem.checkpoints();
  const bool resumes = checkpoints && checkpoints->pending("spectrum");
  if (request.method == Method::iterative && !resumes) {
    start = nested_start(problem, input, plain);
    for (const base::UniqueVec& vector : start) request.start.push_back(vector.get());
    request.started = [&start] { start.clear(); };
  }
  EigenPairs pairs = with_checkpoints(
      problem.checkpoints(), problem.grid(), request, "spectrum", nullptr,
      [&](const EigenRequest& r) { return linalg::symmetric_pairs(a.matrix, r, problem.log()); });
  for (std::complex<double>& value : pairs.values) value = -value.real() + 0.0;
  if (norm) *norm = a.norm;
  return pairs;
}

Vectors nested_start(Problem& fine, const SpectrumInput& input, Vectors* plain) {
  const auto coarse = fine.coarsened(2, 8);
  const PetscInt cells = coarse->grid().cells();
  if (cells < 4 * input.pairs || cells > fine.grid().cells() / 2) return {};
  SpectrumInput coarse_input = input;
  coarse_input.pairs = input.pairs + std::max<std::int64_t>(3, input.pairs / 5);
  coarse_input.solver = cells <= coarsest_cells ? "direct" : "iterative";
  coarse_input.tolerance = coarser_tolerance(input.tolerance);
  Vectors carried;
  EigenPairs pairs = reversible_pairs(*coarse, coarse_input, nullptr, &carried);
  return refined_start(*coarse, fine, std::move(pairs.vectors), carried, plain);
}

/// Pairs of G (or of its transpose) in the order asked. Shift-and-invert finds what is nearest to
/// the shift, which favours slow modes without oscillation. The search widens until every mode as
/// slow as the last one, and oscillating twice as fast as any of them, would have been found: the
/// second harmonic of a rotation decays no faster than modes that do not oscillate.
EigenPairs general_search(Problem& problem, Mat matrix, const SpectrumInput& input,
                          const std::string& phase, EigenPairs* finished, std::string& coverage) {
  const bool slowest = !input.target.word.empty();
  const double rate = problem.diffusive_rate();
  const auto asked = static_cast<std::size_t>(input.pairs);
  EigenRequest request{.pairs = static_cast<PetscInt>(input.pairs),
                       .tolerance = input.tolerance,
                       .shift = slowest ? rate : shift_near(input.target.number, rate),
                       .norm = problem.generator().facts.norm,
                       .method = method_of(problem, input),
                       .prefix = "spectrum_"};
  const auto search = [&] {
    return with_checkpoints(
        problem.checkpoints(), problem.grid(), request, phase, finished,
        [&](const EigenRequest& r) { return linalg::general_pairs(matrix, r, problem.log()); });
  };
  if (!slowest) {
    EigenPairs pairs = search();
    sort_units(pairs, [&](std::complex<double> a, std::complex<double> b) {
      return std::abs(a - request.shift) < std::abs(b - request.shift);
    });
    keep_first(pairs, asked);
    sort_units(pairs, [](auto a, auto b) { return a.real() > b.real(); });
    return pairs;
  }
  request.pairs = static_cast<PetscInt>(std::min<std::int64_t>(
      input.pairs + std::max<std::int64_t>(4, input.pairs / 2), problem.grid().cells()));
  constexpr int rounds = 4;
  for (int round = 1;; ++round) {
    EigenPairs pairs = search();
    pairs.asked = static_cast<PetscInt>(input.pairs);
    sort_units(pairs, [](auto a, auto b) { return a.real() > b.real(); });
    const double farthest = pairs.farthest;
    const bool everything = static_cast<PetscInt>(pairs.values.size()) >= problem.grid().cells();
    const double last = pairs.values.size() > asked ? pairs.values[asked - 1].real() : -farthest;
    keep_first(pairs, asked);
    double fastest = 0;
    for (const std::complex<double>& value : pairs.values) {
      fastest = std::max(fastest, value.imag());
    }
    // All |lambda - shift| <= farthest are known, so right of `last` all |Im lambda| <= covered.
    const double reach = request.shift - last;
    const double covered = farthest > reach ? std::sqrt(farthest * farthest - reach * reach) : 0;
    coverage = everything
                   ? ""
                   : fmt::format("complete for modes with |Im lambda| <= {:.4g}; a slow mode "
                                 "that oscillates faster would not be seen",
                                 covered);
    const bool enough = everything || covered >= 2.1 * fastest; // twice, and the grid's error
    if (enough || round == rounds || !pairs.complete()) return pairs;
    request.pairs =
        static_cast<PetscInt>(std::min<std::int64_t>(2 * request.pairs, problem.grid().cells()));
    request.shift = std::max(request.shift, std::abs(last));
    // The solver's tolerance is relative to the distance from the shift.
    request.tolerance = std::max(1e-14, input.tolerance * rate / request.shift);
    problem.log().line(fmt::format("    oscillating modes found: searching for {} nearest {:.6g}",
                                   request.pairs, request.shift));
  }
}

} // namespace

Spectrum compute_spectrum(Problem& problem, const SpectrumInput& input) {
  const bool right = input.sides != "left";
  const bool left = input.sides != "right";
  Spectrum result;
  const auto take = [&](EigenPairs& pairs) {
    result.values = pairs.values;
    result.residuals = pairs.residuals;
    result.iterations += pairs.iterations;
    result.solver = pairs.solver;
    result.complete = pairs.complete();
  };
  if (problem.reversible()) {
    EigenPairs pairs = reversible_pairs(problem, input, &result.norm, nullptr);
    keep_first(pairs, static_cast<std::size_t>(input.pairs));
    sort_units(pairs, [](auto a, auto b) { return a.real() > b.real(); });
    take(pairs);
    if (right) result.right = functions_from_symmetrised(problem, pairs);
    if (left) result.left = densities_from_symmetrised(problem, pairs);
  } else {
    result.norm = problem.generator().facts.norm;
    const io::Checkpoints* checkpoints = problem.checkpoints();
    const bool resumes_right = checkpoints && checkpoints->pending("spectrum right");
    EigenPairs densities;
    if (left && !resumes_right) {
      densities = general_search(problem, problem.transposed(), input, "spectrum left", nullptr,
                                 result.coverage);
    }
    EigenPairs functions;
    if (right) {
      functions = general_search(problem, problem.generator_entries(), input, "spectrum right",
                                 left ? &densities : nullptr, result.coverage);
    }
    if (left) {
      take(densities);
      for (base::UniqueVec& mass : densities.vectors) {
        check(VecPointwiseDivide(mass.get(), mass.get(), problem.volumes()));
        result.left.push_back(std::move(mass));
      }
    }
    if (right) {
      take(functions);
      result.right = std::move(functions.vectors);
      normalise_functions(result.values, result.right);
    }
    const std::size_t both = std::min(result.right.size(), result.left.size());
    if (right && left && both < result.values.size()) { // one side converged short of the other
      result.complete = false;
      result.values.resize(both);
      result.residuals.resize(both);
      result.right.resize(both);
      result.left.resize(both);
    }
  }
  if (left) normalise_densities(problem.volumes(), result.values, result.right, result.left);
  return result;
}

} // namespace komori::analyses
