/// A network with its layers' grids and the operators between them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "analyses/network.hpp"
#include "base/session.hpp"
#include "io/checkpoints.hpp"
#include "models/network.hpp"
#include "operators/layer_chain.hpp"
#include "operators/layer_matrix.hpp"
#include "operators/network_data.hpp"

namespace komori::analyses {

/// Cells along every variable, and points per cell, of each layer.
struct LayerPlan {
  std::vector<std::string> names{};
  std::vector<models::Interval> range{};
  std::vector<PetscInt> cells{};
  int order = 1;
  /// Of the step that leads to this layer: whether it is applied without a matrix.
  bool matrix_free = false;
  double points() const;
};

/// The plan of all layers. `matrix` is assembled, matrix_free or auto. Throws InputError where a
/// layer is too wide for a grid, or `layers` does not fit the network. Local.
std::vector<LayerPlan> plan_layers(const models::Network& network, const NetworkLayersInput& input,
                                   const std::string& matrix);
/// The plan of a layer that is repeated: on the range that it maps into itself. Throws InputError.
/// Local.
LayerPlan repeated_plan(const models::NetworkLayer& layer, const NetworkLayersInput& input,
                        LayerPlan plan);
/// The same with about half the cells, or half the points of a single one, for error estimates.
std::vector<LayerPlan> coarser(std::vector<LayerPlan> plan);
/// Entries of the matrix of a step, if it had one, from above. Local.
double predicted_nonzeros(const models::NetworkLayer& layer, const LayerPlan& from,
                          const LayerPlan& to);
/// Entries of all matrices that a plan assembles, from above. Local.
double predicted_nonzeros(const models::Network& network, const std::vector<LayerPlan>& plan);

/// `samples`, or a few more where paths begin at rows of data, so that as many begin at each.
/// `data` may be null. Local.
std::int64_t balanced_paths(const operators::NetworkData* data, std::int64_t samples);

/// What sections need of a network, whatever holds the functions of its layers. Its members outlive
/// all that is made of it. Functions that return vectors or projections are collective.
class LayerProblem {
public:
  /// `data` may be null.
  LayerProblem(base::Session& session, const models::Network& network,
               const operators::NetworkData* data)
      : session_(session), network_(network), data_(data) {}
  virtual ~LayerProblem() = default;

  base::Session& session() const noexcept { return session_; }
  base::Log& log() const noexcept { return session_.log(); }
  const models::Network& network() const noexcept { return network_; }
  int depth() const noexcept { return static_cast<int>(network_.depth()); }

  /// What the network is fed with; null where its inputs have a density.
  const operators::NetworkData* data() const noexcept { return data_; }
  models::PathInputs path_inputs() const { return data_ ? data_->inputs() : models::PathInputs(); }

  virtual const operators::LayerChain& chain() const noexcept = 0;
  /// Where this rank's entries of a function of layer n lie in an order that is the same on any
  /// number of ranks. Local.
  virtual io::Slab slab(int n) const = 0;
  /// The observable of the input as a function of the last layer.
  virtual base::UniqueVec observable(const NetworkObservableInput& input) const = 0;
  /// All outputs as functions of the last layer, if the input's classes or reduction ask for them.
  virtual std::vector<base::UniqueVec> outputs() const = 0;
  /// The density of the inputs as a function of layer 0.
  virtual base::UniqueVec initial(const std::optional<NetworkDensityInput>& input) const = 0;
  /// The projections of all layers.
  virtual std::vector<std::unique_ptr<operators::LayerProjection>>
  projections(const NetworkProjectionInput& input) const = 0;
  /// Whether such a projection can be made: functions of single neurons may be missing.
  virtual bool resolves(const NetworkProjectionInput&) const { return true; }
  /// For every neuron of layer n: what M(0,n) carries to the inputs of those parts of functions of
  /// that layer that depend on the neuron, the norm of all of them together; of a dictionary,
  /// among functions of single neurons alone. `look(share)` is called with the share that is done;
  /// it may throw. Collective, and so may `look` be.
  virtual std::vector<double> losses(int n, const std::vector<Vec>& functions,
                                     const std::function<void(double share)>& look) const = 0;
  /// ln K_n of every step; empty where these do not bound the norms.
  virtual std::vector<double> log_contractions() const = 0;
  /// What the difference from the coarser problem is called.
  virtual const char* error_name() const noexcept = 0;

  /// Where long sections save their state; null while there is none.
  io::Checkpoints* checkpoints() const noexcept { return checkpoints_; }
  void use(io::Checkpoints* checkpoints) noexcept { checkpoints_ = checkpoints; }

private:
  base::Session& session_;
  const models::Network& network_;
  const operators::NetworkData* data_;
  io::Checkpoints* checkpoints_ = nullptr;
};

/// Grids and matrices.
class NetworkProblem final : public LayerProblem {
public:
  /// Assembles M(n,n+1) of all steps; matrices are saved in `checkpoints` under names that begin
  /// with `name`. Throws InputError as `LayerKernel` does, and Stopped. Collective.
  NetworkProblem(base::Session& session, const models::Network& network,
                 const operators::NetworkData* data, const std::vector<LayerPlan>& plan,
                 io::Checkpoints& checkpoints, std::string name);

  const operators::LayerSpace& space(int n) const { return *spaces_[static_cast<std::size_t>(n)]; }
  const operators::LayerChain& chain() const noexcept override { return chain_; }
  io::Slab slab(int n) const override { return space(n).grid().slab(); }
  base::UniqueVec observable(const NetworkObservableInput& input) const override;
  std::vector<base::UniqueVec> outputs() const override;
  base::UniqueVec initial(const std::optional<NetworkDensityInput>& input) const override;
  std::vector<std::unique_ptr<operators::LayerProjection>>
  projections(const NetworkProjectionInput& input) const override;
  std::vector<double> losses(int n, const std::vector<Vec>& functions,
                             const std::function<void(double share)>& look) const override;
  std::vector<double> log_contractions() const override;
  const char* error_name() const noexcept override { return "error of the grid"; }
  /// The operators that carry probabilities of the cells around points: never negative. The same as
  /// `chain` where every layer has one point per cell. Collective at the first call.
  const operators::LayerChain& shares();
  std::int64_t nonzeros() const noexcept { return nonzeros_; }
  double largest_leak() const noexcept { return largest_leak_; }

  /// Functions u = E[u(X_L) | X_n] of all layers, from u of the last. Collective.
  static std::vector<base::UniqueVec> expectations(const operators::LayerChain& chain, Vec u);

private:
  operators::LayerChain assemble(operators::Integrand integrand, const std::string& name);

  std::string name_;
  std::vector<bool> matrix_free_; ///< per step
  std::vector<std::shared_ptr<operators::LayerSpace>> spaces_;
  operators::LayerChain chain_;
  operators::LayerChain shares_;
  bool alike_ = true; ///< one point per cell everywhere
  std::int64_t nonzeros_ = 0;
  double largest_leak_ = 0;
};

} // namespace komori::analyses
