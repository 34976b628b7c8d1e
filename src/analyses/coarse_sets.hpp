/// The section `coarse_sets`: a few sets of cells that the dynamics rarely leaves.
///
/// Memberships by G-PCCA (Reuter, Weber, Fackeldey, Roeblitz, Garcia, J. Chem. Theory Comput. 14,
/// 2018) on the dominant real Schur space, which needs no detailed balance, or sparse vectors by
/// SEBA (Froyland, Rock, Sakellariou, Commun. Nonlinear Sci. Numer. Simul. 77, 2019).
#pragma once

#include <complex>
#include <optional>
#include <string>
#include <vector>

#include "analyses/transfer_problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `sets: {from, to}` as written.
struct SetRange {
  std::int64_t from = 2;
  std::int64_t to = 6;
};
void declare(config::Declarer& declarer, SetRange& input);

/// `coarse_sets` as written.
struct CoarseSetsInput {
  std::string method = "gpcca";
  config::FormulaText number; ///< `sets` as one number; or
  std::optional<SetRange> range;
  std::string weight = "uniform";
  double tolerance = 1e-10;
  config::Origin origin;
  /// The largest number of sets that is tried. Local.
  std::int64_t most() const;
};
void declare(config::Declarer& declarer, CoarseSetsInput& input);

/// The sets found, most probable first. Every function of the state space has one value per cell.
struct CoarseSets {
  std::vector<std::complex<double>> values; ///< dominant eigenvalues, as many as were looked at
  std::vector<double> residuals;            ///< ||P V - V T|| per Schur vector
  std::vector<std::int64_t> numbers;        ///< of sets that were tried
  std::vector<double> crispness;            ///< of each of them, in [0, 1]; empty for SEBA
  std::vector<double> searched;             ///< what other codes' search reaches; NaN: not made
  std::vector<base::UniqueVec> memberships; ///< >= 0 with sum 1; for SEBA largest value 1
  base::UniqueVec assignment;     ///< number of the set a cell belongs to most, -1: to none
  std::vector<double> weights;    ///< stationary probability of each set
  std::vector<double> transition; ///< [m, m] between sets, rows = from: probabilities or rates
  std::vector<double> leaving;    ///< of a crisp set, per step or per time, when stationary
  std::vector<double> least;      ///< SEBA: smallest value of each vector
  std::string solver;
  std::string coverage; ///< what the search may have missed, empty if nothing
  PetscInt iterations = 0;
  bool complete = true;
  std::size_t count() const noexcept { return memberships.size(); }
};

/// Throws InputError where the section does not fit a system of `states`. Local.
void validate(std::int64_t states, const CoarseSetsInput& input);

/// Finds the sets. Throws InputError where nothing may leak but something does, or where the number
/// asked for splits a conjugate pair (naming those that work), ConvergenceError, Stopped.
/// Collective.
CoarseSets compute_coarse_sets(TransferProblem& problem, const CoarseSetsInput& input);

/// Writes /coarse_sets and prints. Returns false, saying so, where something did not converge.
/// Collective.
bool report(const TransferProblem& problem, const CoarseSetsInput& input, const CoarseSets& sets,
            io::ResultFile& file);

/// The whole section: solve, write /coarse_sets, print. Returns false where something did not
/// converge. Collective.
bool coarse_sets(TransferProblem& problem, const CoarseSetsInput& input, io::ResultFile& file);

} // namespace komori::analyses
