/// Turns a graph of affine maps and activations into layers, one after the other.
///
/// Every tensor of the graph is an affine function of X_n, the neurons of the last layer there is
/// so far; an activation makes the next layer. What later nodes still need of other tensors becomes
/// neurons of identity activation in it, so that every tensor is a function of X_{n+1} again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "models/network.hpp"

namespace komori::operators {

/// A tensor as a function of the current neurons x: matrix x + offset.
struct AffineValue {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  std::optional<Matrix> matrix{}; ///< absent: neurons first, first + 1, ... as they are
  Eigen::Index first = 0;
  Eigen::VectorXd offset{}; ///< one per entry of the tensor
  bool weighted = false;    ///< whether the matrix holds weights, not only signs, scales and sums
  bool erf = false;         ///< the tensor is scale erf(matrix x + offset) + shift instead
  double scale = 1;
  double shift = 0;
  std::string source{}; ///< the node it comes from, for messages

  Eigen::Index size() const noexcept { return offset.size(); }
};

/// The layers so far, and the tensors that are still needed. Local. Functions throw
/// std::runtime_error where all layers together would have more than `most_weights` weights.
class LayerStack {
public:
  /// No layer yet; `input` is the tensor of all `width` inputs. `uses` says how often tensors are
  /// taken.
  LayerStack(const std::string& input, Eigen::Index width, std::map<std::string, int> uses);

  bool holds(const std::string& tensor) const { return values_.contains(tensor); }
  const AffineValue& at(const std::string& tensor) const { return values_.at(tensor); }
  /// The value for one use; gone after the last.
  AffineValue take(const std::string& tensor);
  /// A new tensor; one that nobody uses is left out.
  void put(const std::string& tensor, AffineValue value);
  int uses(const std::string& tensor) const;

  /// The matrix of a value, made where it is absent.
  AffineValue::Matrix dense(const AffineValue& value) const;
  /// Whether a tensor is all current neurons as they are.
  bool is_state(const AffineValue& value) const;
  /// Whether `tensor` alone is still needed.
  bool needs_only(const std::string& tensor) const;

  /// The next layer: `activation` of `value`, taken before, and what else is needed. Returns the
  /// activated tensor.
  AffineValue activate(const AffineValue& value, models::Activation activation, double slope);
  /// The next layer is the activated value plus all current neurons, and nothing else.
  AffineValue activate_residual(const AffineValue& value, models::Activation activation,
                                double slope);
  /// Makes a tensor neurons of their own: an affine one by a layer of identity activation, what is
  /// to be the function erf by one of that.
  void settle(const std::string& tensor);

  std::vector<models::NetworkLayer>& layers() noexcept { return layers_; }

  static constexpr double most_weights = 1 << 25;

private:
  /// Throws where a matrix of `rows` rows would be too many weights; `extra`: those of the layers.
  void require_room(Eigen::Index rows, double extra, const std::string& source) const;

  std::map<std::string, AffineValue> values_;
  std::map<std::string, int> uses_;
  Eigen::Index width_;
  double weights_ = 0; ///< of all layers
  std::vector<models::NetworkLayer> layers_;
};

} // namespace komori::operators
