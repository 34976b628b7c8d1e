/// How far a number computed on a grid is from its limit, from the same number on coarser grids.
#pragma once

#include <complex>
#include <limits>
#include <span>
#include <string>

namespace komori::analyses {

/// What coarser grids say about a number.
struct GridError {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  double error = unknown;                              ///< estimated, in the number's unit
  double order = unknown;                              ///< observed; NaN without three grids
  std::complex<double> extrapolated{unknown, unknown}; ///< NaN where the order does not hold
  std::string basis;                                   ///< what the estimate rests on
};

/// Richardson's estimate with the order checked. `values`: the number on the finest grid, then on
/// coarser ones, as many as there are, of which three count; `widths`: their cell widths in any
/// unit, ascending; `order`: of the scheme in theory; differences below `noise` say nothing.
///
/// The observed order p solves |v2 - v1| / |v1 - v0| = what widths^p predict. Within 30 % of the
/// theory the error is |v1 - v0| / (r^min(p, order) - 1), r = width 1 / width 0. A lower p enters
/// as observed (0.5 at least); with a higher one, which a change of sign of the error can feign,
/// the coarser pair is extrapolated too and the larger estimate counts; differences that change
/// sign, and a single coarser grid, count in full (Roache, J. Fluids Eng. 116, 1994). Local.
GridError grid_error(std::span<const std::complex<double>> values, std::span<const double> widths,
                     double order, double noise);

/// Decimal digits of a number of size `size` that an error leaves, 0 to 15: error <= half a unit of
/// the last one.
int trusted_digits(double size, double error);

} // namespace komori::analyses
