/// The `evolve` section: how a density spreads, moves and leaks away in time.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"
#include "linalg/exponential.hpp"

namespace komori::analyses {

/// `evolve.initial` where it is a section: a point, or a dataset of a result file.
struct InitialInput {
  std::vector<double> point;
  std::string file;
  std::string dataset = "/stationary/density";
};
void declare(config::Declarer& declarer, InitialInput& input);

/// `evolve` as written.
struct EvolveInput {
  config::FormulaText formula; ///< `initial` as a formula
  std::optional<InitialInput> initial;
  std::vector<double> times;
  std::vector<std::pair<std::string, config::FormulaText>> observables;
  double tolerance = 1e-8;
  std::string method = "auto";
  std::string solver = "auto";
  bool density = true;
};
void declare(config::Declarer& declarer, EvolveInput& input);

/// Throws InputError where the section does not fit the problem: formulas that do not compile or
/// have no value on the grid, an initial density that is negative or zero, points outside the grid,
/// a file of another shape, a method the operator does not allow. Collective.
void validate(const Problem& problem, const EvolveInput& input);

/// Initial cell masses, adding up to 1. A formula is taken at cell centres and normalised; a point
/// is shared by the cells whose centres surround it so that its place is the mean of the masses
/// (nearer to a wall than the last centre: all in the last cell); a dataset is normalised.
/// Throws InputError as `validate` does. Collective.
base::UniqueVec initial_masses(const Problem& problem, const EvolveInput& input);

/// How the exponential is to be computed, and why.
struct EvolveChoice {
  std::string method{}; ///< chebyshev | shift_invert | uniformisation
  bool symmetrised = false;
  linalg::Method solver = linalg::Method::direct;
  std::string reason{};
};

/// Whether shift_invert factorises under `solver: auto` at this size. Local.
bool evolution_prefers_direct(int dimension, double cells, bool reversible);

/// The method the input asks for; `auto`: the least estimated work among those that reach the
/// tolerance. Collective.
EvolveChoice choose_method(Problem& problem, const EvolveInput& input, Vec masses);

/// Computes the masses at all output times and hands them out as they come, with a bound or
/// estimate of sum |error|. `continuation` sees the state as the chosen method holds it, masses or
/// symmetrised. Throws ConvergenceError, Stopped. Collective.
linalg::ExponentialReport propagate(Problem& problem, const EvolveInput& input,
                                    const EvolveChoice& choice, Vec masses,
                                    const linalg::ExponentialOutput& output,
                                    const linalg::Continuation& continuation = {});

/// What one output time has to say besides the density.
struct EvolveRecord {
  double time = 0;
  double mass = 0;                   ///< total probability left
  double negative = 0;               ///< mass in cells below 0, as a positive number
  double minimum = 0;                ///< lowest density; below 0 only by numerical error
  double error = 0;                  ///< bound or estimate of sum |error of the cell masses|
  std::vector<double> observables{}; ///< integral of formula times density, not divided by mass
  std::vector<std::pair<std::string, double>> walls{}; ///< flux out through absorbing walls, 1/time
};

/// The whole section: solve, write /evolve, print the table. What was reached before a
/// ConvergenceError is written and marked. Collective.
void evolve(Problem& problem, const EvolveInput& input, io::ResultFile& file);

} // namespace komori::analyses
