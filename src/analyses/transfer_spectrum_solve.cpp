/// How the pairs of a transfer matrix are found.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/eigen_checkpoints.hpp"
#include "analyses/eigenfunctions.hpp"
#include "analyses/pair_conditions.hpp"
#include "analyses/pairs_of_parts.hpp"
#include "analyses/sampling_error.hpp"
#include "analyses/slow_pairs.hpp"
#include "analyses/transfer_spectrum.hpp"
#include "linalg/multiplicity.hpp"
#include "linalg/pair_order.hpp"
#include "linalg/rounded_pairs.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::EigenPairs;
using linalg::EigenRequest;
using linalg::Method;
using Complex = std::complex<double>;

/// Which side is being solved for, and how.
struct Search {
  TransferProblem& problem;
  const TransferSpectrumInput& input;
  Mat matrix;
  bool transposed;
  std::string phase;
  EigenPairs* finished;
  std::string& coverage;

  /// Slowest first, or nearest to the target; the same order whatever rounding did.
  void sort(EigenPairs& pairs) const {
    linalg::part_rounded_pairs(matrix, problem.norm(), pairs);
    const double norm = problem.norm();
    const auto real = [](Complex z) { return z.real(); };
    const auto resolution = [norm](Complex z) { return 1e-8 * std::abs(z) + 1e-13 * norm; };
    if (input.target.word.empty()) {
      const Complex shift = input.target.number;
      linalg::sort_units(pairs, {[shift](Complex z) { return -std::abs(z - shift); }, real},
                         resolution);
    } else if (problem.rates()) {
      linalg::sort_units(pairs, {real, [](Complex z) { return -std::abs(z.imag()); }}, resolution);
    } else {
      linalg::sort_steps(pairs);
    }
  }

  EigenPairs run(const EigenRequest& request) const {
    return with_checkpoints(
        problem.checkpoints(), problem.grid(), request, phase, finished,
        [&](const EigenRequest& r) { return linalg::general_pairs(matrix, r, problem.log()); });
  }
};

/// Pairs next to 1 of a matrix too large to be factorised.
EigenPairs filtered_pairs(const Search& search, const EigenRequest& request) {
  search.coverage = "those next to 1, which decay slowest without turning; others round the unit "
                    "circle were not looked for";
  return slow_pairs(search.problem, search.transposed, request, search.phase, search.finished);
}

/// Pairs nearest to a number, by shift-and-invert; `scale` moves the shift off an eigenvalue.
EigenPairs nearest_pairs(const Search& search, EigenRequest& request, double target, double scale) {
  request.shift = target + scale;
  request.method = search.input.solver == "iterative" ? Method::iterative : Method::direct;
  EigenPairs pairs = search.run(request);
  search.coverage =
      static_cast<std::int64_t>(pairs.values.size()) >= search.problem.grid().cells()
          ? ""
          : fmt::format("complete for eigenvalues within {:.4g} of {:.6g}; what lies farther off "
                        "was not looked for",
                        pairs.farthest, request.shift);
  return pairs;
}

/// Products tell eigenvalues of one modulus apart by nothing: those found are any of them, as of a
/// step that only permutes cells.
bool all_of_one_modulus(const EigenPairs& pairs, std::int64_t cells) {
  if (pairs.values.empty() || static_cast<std::int64_t>(pairs.values.size()) >= cells) return false;
  const double first = std::abs(pairs.values.front());
  return std::all_of(pairs.values.begin(), pairs.values.end(), [first](Complex value) {
    return std::abs(std::abs(value) - first) <= 1e-8 * first;
  });
}

EigenPairs find(const Search& search) {
  TransferProblem& problem = search.problem;
  const TransferSpectrumInput& input = search.input;
  const std::int64_t cells = problem.grid().cells();
  // Some more than asked, so that the last ones asked for are not merely the first to converge,
  // and copies of multiple eigenvalues come along.
  std::int64_t wanted = input.pairs + std::max<std::int64_t>(4, input.pairs / 2);
  if (2 * wanted >= cells) wanted = cells; // of a small matrix everything costs no more
  EigenRequest request{.pairs = static_cast<PetscInt>(wanted),
                       .tolerance = input.tolerance,
                       .norm = problem.norm(),
                       .prefix = "spectrum_"};
  const auto asked = static_cast<std::size_t>(input.pairs);
  const bool slowest = !input.target.word.empty();
  EigenPairs pairs;
  bool filtered = false;
  if (!slowest) {
    pairs = nearest_pairs(search, request, input.target.number, 1.37e-5 * problem.norm());
  } else if (problem.rates()) {
    // Shift-and-invert favours slow modes without oscillation; the coverage says how far it saw.
    pairs = nearest_pairs(search, request, 0, 1e-4 * problem.norm());
  } else {
    // The eigenvalues of largest modulus need no factorisation, but many products where they crowd
    // below 1; then the inverse next to 1 separates them, and misses those round the circle.
    request.largest = input.solver != "direct";
    const bool may_factorise = input.solver == "auto" && cells <= most_factorised;
    const bool may_filter = input.solver == "auto" && !may_factorise;
    if (may_factorise) request.max_iterations = 300;
    if (may_filter) request.max_iterations = 20;
    if (request.largest) pairs = search.run(request);
    const bool alike = may_factorise && all_of_one_modulus(pairs, cells);
    const bool short_of = pairs.values.size() < asked || alike;
    if (short_of && (may_factorise || input.solver == "direct")) {
      if (request.largest) {
        problem.log().line(
            alike ? std::string("    many eigenvalues of the same modulus: inverting next to 1")
                  : fmt::format("    {} of {} pairs by products alone: inverting next to 1",
                                pairs.values.size(), input.pairs));
      }
      request.largest = false;
      request.max_iterations = 0;
      pairs = nearest_pairs(search, request, 1, 1e-4);
    } else if (short_of && may_filter) {
      problem.log().line(fmt::format("    {} of {} pairs by products alone: filtering next to 1",
                                     pairs.values.size(), input.pairs));
      request.max_iterations = 0;
      pairs = filtered_pairs(search, request);
      filtered = true;
    }
  }
  search.sort(pairs);
  pairs.asked = static_cast<PetscInt>(input.pairs);
  const bool everything = static_cast<std::int64_t>(pairs.values.size()) >= cells;
  if (!slowest || filtered || pairs.values.size() < asked || everything) return pairs;
  // Where copies of a multiple eigenvalue were missed, others have taken their places.
  const Complex last = pairs.values[asked - 1];
  const double slack = 1e-8 * problem.norm();
  const auto belongs = [&](Complex value) {
    if (problem.rates()) return value.real() >= last.real() - slack;
    // Of equal moduli the larger real part comes first.
    const double longer = std::abs(value) - std::abs(last);
    return longer > slack || (longer >= -slack && value.real() >= last.real() - slack);
  };
  const bool all_copies =
      linalg::complete_multiplicities(search.matrix, request, pairs, belongs, problem.log());
  const std::string lacking = "copies of multiple eigenvalues may be missing";
  if (!all_copies && !search.coverage.ends_with(lacking)) { // which the other side may have said
    search.coverage += (search.coverage.empty() ? "" : "; ") + lacking;
  }
  search.sort(pairs);
  return pairs;
}

/// Every function gets the density of the same eigenvalue. Where rounding decides eigenvalues the
/// other side has none that belongs: NaN.
void pair_up(TransferProblem& problem, const EigenPairs& functions, EigenPairs& densities) {
  const std::size_t lacking = linalg::match(functions, densities, 1e-8 * problem.norm());
  if (lacking == 0) return;
  problem.log().line(fmt::format("    rounding decides eigenvalues: {} of {} have no left vector",
                                 lacking, functions.values.size()));
  for (base::UniqueVec& vector : densities.vectors) {
    if (vector) continue;
    vector = problem.grid().vector();
    check(VecSet(vector.get(), std::nan("")));
  }
}

/// Where the state space falls into at least as many parts that never meet as pairs are asked for,
/// these are those of the leading eigenvalue alone, which any solver would take for long: it is
/// multiple as often. Returns whether it is so.
bool take_parts(TransferProblem& problem, const TransferSpectrumInput& input, bool left,
                TransferSpectrum& result, EigenPairs& functions, EigenPairs& densities) {
  if (input.target.word.empty()) return false;
  std::optional<PartPairs> parts = pairs_of_parts(problem, input.pairs, left, input.tolerance);
  if (!parts) return false;
  result.parts = parts->count;
  result.coverage =
      fmt::format("the state space falls into {} parts that never meet, so that {} is "
                  "an eigenvalue as often; the pairs are those of {} parts",
                  parts->count, problem.rates() ? 0 : 1, input.pairs);
  functions = std::move(parts->functions);
  densities = std::move(parts->densities);
  return true;
}

} // namespace

TransferSpectrum compute_spectrum(TransferProblem& problem, const TransferSpectrumInput& input) {
  const bool right = input.sides != "left";
  const bool left = input.sides != "right";
  const bool both = input.conditions || (right && left);
  TransferSpectrum result;
  EigenPairs functions;
  EigenPairs densities;
  if (!take_parts(problem, input, left || both, result, functions, densities)) {
    const io::Checkpoints* checkpoints = problem.checkpoints();
    const bool resumes_right = checkpoints && checkpoints->pending("spectrum right");
    if ((left || both) && !resumes_right) {
      densities = find(
          {problem, input, problem.transposed(), true, "spectrum left", nullptr, result.coverage});
    }
    if (right || both) {
      functions = find({problem, input, problem.matrix(), false, "spectrum right",
                        left || both ? &densities : nullptr, result.coverage});
    }
  }
  EigenPairs& leading = right ? functions : densities;
  const EigenPairs& other = right ? densities : functions;
  result.iterations = functions.iterations + densities.iterations;
  result.solver = leading.solver;
  const auto asked = static_cast<std::size_t>(input.pairs);
  if (both) {
    // Before what was asked for is cut out: copies of one eigenvalue belong together.
    PairConditions conditions = pair_conditions(leading, other, problem.norm());
    result.condition = std::move(conditions.condition);
    result.uncertainty = std::move(conditions.uncertainty);
    if (problem.draws() > 0) {
      result.sampling_error =
          sampling_errors(problem.matrix(), problem.draws(), functions, densities, leading.values);
    }
  }
  const std::size_t found =
      std::min(leading.values.size(), right && left ? other.values.size() : leading.values.size());
  linalg::keep_first(leading, asked);
  if (right && left) pair_up(problem, functions, densities);
  const std::size_t count = leading.values.size();
  result.condition.resize(count, std::nan(""));
  result.uncertainty.resize(count, std::nan(""));
  result.sampling_error.resize(count, std::nan(""));
  result.values = leading.values;
  result.residuals = leading.residuals;
  result.complete =
      found >= std::min<std::size_t>(asked, static_cast<std::size_t>(problem.grid().cells()));
  if (right) {
    result.right = std::move(functions.vectors);
    normalise_functions(result.values, result.right);
  }
  if (left) {
    for (base::UniqueVec& mass : densities.vectors) {
      check(VecPointwiseDivide(mass.get(), mass.get(), problem.volumes()));
      result.left.push_back(std::move(mass));
    }
    result.left.resize(std::min(result.left.size(), densities.values.size()));
    normalise_densities(problem.volumes(), densities.values, {}, result.left);
  }
  return result;
}

} // namespace komori::analyses
