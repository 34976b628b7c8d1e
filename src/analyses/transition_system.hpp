/// What the section `transitions` needs to know of a system, in continuous or discrete time.
/// Internal to analyses.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analyses/transitions.hpp"
#include "base/log.hpp"
#include "base/petsc.hpp"
#include "io/checkpoints.hpp"
#include "linalg/eigen.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// Not owned: everything must outlive it. In discrete time the generator is (P - 1) / step, which
/// has the hitting times, committors and fluxes of the steps.
struct TransitionSystem {
  base::Log& log;
  const spaces::Grid& grid;
  Vec volumes;
  io::Checkpoints* checkpoints = nullptr;
  std::function<Mat()> products{}; ///< the generator G for products, rows = from; collective
  std::function<Mat()> entries{};  ///< with its entries, for solves; collective
  double step = 0;                 ///< time of a step; 0 in continuous time
  bool absorbing = false;          ///< paths may leave for ever
  bool reversible = false;         ///< detailed balance is known to hold
  linalg::Method preferred = linalg::Method::direct;
  /// Where cells are not those of the grid: functions of the variables on them; collective.
  std::function<base::UniqueVec(const spaces::Field&)> sampled{};
  std::vector<std::string> variables{}; ///< of formulas
  std::vector<std::pair<std::string, double>> constants{};
  std::function<base::UniqueVec()> stationary_density{}; ///< per volume; collective
};

/// As for a `Problem`. Collective.
void validate(const TransitionSystem& system, const TransitionsInput& input);
Transitions compute_transitions(const TransitionSystem& system, const TransitionsInput& input);
void transitions(const TransitionSystem& system, const TransitionsInput& input,
                 io::ResultFile& file);

} // namespace komori::analyses
