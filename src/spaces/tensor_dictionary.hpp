/// Products of functions of one variable each.
#pragma once

#include <string>
#include <vector>

#include "spaces/dictionary.hpp"
#include "spaces/univariate.hpp"

namespace komori::spaces {

/// Which products of levels l_k up to `degree` belong to a dictionary.
enum class Cross {
  tensor,       ///< every l_k <= degree
  total_degree, ///< sum of l_k <= degree
  hyperbolic    ///< product of (l_k + 1) <= degree + 1
};

/// The function of every index (n_0, n_1, ...) whose levels belong to the cross: the product over
/// k of function n_k of axis k. In lexicographic order, the constant first.
class TensorDictionary final : public Dictionary {
public:
  /// Throws InputError beyond `most_functions`.
  TensorDictionary(std::vector<Univariate> axes, std::vector<std::string> variables, Cross cross,
                   std::size_t degree);
  std::size_t size() const override { return indices_.size(); }
  void evaluate(const Points& points, const Derivative& order,
                std::span<double> values) const override;
  bool differentiable() const override { return true; }
  std::string name(std::size_t j) const override;
  /// Those of three quarters of the degree.
  std::vector<std::size_t> smaller() const override;

private:
  using Levels = std::array<std::size_t, max_dimension>;
  bool within(const Levels& index, std::size_t degree) const;

  std::vector<Univariate> axes_;
  std::vector<std::string> variables_;
  Cross cross_;
  std::size_t degree_;
  std::vector<Levels> indices_;
};

} // namespace komori::spaces
