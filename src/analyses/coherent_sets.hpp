/// The section `coherent_sets`: parts of the state space that stay together for a finite time.
///
/// Singular vectors of the density-weighted transfer operator (Froyland, Santitissadeekorn,
/// Monahan, Chaos 20, 2010; Froyland, Physica D 250, 2013). Nothing is asked of the operator but
/// that probabilities are kept: it may be the transfer operator of any time-dependent flow.
#pragma once

#include <string>
#include <vector>

#include "analyses/transfer_problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `coherent_sets` as written.
struct CoherentSetsInput {
  std::int64_t pairs = 3;
  std::int64_t steps = 1;
  config::FormulaText density{};
  double tolerance = 1e-10;
  config::Origin origin{};
};
void declare(config::Declarer& declarer, CoherentSetsInput& input);

/// Singular values sigma of L = D(p)^(1/2) P^n D(q)^(-1/2) for cell masses p at the beginning and
/// q = P^nT p at the end, largest first, with functions u on the beginning, v on the end: the mean
/// of v(end) given the beginning is sigma u, of u(beginning) given the end sigma v; <u, u>_p = <v,
/// v>_q = 1. The first is sigma = 1 with u = v = 1.
struct CoherentSets {
  std::vector<double> values;
  std::vector<double> residuals; ///< the larger of ||L v - sigma u|| and ||L^T u - sigma v||
  std::vector<double> coherence; ///< of each pair: see `coherent_sets`
  std::vector<base::UniqueVec> beginning; ///< u; 0 on cells of no mass
  std::vector<base::UniqueVec> end;       ///< v; likewise
  PetscInt iterations = 0;
  std::string solver;
  bool complete = true;
};

/// Throws InputError where the section does not fit, or the density has no value, is negative
/// somewhere or 0 everywhere. `variables` and `constants` are those of the formula. Collective.
void validate(const spaces::Grid& grid, const CoherentSetsInput& input,
              const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants);

/// Throws InputError for a matrix of rates, or where something leaks. Collective.
CoherentSets compute_coherent_sets(TransferProblem& problem, const CoherentSetsInput& input,
                                   const std::vector<std::string>& variables,
                                   const std::vector<std::pair<std::string, double>>& constants);

/// The whole section: solve, write /coherent_sets, print. Coherence: the share of the mass where u
/// > 0 that comes to lie where v > 0, and of the rest in the rest, the smaller of the two. Returns
/// false if fewer pairs than asked converged. Collective.
bool coherent_sets(TransferProblem& problem, const CoherentSetsInput& input,
                   const std::vector<std::string>& variables,
                   const std::vector<std::pair<std::string, double>>& constants,
                   io::ResultFile& file);

} // namespace komori::analyses
