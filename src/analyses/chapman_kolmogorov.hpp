/// The `chapman_kolmogorov` section: does the chain predict what the data do at longer lags?
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analyses/counted_chain.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `chapman_kolmogorov` as written.
struct ChapmanKolmogorovInput {
  std::vector<double> steps{1, 2, 3, 4, 5};
  std::vector<std::pair<std::string, config::FormulaText>> sets;
  bool coarse = false;
};
void declare(config::Declarer& declarer, ChapmanKolmogorovInput& input);

/// Probabilities between m sets after k steps of the model's lag, [step][from * m + to].
struct ChapmanKolmogorov {
  std::vector<std::string> names;
  std::vector<std::int64_t> steps;
  std::vector<std::vector<double>> predicted; ///< by the k-th power of the chain
  std::vector<std::vector<double>> estimated; ///< counted at k times the lag
  std::vector<std::vector<Band>> predicted_bands;
  std::vector<std::vector<Band>> estimated_bands;
  double worst = 0; ///< largest |predicted - estimated|
  int disagree = 0; ///< entries whose bands are apart
};

/// Sets of cells, by name: 1 on each, 0 elsewhere.
struct NamedSets {
  std::vector<std::string> names;
  std::vector<base::UniqueVec> indicators;
};
/// Of formulas of the variables; of the numbers that cells are assigned to. Collective.
NamedSets sets_of(const spaces::Grid& grid, const ChapmanKolmogorovInput& input,
                  const std::vector<std::pair<std::string, double>>& constants);
NamedSets sets_of(Vec assignment, std::size_t count);

/// Throws InputError where steps do not fit the data, or sets are empty or overlap. Collective.
void validate(const operators::TrajectorySource& source, const spaces::Grid& grid,
              const ChapmanKolmogorovInput& input,
              const std::vector<std::pair<std::string, double>>& constants);

/// Prediction: mean over the cells a of set A, weighted with the stationary density of the chain,
/// of (P^k 1_B)(a). Estimate: of the pairs at k lags that begin in A, the share that ends in B
/// (Prinz et al., J. Chem. Phys. 134, 174105, 2011, section IV.F). Collective.
ChapmanKolmogorov compute_chapman_kolmogorov(const CountedData& data, TransferProblem& problem,
                                             const ChapmanKolmogorovInput& input,
                                             const NamedSets& named);

/// The whole section: compute, write /chapman_kolmogorov, print. Collective.
void chapman_kolmogorov(const CountedData& data, TransferProblem& problem,
                        const ChapmanKolmogorovInput& input, const NamedSets& named,
                        io::ResultFile& file);

} // namespace komori::analyses
