/// The functions of an SDE at many points at once.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "config/tensor_formulas.hpp"
#include "models/sde.hpp"

namespace komori::models {

/// Samples one quantity along lines of points that differ in the last variable alone. What depends
/// on the last variable alone is computed again only when its places change, so of
/// (x^2 - 1)^2 + y^2 on a grid one addition per point remains. Values have the same bits as the
/// functions of `Sde`. Local; the SDE must outlive it.
class LineSampler {
public:
  /// The potential, or the drift or diffusion of variable k (D diagonal); lines of up to `longest`
  /// points are fastest.
  LineSampler(const Sde& sde, Sde::Quantity quantity, int k, std::size_t longest);

  /// values[i] at the point whose last variable is places[i] and whose others are those of `point`.
  void sample(std::span<const double> point, std::span<const double> places, double* values);

private:
  bool squared_ = false; ///< the formula is a noise amplitude
  std::size_t chunk_;
  config::TensorFormulas tensor_;
  std::vector<double> place_; ///< of all variables but the last, as evaluated
};

} // namespace komori::models
