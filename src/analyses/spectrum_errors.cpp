#include "analyses/spectrum_errors.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <tuple>

#include <fmt/format.h>

#include "analyses/eigenfunctions.hpp"
#include "base/error.hpp"
#include "spaces/interpolation.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Complex = std::complex<double>;
using Partners = std::vector<std::size_t>;

/// Pairs up the eigenvalues of two grids in order, real with real and complex with complex. Entries
/// of `coarse` past its end stand for "none".
Partners in_order(const std::vector<Complex>& fine, const std::vector<Complex>& coarse) {
  Partners partner;
  std::array<std::size_t, 2> next{0, 0};
  for (const Complex& value : fine) {
    const bool complex = value.imag() != 0;
    std::size_t& j = next[complex ? 1 : 0];
    while (j < coarse.size() && (coarse[j].imag() != 0) != complex) ++j;
    partner.push_back(j < coarse.size() ? j++ : coarse.size());
  }
  return partner;
}

/// Exchanges the partners of neighbours where that brings both nearer.
void exchange(const std::vector<Complex>& fine, const std::vector<Complex>& coarse,
              Partners& partner) {
  constexpr std::size_t window = 8;
  const auto cost = [&](std::size_t i, std::size_t j) {
    return j < coarse.size() ? std::norm(fine[i] - coarse[j]) : 0.0;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < fine.size(); ++i) {
      for (std::size_t j = i + 1; j < std::min(i + window, fine.size()); ++j) {
        // Both halves of a pair, and complex with complex alone.
        const bool alike =
            fine[i].imag() == 0 ? fine[j].imag() == 0 : fine[i].imag() * fine[j].imag() > 0;
        if (!alike || partner[i] == coarse.size() || partner[j] == coarse.size()) continue;
        const double now = cost(i, partner[i]) + cost(j, partner[j]);
        const double then = cost(i, partner[j]) + cost(j, partner[i]);
        if (then >= now * (1 - 1e-12)) continue;
        std::swap(partner[i], partner[j]);
        changed = true;
      }
    }
  }
}

/// Squared overlaps of eigenfunctions in the equilibrium of the finer grid, for values that are
/// near each other in the order.
Partners by_overlap(Problem& fine, const Spectrum& f, const Problem& coarse, const Spectrum& c) {
  constexpr std::size_t window = 5;
  constexpr double enough = 0.3;
  const base::UniqueMat prolongation = spaces::interpolation(coarse.grid(), fine.grid());
  const base::UniqueVec weight = base::duplicate(fine.root_of_masses());
  check(VecPointwiseMult(weight.get(), fine.root_of_masses(), fine.root_of_masses()));
  const base::UniqueVec carried = fine.grid().vector();
  const base::UniqueVec weighted = fine.grid().vector();
  const auto square = [&](Vec u) {
    check(VecPointwiseMult(weighted.get(), weight.get(), u));
    return base::dot(weighted.get(), u);
  };
  std::vector<double> squares;
  for (const base::UniqueVec& u : f.right) squares.push_back(square(u.get()));
  std::vector<std::tuple<double, std::size_t, std::size_t>> overlaps;
  for (std::size_t j = 0; j < c.right.size(); ++j) {
    check(MatMult(prolongation.get(), c.right[j].get(), carried.get()));
    const double own = square(carried.get()); // leaves the weighted one behind
    for (std::size_t i = j < window ? 0 : j - window; i < std::min(j + window, f.right.size());
         ++i) {
      const double product = base::dot(weighted.get(), f.right[i].get());
      overlaps.emplace_back(-product * product / (own * squares[i]), i, j);
    }
  }
  std::sort(overlaps.begin(), overlaps.end());
  Partners partner(f.values.size(), c.values.size());
  std::vector<bool> taken(c.values.size(), false);
  for (const auto& [negative, i, j] : overlaps) {
    if (-negative < enough || partner[i] < c.values.size() || taken[j]) continue;
    partner[i] = j;
    taken[j] = true;
  }
  // The rest, e.g. multiplets that the grids turn differently: the nearest that is free.
  for (std::size_t i = 0; i < partner.size(); ++i) {
    if (partner[i] < c.values.size()) continue;
    for (std::size_t j = 0; j < c.values.size(); ++j) {
      const bool nearer =
          partner[i] == c.values.size() ||
          std::abs(f.values[i] - c.values[j]) < std::abs(f.values[i] - c.values[partner[i]]);
      if (!taken[j] && nearer) partner[i] = j;
    }
    if (partner[i] < c.values.size()) taken[partner[i]] = true;
  }
  return partner;
}

Partners matched(Problem& fine, const Spectrum& f, const Problem& coarse, const Spectrum& c) {
  const bool functions = f.right.size() == f.values.size() && c.right.size() == c.values.size();
  if (fine.reversible() && coarse.reversible() && functions) return by_overlap(fine, f, coarse, c);
  Partners partner = in_order(f.values, c.values);
  exchange(f.values, c.values, partner);
  return partner;
}

/// A mean cell width in units of the finest.
double relative_width(const Problem& fine, const Problem& coarse) {
  return std::pow(static_cast<double>(fine.grid().cells()) /
                      static_cast<double>(coarse.grid().cells()),
                  1.0 / fine.grid().dimension());
}

/// Coarse eigenvalues without a partner that are clearly slower than the last fine one. None where
/// the grids differ so much that nothing is clear.
std::size_t left_over(const Spectrum& fine, const Spectrum& coarse, const Partners& partner) {
  std::vector<bool> taken(coarse.values.size(), false);
  double shift = 0;
  for (std::size_t i = 0; i < partner.size(); ++i) {
    if (partner[i] >= coarse.values.size()) continue;
    taken[partner[i]] = true;
    shift = std::max(shift, std::abs(fine.values[i] - coarse.values[partner[i]]));
  }
  if (shift > 0.2 * std::abs(fine.values.back())) return 0;
  std::size_t count = 0;
  for (std::size_t j = 0; j < coarse.values.size(); ++j) {
    const double margin = 1.5 * shift + 1e-9 * fine.norm;
    if (!taken[j] && coarse.values[j].real() > fine.values.back().real() + margin) ++count;
  }
  return count;
}

/// Compares with the list of a coarser grid, which is itself counted where that can be afforded.
/// Returns whether it was.
bool audit_by(Problem& coarse, const SpectrumInput& request, Spectrum& list,
              const Partners& partner, Spectrum& found) {
  list.solver_error = solver_errors(coarse, list, list.solver_error_basis);
  const Audit counted = audit_multiplicities(coarse, request, list);
  const std::size_t extra = left_over(found, list, partner);
  const std::string grid = fmt::format("the grid of {} cells", coarse.grid().cells());
  if (extra > 0) {
    found.missing = std::max(found.missing, static_cast<PetscInt>(extra));
    found.audit =
        fmt::format("{} has {} slow eigenvalue{} more than this one: a copy may be missing", grid,
                    extra, extra == 1 ? "" : "s");
  } else if (counted.done && counted.missing == 0 && found.missing == 0) {
    found.audit =
        "no eigenvalue is missing that " + grid + " has; there all were counted by inertia";
  }
  return counted.done;
}

} // namespace

std::vector<double> solver_errors(Problem& problem, const Spectrum& found, std::string& basis) {
  std::vector<double> errors = found.residuals;
  const std::size_t n = found.values.size();
  if (problem.reversible()) {
    basis = "bound: residual, or residual^2 / gap (symmetric operator)";
    for (std::size_t i = 0; i < n; ++i) {
      double cluster = 0;
      double gap = std::numeric_limits<double>::infinity();
      bool open = false; // the next value is not known
      for (std::size_t j = 0; j < n; ++j) {
        const double distance = std::abs(found.values[i] - found.values[j]);
        if (distance <= 4 * (found.residuals[i] + found.residuals[j])) {
          cluster += found.residuals[j] * found.residuals[j];
          open = open || j + 1 == n;
        } else {
          gap = std::min(gap, distance);
        }
      }
      if (!open) errors[i] = std::min(errors[i], cluster / gap);
    }
    return errors;
  }
  if (found.right.size() != n || found.left.size() != n) {
    basis = "residual; the operator is not normal and its eigenvalues' condition numbers are not "
            "known without 'spectrum.sides: both', so the error may be larger";
    return errors;
  }
  basis = "residual times the eigenvalue's condition number (first order)";
  const base::UniqueVec mass = base::duplicate(problem.volumes());
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t size = found.values[i].imag() != 0 ? 2 : 1;
    double functions = 0;
    double densities = 0;
    for (std::size_t k = i; k < i + size; ++k) { // left and right are scaled to (m, u) = 1
      functions += base::dot(found.right[k].get(), found.right[k].get());
      check(VecPointwiseMult(mass.get(), found.left[k].get(), problem.volumes()));
      densities += base::dot(mass.get(), mass.get());
    }
    const double condition = std::max(1.0, std::sqrt(functions * densities));
    for (std::size_t k = i; k < i + size; ++k) errors[k] *= condition;
    i += size - 1;
  }
  return errors;
}

void estimate_grid_errors(Problem& problem, const SpectrumInput& input, Spectrum& found) {
  constexpr double round_off = 1e-15;
  const std::size_t n = found.values.size();
  std::vector<std::vector<Complex>> history(n);
  for (std::size_t i = 0; i < n; ++i) history[i].push_back(found.values[i]);
  std::vector<double> widths{1};
  Partners chain(n);
  for (std::size_t i = 0; i < n; ++i) chain[i] = i;
  std::unique_ptr<Problem> finer;
  Spectrum finer_spectrum;
  bool counted = found.counted || input.target.word.empty(); // or nothing to compare
  for (const double factor : {2.0, 4.0}) {
    auto coarse = problem.coarsened(factor, 4);
    const Problem& last = finer ? *finer : problem;
    const PetscInt cells = coarse->grid().cells();
    if (cells >= last.grid().cells()) break;
    SpectrumInput request = input;
    request.sides = "right";
    request.pairs = std::min<std::int64_t>(input.pairs + 2, cells);
    Spectrum spectrum;
    try {
      spectrum = compute_spectrum(*coarse, request);
    } catch (const base::ConvergenceError& error) {
      problem.log().line(fmt::format("    no estimate from a coarser grid: {}", error.what()));
      break;
    }
    const Spectrum& above = finer ? finer_spectrum : found;
    const Partners partner = matched(finer ? *finer : problem, above, *coarse, spectrum);
    for (std::size_t i = 0; i < n; ++i) {
      if (chain[i] >= above.values.size()) continue;
      chain[i] = partner[chain[i]];
      if (chain[i] < spectrum.values.size()) {
        history[i].push_back(spectrum.values[chain[i]]);
      } else {
        chain[i] = std::numeric_limits<std::size_t>::max();
      }
    }
    if (!counted) counted = audit_by(*coarse, request, spectrum, chain, found);
    widths.push_back(relative_width(problem, *coarse));
    finer = std::move(coarse);
    finer_spectrum = std::move(spectrum);
  }
  const double order = discretisation_order(problem);
  found.grid_errors.clear();
  for (std::size_t i = 0; i < n; ++i) {
    const double noise = 4 * found.solver_error[i] + 10 * round_off * found.norm;
    GridError error = grid_error(history[i], widths, order, noise);
    error.error += round_off * found.norm;
    found.discretisation_error[i] = error.error;
    found.grid_errors.push_back(std::move(error));
  }
}

} // namespace komori::analyses
