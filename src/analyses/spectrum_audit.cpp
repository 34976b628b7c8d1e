/// Are all copies of multiple eigenvalues there?
#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "analyses/spectrum_errors.hpp"
#include "linalg/inertia.hpp"

namespace komori::analyses {
namespace {

/// Grids up to which an indefinite factorisation takes less than the solve it audits.
double affordable_cells(int dimension) {
  if (dimension == 1) return 1e6;
  return dimension == 2 ? 40'000 : 15'000;
}

} // namespace

Audit audit_multiplicities(Problem& problem, const SpectrumInput& input, const Spectrum& found) {
  Audit audit;
  if (found.values.empty() || input.target.word.empty() || !problem.reversible()) return audit;
  const double cells = static_cast<double>(problem.grid().cells());
  if (cells > affordable_cells(problem.grid().dimension())) return audit;
  const Mat matrix = problem.symmetrised().matrix.get();
  const std::size_t n = found.values.size();
  const auto rate = [&](std::size_t i) { return -found.values[i].real(); };
  /// Values this near each other cannot be told apart.
  const auto blur = [&](std::size_t i) {
    return 10 * found.solver_error[i] + 1e-8 * std::abs(rate(i)) + 1e-13 * found.norm;
  };
  /// Eigenvalues up to the i-th found one and its copies, against those of the list.
  const auto missing_up_to = [&](std::size_t i) -> std::optional<PetscInt> {
    const double border = rate(i) + blur(i);
    const std::optional<PetscInt> count = linalg::eigenvalues_below(matrix, border);
    if (!count) return std::nullopt;
    const auto listed = std::count_if(found.values.begin(), found.values.end(),
                                      [&](const auto& v) { return -v.real() <= border; });
    return *count - static_cast<PetscInt>(listed);
  };
  const std::optional<PetscInt> missing = missing_up_to(n - 1);
  if (!missing) return audit;
  audit.done = true;
  audit.text = fmt::format("all {} eigenvalues up to {:.6g} are there, multiple ones with all "
                           "copies (counted by inertia)",
                           n, -rate(n - 1));
  if (*missing <= 0) return audit;
  // Copies of the last value were not asked for; look below its cluster.
  std::size_t first_of_last = n - 1;
  while (first_of_last > 0 && rate(n - 1) - rate(first_of_last - 1) <= blur(n - 1)) {
    --first_of_last;
  }
  const std::optional<PetscInt> below =
      first_of_last == 0 ? std::optional<PetscInt>(0) : missing_up_to(first_of_last - 1);
  if (below && *below == 0) {
    audit.text = fmt::format("all eigenvalues above {:.6g} are there (counted by inertia); of that "
                             "one {} more cop{} not asked for",
                             -rate(n - 1), *missing, *missing == 1 ? "y was" : "ies were");
    return audit;
  }
  audit.missing = below.value_or(*missing);
  std::size_t low = 0; // nothing is missing below the low-th value, something up to the high-th
  std::size_t high = first_of_last == 0 ? n - 1 : first_of_last - 1;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (missing_up_to(middle).value_or(1) > 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  audit.before = rate(high) + blur(high);
  audit.text = fmt::format("{} eigenvalue{} missing, the first at or above {:.6g} (counted by "
                           "inertia)",
                           audit.missing, audit.missing == 1 ? " is" : "s are", -audit.before);
  return audit;
}

} // namespace komori::analyses
