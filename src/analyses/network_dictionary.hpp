/// Networks of any width on sampled dictionaries.
#pragma once

#include "analyses/network_problem.hpp"
#include "io/result_file.hpp"
#include "operators/layer_dictionary.hpp"

namespace komori::analyses {

/// Dictionaries of all layers and the operators between them, from paths.
class LayerDictionaryProblem final : public LayerProblem {
public:
  /// The inner product of a layer is the mean over the network's own paths. Local.
  LayerDictionaryProblem(base::Session& session, const models::Network& network,
                         const operators::NetworkData* data, const NetworkStudyInput& input,
                         operators::SampledChain sampled);

  const operators::SampledChain& sampled() const noexcept { return sampled_; }
  const operators::LayerChain& chain() const noexcept override { return sampled_.chain; }
  io::Slab slab(int n) const override;
  base::UniqueVec observable(const NetworkObservableInput& input) const override;
  std::vector<base::UniqueVec> outputs() const override;
  base::UniqueVec initial(const std::optional<NetworkDensityInput>& input) const override;
  std::vector<std::unique_ptr<operators::LayerProjection>>
  projections(const NetworkProjectionInput& input) const override;
  bool resolves(const NetworkProjectionInput& input) const override {
    return input.kind != "linear" || degree_ > 0;
  }
  std::vector<double> losses(int n, const std::vector<Vec>& functions,
                             const std::function<void(double share)>& look) const override;
  std::vector<double> log_contractions() const override { return {}; }
  const char* error_name() const noexcept override { return "sampling error"; }
  /// E[u^2] that the dictionary of the last layer misses, of the observable.
  double missed() const { return sampled_.missed.back(); }

private:
  std::int64_t degree_; ///< of the polynomials of single neurons
  operators::SampledChain sampled_;
};

/// The chains of all paths and of half of them, for errors. `data` and `checkpoints` may be null.
/// Throws InputError. Collective.
struct SampledChains {
  operators::SampledChain half{};
  operators::SampledChain whole{};
};
SampledChains sampled_chains(base::Session& session, const models::Network& network,
                             const operators::NetworkData* data, const NetworkStudyInput& input,
                             io::Checkpoints* checkpoints);

/// The section `monte_carlo` of such a problem: the mean of the observable, how far E[u | X_0] on
/// the dictionary is from the true one, and its values at points. Collective.
bool wide_monte_carlo(LayerDictionaryProblem& problem, LayerDictionaryProblem& half,
                      const NetworkStudyInput& input, io::ResultFile& file);
/// The section `expectation` of such a problem. Collective.
bool wide_expectation(LayerDictionaryProblem& problem, LayerDictionaryProblem& half,
                      const NetworkStudyInput& input, io::ResultFile& file);

} // namespace komori::analyses
