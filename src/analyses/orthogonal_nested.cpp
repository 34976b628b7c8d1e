/// Eigenpairs of the orthogonal dynamics on large grids, from those on coarser ones.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "analyses/memory_kernel.hpp"
#include "analyses/orthogonal_pairs.hpp"
#include "analyses/problem.hpp"
#include "analyses/solver_checkpoints.hpp"
#include "base/error.hpp"
#include "linalg/two_sided.hpp"
#include "operators/flush_denormals.hpp"
#include "operators/swept_block.hpp"
#include "spaces/cubic_interpolation.hpp"
#include "spaces/interpolation.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Complex = std::complex<double>;
using linalg::TwoSidedPairs;

/// Grids of fewer cells are searched; finer ones begin with what is known of a coarser one.
constexpr PetscInt most_searched = 40'000;
/// Cells that an axis keeps.
constexpr PetscInt fewest = 8;
/// How far vectors of a coarser grid are improved: they differ from the next grid's by more.
constexpr double coarse_reduction = 1e-2;
constexpr int coarse_passes = 1;
/// Residuals over the rates: values err by the product of both sides' residuals. Amplitudes err by
/// the residuals themselves, and larger ones leave rates undecided.
double sufficient_share(double tolerance) {
  return std::clamp(0.1 * std::sqrt(tolerance), 1e-6, 1e-5);
}
/// Between the pairs that are followed and the next, over their distance from the shift.
constexpr double sufficient_gap = 0.05;
/// The error of a grid over that of one half as wide, of transport with upwinding.
constexpr double halved_error = 2;
constexpr const char* phase = "memory rates";

/// What the search on coarser grids says of itself.
struct Trail {
  double radius = 0; ///< every eigenvalue so near to the shift was found on the coarsest one
  double apart = 0;  ///< from the values that are followed to the next one there
  double moved = 0;  ///< by which the wanted values changed from grid to grid, in all
  /// Largest real part there of those that are not followed.
  double behind = -std::numeric_limits<double>::infinity();
  std::vector<Complex> values{}; ///< on the last one

  /// Behind what is saved already.
  void append_to(std::vector<double>& numbers) const {
    for (const Complex& value : values) {
      numbers.insert(numbers.end(), {value.real(), value.imag()});
    }
    numbers.insert(numbers.end(),
                   {radius, apart, moved, behind, static_cast<double>(values.size())});
  }
  static Trail at_end_of(const std::vector<double>& numbers) {
    std::size_t next = numbers.size();
    const auto number = [&] { return numbers.at(--next); };
    const auto count = static_cast<std::size_t>(number());
    Trail trail;
    trail.behind = number();
    trail.moved = number();
    trail.apart = number();
    trail.radius = number();
    for (std::size_t i = 0; i < count; ++i) {
      const double im = number();
      trail.values.emplace_back(number(), im);
    }
    return trail;
  }
};

/// The coarsest grid, "125 x 125".
std::string coarsest_of(const spaces::Grid& fine) {
  spaces::Grid grid = fine.coarsened(2, fewest);
  while (grid.cells() >= most_searched) grid = grid.coarsened(2, fewest);
  std::string text;
  for (int k = 0; k < grid.dimension(); ++k) {
    text += fmt::format("{}{}", k > 0 ? " x " : "", grid.axis(k).cells());
  }
  return text;
}

/// The dynamics on a coarser grid, with the masses of its cells as weights.
MemorySystem coarser_system(const MemorySystem& fine, Problem& problem) {
  MemorySystem coarse{.session = fine.session, .grid = problem.grid()};
  coarse.matrix = problem.generator().matrix.get();
  coarse.problem = &problem;
  coarse.discrete = false;
  coarse.norm = problem.generator().facts.norm;
  coarse.conserved = fine.conserved;
  coarse.stationary = fine.stationary;
  coarse.scale = fine.scale;
  coarse.method = fine.method;
  coarse.swept_axis = fine.swept_axis;
  coarse.projection = fine.projection;
  coarse.names = fine.names;
  coarse.weights = problem.grid().vector();
  const base::UniqueMat up = spaces::interpolation(problem.grid(), fine.grid);
  check(MatMultTranspose(up.get(), fine.weights.get(), coarse.weights.get()));
  return coarse;
}

/// Both sides as real vectors; pairs of which a side is missing are left out, and not followed.
TwoSidedPairs both_sides(OrthogonalPairs found, Trail& trail) {
  TwoSidedPairs pairs;
  for (OrthogonalPair& pair : found.pairs) {
    if (!pair.left) {
      trail.behind = std::max(trail.behind, pair.value.real());
      continue;
    }
    pairs.values.push_back(pair.value);
    pairs.right.push_back(std::move(pair.right));
    pairs.left.push_back(std::move(pair.left));
    if (!pair.right_im) continue;
    pairs.values.push_back(std::conj(pair.value));
    pairs.right.push_back(std::move(pair.right_im));
    pairs.left.push_back(std::move(pair.left_im));
  }
  return pairs;
}

/// How far the first `count` values are from the others; infinite where there are none.
double apart(const std::vector<Complex>& values, std::size_t count) {
  double nearest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = count; j < values.size(); ++j) {
      nearest = std::min(nearest, std::abs(values[i] - values[j]));
    }
  }
  return nearest;
}

/// That, or how much faster than all of them the next one decays if that is less, over the farthest
/// distance of the former from the shift; 0 where a complex pair would be split.
double gap(const std::vector<Complex>& values, std::size_t count, double shift) {
  if (values[count].imag() < 0) return 0;
  double farthest = 0;
  for (std::size_t i = 0; i < count; ++i)
    farthest = std::max(farthest, std::abs(values[i] - shift));
  const double faster = values[count - 1].real() - values[count].real();
  return std::min(apart(values, count), faster) / farthest;
}

/// Those that are followed to finer grids: as few as are asked for, if what comes behind them is
/// far enough away neither to be mixed into them nor to become slower; else up to where it is.
/// Others go.
void keep_apart(TwoSidedPairs& pairs, std::size_t asked, double shift, Trail& trail) {
  std::size_t best = pairs.values.size();
  double widest = 0;
  for (std::size_t count = asked; count < pairs.values.size(); ++count) {
    const double here = gap(pairs.values, count, shift);
    if (here > widest) {
      widest = here;
      best = count;
    }
    if (widest >= sufficient_gap) break;
  }
  trail.apart = apart(pairs.values, best);
  if (best < pairs.values.size()) {
    trail.behind = std::max(trail.behind, pairs.values[best].real());
  }
  pairs.values.resize(best);
  pairs.right.resize(best);
  pairs.left.resize(best);
}

linalg::TwoSidedResult improved(const MemorySystem& system, const operators::Projection& projection,
                                TwoSidedPairs start, linalg::TwoSidedRequest request) {
  operators::SweptBlock block(swept(system, system.scale, &projection));
  const operators::FlushDenormals flush;
  request.before = [&](Complex a, Complex b) { return slower(system, a, b); };
  return linalg::improved_pairs(block, std::move(start), request, system.log());
}

/// Masses over weights; 0 where a stationary density is what solvers leave of it, whose ratios from
/// cell to cell mean nothing.
void divide_where_known(Vec masses, Vec weights, Vec ratio) {
  constexpr double least = 1e-12; // of the largest weight
  PetscReal largest = 0;
  check(VecMax(weights, nullptr, &largest));
  const base::ReadArray m(masses);
  const base::ReadArray w(weights);
  const base::WriteArray r(ratio);
  for (std::size_t i = 0; i < r.size(); ++i) r[i] = w[i] > least * largest ? m[i] / w[i] : 0;
}

/// Functions, and masses relative to the weights, on the finer grid.
TwoSidedPairs carried(const TwoSidedPairs& from, const MemorySystem& coarse,
                      const MemorySystem& fine, const operators::Projection& projection) {
  const spaces::CubicInterpolation up(coarse.grid, fine.grid);
  const base::UniqueVec ratio = coarse.grid.vector();
  TwoSidedPairs to{.values = from.values};
  for (std::size_t j = 0; j < from.right.size(); ++j) {
    to.right.push_back(fine.grid.vector());
    up.apply(from.right[j].get(), to.right.back().get());
    projection.complement(to.right.back().get());
    to.left.push_back(fine.grid.vector());
    divide_where_known(from.left[j].get(), coarse.weights.get(), ratio.get());
    up.apply(ratio.get(), to.left.back().get());
    check(VecPointwiseMult(to.left.back().get(), to.left.back().get(), fine.weights.get()));
    projection.complement_transposed(to.left.back().get());
  }
  return to;
}

/// How far the first values are from the nearest ones on the grid before.
double moved(const std::vector<Complex>& values, const std::vector<Complex>& before,
             std::size_t count) {
  double farthest = 0;
  for (std::size_t i = 0; i < std::min(count, values.size()); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Complex& other : before) nearest = std::min(nearest, std::abs(values[i] - other));
    farthest = std::max(farthest, nearest);
  }
  return farthest;
}

/// Approximate pairs for a grid.
struct Start {
  TwoSidedPairs pairs; ///< beyond those of the next coarser one, if two were known
  TwoSidedPairs plain; ///< those of the next coarser one, where asked for
};

/// From the next coarser grid, and so on; none where that cannot serve.
std::optional<Start> coarse_start(const MemorySystem& fine, const operators::Projection& projection,
                                  const MemoryInput& input, PetscInt asked, PetscInt wanted,
                                  bool plain_as_well, Trail& trail) {
  const std::unique_ptr<Problem> problem = fine.problem->coarsened(2, fewest);
  if (problem->grid().cells() > fine.grid.cells() / 2) return {};
  MemorySystem coarse = coarser_system(fine, *problem);
  operators::Resolved resolved;
  try {
    resolved = operators::resolve(coarse.grid, *fine.projection, *fine.names, coarse.weights.get(),
                                  coarse.conserved);
  } catch (const base::InputError&) {
    return {}; // what the fine grid tells apart may coincide on the coarse one
  }
  if (resolved.projection->rank() <= operators::largest_eliminated ||
      !operators::parts_are_lines(*resolved.projection,
                                  operators::Lines(coarse.grid, *coarse.swept_axis))) {
    return {};
  }
  TwoSidedPairs found;
  std::optional<Start> before;
  if (coarse.grid.cells() < most_searched) {
    OrthogonalPairs searched = resolvent_pairs(coarse, *resolved.projection, input, wanted);
    trail.radius = searched.radius;
    std::stable_sort(searched.pairs.begin(), searched.pairs.end(),
                     [&](const OrthogonalPair& a, const OrthogonalPair& b) {
                       return slower(coarse, a.value, b.value);
                     });
    found = both_sides(std::move(searched), trail);
    if (static_cast<PetscInt>(found.right.size()) < asked) return {};
    keep_apart(found, static_cast<std::size_t>(asked), fine.scale, trail);
  } else {
    before = coarse_start(coarse, *resolved.projection, input, asked, wanted, true, trail);
    if (!before) return {};
    const std::vector<Complex> values = before->pairs.values;
    found = improved(coarse, *resolved.projection, std::move(before->pairs),
                     {.before = {},
                      .wanted = static_cast<std::size_t>(asked),
                      .reduction = coarse_reduction,
                      .passes = coarse_passes})
                .pairs;
    trail.moved += moved(found.values, values, static_cast<std::size_t>(asked));
  }
  if (static_cast<PetscInt>(found.right.size()) < asked) return {};
  Start start;
  if (plain_as_well) start.plain = carried(found, coarse, fine, projection);
  if (before) linalg::extrapolate(found, before->plain, halved_error);
  start.pairs = carried(found, coarse, fine, projection);
  return start;
}

/// With the residuals and the values of both sides that the iteration has found.
std::vector<OrthogonalPair> certified(TwoSidedPairs pairs) {
  std::vector<OrthogonalPair> list;
  for (std::size_t j = 0; j < pairs.values.size(); ++j) {
    OrthogonalPair pair;
    pair.value = pairs.values[j];
    pair.residual = pairs.residuals[j];
    pair.left_residual = pairs.left_residuals[j];
    pair.right = std::move(pairs.right[j]);
    pair.left = std::move(pairs.left[j]);
    if (pair.value.imag() != 0) {
      ++j;
      pair.right_im = std::move(pairs.right[j]);
      pair.left_im = std::move(pairs.left[j]);
    }
    scale_left(pair);
    list.push_back(std::move(pair));
  }
  return list;
}

} // namespace

bool nested_pairs_suit(const MemorySystem& system, const operators::Projection& projection) {
  const io::Checkpoints* const saved = system.checkpoints;
  if (saved && (saved->pending("memory rates right") || saved->pending("memory rates left"))) {
    return false; // an earlier run has begun to search
  }
  return system.problem != nullptr && !system.discrete && !system.reversible && system.swept_axis &&
         system.grid.cells() >= most_searched &&
         projection.rank() > operators::largest_eliminated &&
         operators::parts_are_lines(projection, operators::Lines(system.grid, *system.swept_axis));
}

std::optional<OrthogonalPairs> nested_pairs(MemorySystem& system,
                                            const operators::Projection& projection,
                                            const MemoryInput& input, PetscInt asked,
                                            PetscInt wanted) {
  Trail trail;
  SavedSolver saved(system.checkpoints, system.grid, phase);
  linalg::TwoSidedRequest request{.before = {},
                                  .wanted = static_cast<std::size_t>(asked),
                                  .continuation = saved.continuation()};
  TwoSidedPairs start;
  if (request.continuation.from) {
    trail = Trail::at_end_of(request.continuation.from->numbers);
    start.right.push_back(system.grid.vector());
  } else {
    std::optional<Start> coarse =
        coarse_start(system, projection, input, asked, wanted, false, trail);
    if (!coarse) return {};
    start = std::move(coarse->pairs);
    trail.values = start.values;
  }
  request.residual =
      std::min(input.tolerance * system.norm, sufficient_share(input.tolerance) * trail.radius);
  if (const auto step = request.continuation.step) {
    request.continuation.step = [&, step](const std::function<linalg::SolverState()>& state) {
      step([&] {
        linalg::SolverState with = state();
        trail.append_to(with.numbers);
        return with;
      });
    };
  }
  linalg::TwoSidedResult result = improved(system, projection, std::move(start), request);
  if (!result.converged) {
    system.log().line("  pairs of coarser grids did not serve: all are sought on this one");
    return {};
  }
  trail.moved += moved(result.pairs.values, trail.values, static_cast<std::size_t>(asked));
  if (trail.moved >= trail.apart) {
    system.log().line(
        "  eigenvalues moved by more from grid to grid than the next one is away: all "
        "are sought on this one");
    return {};
  }
  const std::size_t last = std::min(static_cast<std::size_t>(asked), result.pairs.values.size());
  // Those that are not followed may have moved by half as much again.
  if (trail.behind + 1.5 * trail.moved >= result.pairs.values[last - 1].real()) {
    system.log().line("  an eigenvalue that was not followed may have become slower than one that "
                      "was: all are sought on this grid");
    return {};
  }
  OrthogonalPairs found;
  found.solver =
      fmt::format("two-sided Newton iteration from {} cells, projected sweeps at {:.6g}, "
                  "{} iterations",
                  coarsest_of(system.grid), system.scale, result.iterations);
  found.radius = trail.radius;
  found.coverage = fmt::format(
      "complete on {} cells for eigenvalues within {:.4g} of {:.4g}, which moved by up to {:.2g} "
      "from there to this grid; a slow mode that oscillates faster would not be seen",
      coarsest_of(system.grid), trail.radius, system.scale, trail.moved);
  found.pairs = certified(std::move(result.pairs));
  found.certified = true;
  return found;
}

} // namespace komori::analyses
