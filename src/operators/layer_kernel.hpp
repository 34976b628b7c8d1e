/// One step of a network seen from one point: the weights that make E[u(X_{n+1}) | X_n = x] of the
/// values of u at the points of the next layer.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "models/network.hpp"
#include "operators/layer_space.hpp"

namespace komori::operators {

/// What the weights integrate against the noise.
enum class Integrand {
  polynomials, ///< the polynomials through the values: E[u], of the order of the space
  shares       ///< 1 around each point: probabilities, never negative, that add up
};

/// The weights along one variable: `values` from point `first` on, all others 0.
struct AxisWeights {
  PetscInt first = 0;
  std::vector<double> values{};
};

/// Rows of M(n,n+1). Local; a rank uses one of its own.
class LayerKernel {
public:
  /// Both must outlive the kernel. Throws InputError where the range of `to` does not cover what
  /// the layer reaches from `from`, or cells are wider than the noise (and says how many it
  /// takes).
  LayerKernel(const models::NetworkLayer& layer, const LayerSpace& from, const LayerSpace& to);

  /// The weights along every variable at a point; their products are the row. `x` has
  /// layer.inputs numbers. The result is valid until the next call.
  const std::vector<AxisWeights>& row(std::span<const double> x, Integrand integrand);
  /// What the whole row sums to: 1 but for the tails that a range misses.
  static double sum(const std::vector<AxisWeights>& weights);
  std::size_t inputs() const noexcept { return layer_->inputs; }
  /// Entries of a row at most.
  double most_entries() const noexcept { return most_entries_; }

private:
  void integrate(int k, double image, Integrand integrand, AxisWeights& weights) const;
  void add_cell(int k, PetscInt cell, double image, double from, double to, double* values) const;

  const models::NetworkLayer* layer_;
  const LayerSpace* to_;
  std::vector<double> image_;
  std::vector<AxisWeights> weights_;
  std::vector<double> nodes_; ///< of the quadrature against smooth densities, on [-1, 1]
  std::vector<double> quadrature_;
  double most_entries_ = 1;
};

/// The least number of equal cells on a range of which none is wider than the noise of a neuron; 0
/// without noise. Local.
double least_cells(const models::NeuronNoise& noise, const models::Interval& range);
/// Throws InputError where `cells`, or what `halvings` of them leave, are fewer. `remedy` is added
/// to the advice. Local.
void require_fine_enough(const models::NetworkLayer& layer, std::size_t neuron,
                         const models::Interval& range, const std::string& name, double cells,
                         int halvings = 0, const std::string& remedy = {});

/// Throws InputError where `to` does not cover what the layer reaches from `from`. Local.
void require_covered(const models::NetworkLayer& layer, const std::vector<models::Interval>& from,
                     const std::vector<models::Interval>& to,
                     const std::vector<std::string>& names);

} // namespace komori::operators
