/// The `stationary` section of a map or a Markov chain.
#pragma once

#include <complex>
#include <string>
#include <utility>
#include <vector>

#include "analyses/transfer_problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `stationary` as written.
struct TransferStationaryInput {
  double tolerance = 1e-10;
  std::vector<std::pair<std::string, config::FormulaText>> observables;
};
void declare(config::Declarer& declarer, TransferStationaryInput& input);

/// The leading left eigenvector: the invariant density, or with a leak the quasi-stationary one.
struct LeadingDensity {
  base::UniqueVec density; ///< per unit volume, integral 1
  double eigenvalue = 1;   ///< of P, or the rate (0 or below) of a matrix of rates
  double residual = 0;     ///< sum_i |(P^T m - mu m)_i| for its cell masses m
  double minimum = 0;      ///< lowest density; below 0 only by numerical error
  double multiplicity =
      1; ///< eigenvalues within 1e-9 of the norm of the leading one, as far as found
  std::size_t parts = 1; ///< closed sets of states that never meet (of very many, those that hold
                         ///< them); 1 also where not looked for
  std::string method;
};

/// Every row of a step sums to 1: cells that no path of the data is in lead nowhere. Collective.
bool every_row_leads_on(const TransferProblem& problem);

/// Where several closed sets make it one of many, the density that mass which begins spread evenly
/// over the volume comes to, on average over time: so much of each set's own as ends there. Throws
/// ConvergenceError. Collective.
LeadingDensity leading_density(TransferProblem& problem, const TransferStationaryInput& input);

/// The whole section: solve, observables, write /stationary, print. `variables` and `constants` are
/// those of the formulas. Returns false where the density is not certain to the tolerance.
/// Collective.
bool stationary(TransferProblem& problem, const TransferStationaryInput& input,
                const std::vector<std::string>& variables,
                const std::vector<std::pair<std::string, double>>& constants, io::ResultFile& file);

/// Throws InputError for formulas that do not compile or have no value on the grid. Collective.
void validate(const spaces::Grid& grid, const TransferStationaryInput& input,
              const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants);

/// The same at the boxes of a cover. Collective.
void validate(const TransferProblem& problem, const TransferStationaryInput& input,
              const std::vector<std::string>& variables,
              const std::vector<std::pair<std::string, double>>& constants);

} // namespace komori::analyses
