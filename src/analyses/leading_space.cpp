#include "analyses/leading_space.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/eigen_checkpoints.hpp"
#include "base/error.hpp"
#include "linalg/pair_order.hpp"

namespace komori::analyses {

linalg::SchurSpace leading_space(TransferProblem& problem, const LeadingSpaceRequest& request) {
  using Complex = std::complex<double>;
  const std::int64_t cells = problem.grid().cells();
  const auto before = [&](Complex a, Complex b) {
    return problem.rates() ? a.real() > b.real() + 1e-12 * problem.norm()
                           : linalg::slower_step(a, b);
  };
  const auto solve = [&](const linalg::EigenRequest& r) {
    return with_checkpoints(problem.checkpoints(), problem.grid(), r, request.phase, nullptr,
                            [&](const linalg::EigenRequest& inner) {
                              return linalg::general_space(problem.matrix(), inner, problem.log());
                            });
  };
  linalg::EigenRequest how{.pairs = static_cast<PetscInt>(std::min(request.values, cells)),
                           .tolerance = request.tolerance,
                           .norm = problem.norm(),
                           .largest = !problem.rates(),
                           .prefix = request.prefix};
  // Where eigenvalues crowd below 1 products alone take long; a factorisation of a scattered matrix
  // is only worth it up to some size.
  constexpr std::int64_t most_factorised = 100'000;
  const bool may_factorise = cells <= most_factorised;
  how.shift = problem.rates() ? 1e-4 * problem.norm() : 1 + 1e-4;
  if (how.largest && may_factorise) how.max_iterations = 300;
  linalg::SchurSpace space =
      linalg::schur_space(problem.matrix(), how, before, solve, problem.log());
  if (!space.whole && how.largest && may_factorise) {
    problem.log().line(fmt::format("    {} of {} values by products alone: inverting next to 1",
                                   space.values.size(), how.pairs));
    how.largest = false;
    how.max_iterations = 0;
    space = linalg::schur_space(problem.matrix(), how, before, solve, problem.log());
  }
  const double worst = space.residuals.empty()
                           ? 0
                           : *std::max_element(space.residuals.begin(), space.residuals.end());
  if (!space.whole || !(worst <= 1e3 * request.tolerance * problem.norm())) {
    throw base::ConvergenceError(fmt::format(
        "{} of the {} leading eigenvalues converged, residual {:.1e}; raise -{}eps_max_it or "
        "-{}eps_ncv, relax the tolerance, or ask for fewer sets",
        space.values.size(), how.pairs, worst, request.prefix, request.prefix));
  }
  return space;
}

} // namespace komori::analyses
