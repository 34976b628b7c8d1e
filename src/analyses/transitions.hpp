/// The `transitions` section: passage times, committors and rates between sets of states.
///
/// Transition path theory (E, Vanden-Eijnden, J. Stat. Phys. 123, 2006) on the Markov chain of the
/// grid: sets are unions of cells, so their borders are known to about one cell.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analyses/problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `transitions` as written.
struct TransitionsInput {
  config::FormulaText from;
  config::FormulaText to;
  std::vector<std::vector<double>> points;
  std::string solver = "auto";
  double tolerance = 1e-10;
};
void declare(config::Declarer& declarer, TransitionsInput& input);

/// Throws InputError where sets are empty, overlap, are missing, or points lie outside. Collective.
void validate(const Problem& problem, const TransitionsInput& input);

/// What the section finds. Fields have one value per cell; those not asked for are empty.
struct Transitions {
  base::UniqueVec mean_time;        ///< mean time until B or an absorbing wall is reached
  base::UniqueVec time_deviation;   ///< its standard deviation
  base::UniqueVec forward;          ///< probability to reach B before A; where A is given
  base::UniqueVec backward;         ///< probability to have come from A last; not with open walls
  base::UniqueVec reactive_density; ///< of being on the way from A to B, per volume; likewise
  double flux = 0;                  ///< reactive paths per time, counted where they leave A
  double flux_into_target = 0;      ///< the same, counted where they enter B
  double rate = 0;                  ///< k_AB: flux over the probability of having come from A last
  double rate_backward = 0;         ///< k_BA
  double reactive_probability = 0;  ///< share of time spent on the way from A to B
  double mean_path_time = 0;        ///< mean duration of a reactive path
  double residual = 0;              ///< largest relative residual of the linear solves
};

/// Solves for what the input asks, without writing. Collective. Throws ConvergenceError.
Transitions compute_transitions(Problem& problem, const TransitionsInput& input);

/// Solves, writes /transitions, prints. Collective. Throws ConvergenceError.
void transitions(Problem& problem, const TransitionsInput& input, io::ResultFile& file);

} // namespace komori::analyses
