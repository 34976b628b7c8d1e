#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/network_accuracy.hpp"
#include "analyses/network_dictionary.hpp"
#include "analyses/network_sections.hpp"
#include "operators/layer_reduction.hpp"

namespace komori::analyses {

std::vector<base::UniqueVec> kept_functions(const LayerProblem& problem,
                                            const NetworkStudyInput& input) {
  if (input.reduction->keep == "outputs") return problem.outputs();
  std::vector<base::UniqueVec> one;
  one.push_back(problem.observable(*input.observable));
  return one;
}

namespace {

using base::UniqueVec;

/// Of the classes that the reduced layers see, where rows have labels and all outputs are kept: by
/// lags of memory. Empty otherwise.
std::vector<Accuracy> accuracies_by_lags(const LayerProblem& problem,
                                         const NetworkStudyInput& input,
                                         const operators::ReducedChain& reduced) {
  const auto* wide = dynamic_cast<const LayerDictionaryProblem*>(&problem);
  const bool classes = problem.data() && problem.data()->labelled();
  if (!classes || wide == nullptr || input.reduction->keep != "outputs") return {};
  std::vector<Accuracy> accuracies;
  for (const auto& functions : reduced.inputs) accuracies.push_back(accuracy_of(*wide, functions));
  return accuracies;
}

/// Reduced networks of r x r matrices, by how many lags of memory they keep.
void reduce_lags(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file) {
  const auto projections = problem.projections(*input.projection);
  for (const auto& projection : projections) {
    if (projection->functions() == nullptr) return; // matrices of averages are no reduction
  }
  const operators::ReducedChain reduced =
      operators::reduce(problem.chain(), projections, kept_functions(problem, input));
  const std::vector<Accuracy> accuracies = accuracies_by_lags(problem, input, reduced);
  std::vector<std::vector<std::string>> rows;
  std::vector<double> predicted;
  std::vector<double> measured;
  std::size_t enough = reduced.measured.size();
  for (std::size_t lags = 0; lags < reduced.measured.size(); ++lags) {
    predicted.push_back(reduced.predicted[lags]);
    measured.push_back(reduced.measured[lags]);
    rows.push_back({std::to_string(lags), fmt::format("{:.3g}", predicted.back()),
                    fmt::format("{:.3g}", measured.back())});
    if (!accuracies.empty()) add_accuracy(accuracies[lags], rows.back());
    if (enough == reduced.measured.size() && measured.back() <= input.reduction->tolerance) {
      enough = lags;
    }
  }
  std::vector<std::string> header{"lags", "predicted", "measured"};
  if (!accuracies.empty()) add_accuracy_names(header);
  problem.log().table("Reduced layers: error of P E[u | X_0] by lags of memory kept", header, rows);
  if (!accuracies.empty()) write_accuracies(accuracies, "/reduction/accuracy", file);
  const bool found = enough < reduced.measured.size();
  problem.log().line(
      found ? fmt::format("  {} of memory {} the error at most {:g}",
                          enough == 1 ? "1 lag" : fmt::format("{} lags", enough),
                          enough == 1 ? "keeps" : "keep", input.reduction->tolerance)
            : fmt::format("  no number of lags keeps the error below {:g}: the observable itself "
                          "is not resolved at the outputs; {}",
                          input.reduction->tolerance,
                          input.projection->kind == "basis"
                              ? "raise 'projection.rank'"
                              : "take 'projection: {kind: basis, rank: ...}'"));
  const auto count = static_cast<hsize_t>(measured.size());
  file.write_small(
      "/reduction/predicted_error", predicted, {count},
      {{"meaning", "bound of the error: norms of the memory and noise left out at every "
                   "layer, as far as the reduced layers carry them to the inputs, over "
                   "the norm of P E[u | X_0], by lags kept"},
       {"unit", "-"}});
  file.write_small("/reduction/measured_error", measured, {count},
                   {{"meaning", "error of P E[u | X_0] by the reduced layers, relative, by lags "
                                "kept"},
                    {"unit", "-"},
                    {"lags", found ? static_cast<std::int64_t>(enough) : std::int64_t{-1}}});
  file.write_small(
      "/reduction/unresolved", std::vector<double>{reduced.unresolved}, {},
      {{"meaning", "share of E[u | X_0] that the projection does not resolve"}, {"unit", "-"}});
  const std::size_t keep = found ? enough : 0;
  for (std::size_t n = 0; n < reduced.omega.size(); ++n) {
    for (std::size_t lag = 0; lag < std::min(reduced.omega[n].size(), keep + 1); ++lag) {
      const operators::SmallMatrix& omega = reduced.omega[n][lag];
      file.write_small(fmt::format("/reduction/layer_{}/lag_{}", n, lag), omega.values,
                       {static_cast<hsize_t>(omega.rows), static_cast<hsize_t>(omega.columns)},
                       {{"meaning", fmt::format("Omega: coefficients of layer {} from those of "
                                                "layer {}",
                                                n, n + lag + 1)},
                        {"unit", "-"}});
    }
  }
}

} // namespace

bool reduction(LayerProblem& problem, const NetworkStudyInput& input, io::ResultFile& file) {
  base::Phase phase(problem.log(), "reduction");
  // First, as it can be stopped before it writes anything.
  prune(problem, input, file);
  if (input.projection) reduce_lags(problem, input, file);
  phase.finish();
  return true;
}

} // namespace komori::analyses
