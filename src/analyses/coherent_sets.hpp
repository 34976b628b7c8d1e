/// The section `coherent_sets`: parts of the state space that stay together for a finite time.
///
/// Singular vectors of the density-weighted transfer operator (Froyland, Santitissadeekorn,
/// Monahan, Chaos 20, 2010; Froyland, Physica D 250, 2013): it may be that of any time-dependent
/// flow. Where something leaks, all is told of what stays for the whole time: these are the
/// canonical correlations of its places at the beginning and at the end, for which pairs of places
/// are all that is needed (Klus, Husic, Mollenhauer, Noe, Chaos 29, 2019).
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

/// Of what starts with masses m and stays for n steps, all in all the share S = m.P^n 1: cell
/// masses p = m P^n 1 / S at the beginning, q = P^nT m / S at the end. Singular values sigma of L =
/// D(p)^(-1/2) D(m / S) P^n D(q)^(-1/2), largest first, with functions u on the beginning, v on the
/// end: the mean of v(end) given the beginning is sigma u, of u(beginning) given the end sigma v;
/// <u, u>_p = <v, v>_q = 1. The first is sigma = 1 with u = v = 1. Where nothing leaks, p = m.
struct CoherentSets {
  std::vector<double> values;
  std::vector<double> residuals; ///< the larger of ||L v - sigma u|| and ||L^T u - sigma v||
  std::vector<double> coherence; ///< of each pair: see `coherent_sets`
  std::vector<base::UniqueVec> beginning; ///< u; 0 on cells of no mass
  std::vector<base::UniqueVec> end;       ///< v; likewise
  double survival = 1;                    ///< S
  PetscInt iterations = 0;
  std::string solver;
  bool complete = true;
};

/// Throws InputError where there are fewer cells than pairs are wanted. Local.
void validate(std::int64_t cells, const CoherentSetsInput& input);
/// Throws InputError where the section does not fit, or the density has no value, is negative
/// somewhere or 0 everywhere. `variables` and `constants` are those of the formula. Collective.
void validate(const spaces::Grid& grid, const CoherentSetsInput& input,
              const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants);

/// Throws InputError for a matrix of rates, or where nothing stays. Collective.
CoherentSets compute_coherent_sets(TransferProblem& problem, const CoherentSetsInput& input,
                                   const std::vector<std::string>& variables,
                                   const std::vector<std::pair<std::string, double>>& constants);

/// The whole section: solve, write /coherent_sets, print. Coherence: of the mass that stays, the
/// share where u > 0 that comes to lie where v > 0, and of the rest in the rest, the smaller of the
/// two. Returns false if fewer pairs than asked converged. Collective.
bool coherent_sets(TransferProblem& problem, const CoherentSetsInput& input,
                   const std::vector<std::string>& variables,
                   const std::vector<std::pair<std::string, double>>& constants,
                   io::ResultFile& file);

} // namespace komori::analyses
