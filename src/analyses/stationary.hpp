/// The `stationary` section: the invariant density, its currents and what they cost.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analyses/problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `stationary` as written.
struct StationaryInput {
  std::string solver = "auto";
  double tolerance = 1e-10;
  std::vector<std::pair<std::string, config::FormulaText>> observables;
  bool current = true;
  bool error_estimate = true;
};
void declare(config::Declarer& declarer, StationaryInput& input);

/// A stationary density with its certificate.
struct StationaryDensity {
  base::UniqueVec density;  ///< per unit volume, integral 1
  double residual = 0;      ///< sum_i |(G^T m)_i| for its cell masses m, 1/time
  double relative = 0;      ///< residual over the norm of G
  double minimum = 0;       ///< lowest density; below 0 only by rounding, and then reported
  double slowest_rate = -1; ///< estimate of the slowest relaxation, 1/time; < 0: not estimated
  std::string method;
};

/// Throws InputError where paths leave the grid, and for formulas that do not compile. Collective.
void validate(const Problem& problem, const StationaryInput& input);

/// The density: known in closed form where detailed balance holds; otherwise inverse iteration
/// with a sparse factorisation, or GMRES with multigrid started from a coarser grid, which falls
/// back to the factorisation. An iteration saves its state to `checkpoints`, if given, and goes on
/// from there. Throws ConvergenceError, Stopped. Collective.
StationaryDensity stationary_density(Problem& problem, const StationaryInput& input,
                                     io::Checkpoints* checkpoints = nullptr);

/// The whole section: solve, currents, observables, write /stationary, print. Returns false where
/// the density is not certain to the tolerance (it is written and marked). Collective.
bool stationary(Problem& problem, const StationaryInput& input, io::ResultFile& file);

} // namespace komori::analyses
