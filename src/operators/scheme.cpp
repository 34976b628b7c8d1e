#include "operators/scheme.hpp"

#include <cmath>

namespace komori::operators {

void declare(config::Declarer& declarer, SchemeInput& input) {
  declarer.choice("rates", input.rates, {"scharfetter_gummel", "square_root"},
                  {.help = "Finite-volume rates between cells."});
  declarer.choice("face_drift", input.face_drift, {"mean", "midpoint", "simpson"},
                  {.help =
                       "Drift between two cells, where 'drift' is given or the diffusion is a "
                       "full matrix: mean of the two cell centres, value half-way, or Simpson's "
                       "rule (exact for cubic forces). All are second order."});
  declarer.choice("undiffused", input.undiffused, {"upwind", "second_order"},
                  {.help = "Transport along axes without diffusion: upwind (first order, keeps "
                           "densities positive) or second_order (Fromm's scheme, does not)."});
}

std::pair<double, double> bernoulli(double magnitude) {
  if (magnitude < 1e-10) return {1 - 0.5 * magnitude, 1 + 0.5 * magnitude};
  const double small = magnitude / std::expm1(magnitude);
  return {small, small + magnitude};
}

} // namespace komori::operators
