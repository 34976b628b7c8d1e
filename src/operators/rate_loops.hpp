/// The loops that turn the work done over faces into rates, for `FaceLines`.
#pragma once

#include <cstddef>

namespace komori::operators {

/// Arrays of `count` faces, with room for whole groups of `base::group_size`.
struct RateArrays {
  const double* work = nullptr;       ///< force times distance
  const double* face = nullptr;       ///< D on the faces, or null: `diffusion` everywhere
  const double* lower = nullptr;      ///< D that the rates up are multiplied with, like `face`
  const double* upper = nullptr;      ///< likewise of the rates down
  double diffusion = 0;               ///< D, where it is one number
  const double* up_scale = nullptr;   ///< 1 / (distance width of the lower cell)
  const double* down_scale = nullptr; ///< likewise of the upper cell
  double* size = nullptr;             ///< work space
  double* growth = nullptr;           ///< work space
  double* up = nullptr;               ///< result, 1/time
  double* down = nullptr;             ///< result, 1/time
};

/// Scharfetter and Gummel's rates D B(-work/D) and D B(work/D) with Bernoulli's function B, without
/// cancellation; or, with `square_root`, D exp(work/2D) and D exp(-work/2D). Returns whether all
/// are finite numbers and all D positive. The same bits on every machine. Local.
bool compute_rates(const RateArrays& arrays, std::size_t count, bool square_root);

} // namespace komori::operators
