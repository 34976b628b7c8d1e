/// Memory kernels from correlations that are known at equal times. All functions are local.
#pragma once

#include <vector>

#include <Eigen/Core>

namespace komori::linalg {

/// How many more values of R than of K an inversion takes.
inline constexpr std::size_t volterra_margin = 3;
/// The least number of steps of K.
inline constexpr std::size_t volterra_least = 4;

/// What an inversion finds.
struct VolterraKernel {
  Eigen::MatrixXd omega;                 ///< R'(0+)
  std::vector<Eigen::MatrixXd> integral; ///< G(t) = int_0^t K ds at the times
  std::vector<Eigen::MatrixXd> kernel;   ///< K at the times
};

/// K of R'(t) = Omega R(t) - int_0^t K(s) R(t-s) ds at t = 0, step, ..., from R at these times and
/// `volterra_margin` more, R(0) = 1. By parts the integral of K obeys an equation of the second
/// kind,
///
///   G(t) = Omega R(t) - R'(t) - int_0^t G(s) R'(t-s) ds,
///
/// in which noise is not amplified but by the first derivative of R (Kowalik et al., Phys. Rev. E
/// 100, 012126, 2019). R' by differences of fourth order, one-sided next to 0, where R may have a
/// kink; the integral by the trapezoidal rule; K = G' by central differences, one-sided at 0: the
/// error of K is of second order in the step.
VolterraKernel invert_volterra(const std::vector<Eigen::MatrixXd>& r, double step);

/// Omega_0, ..., Omega_last of the identity R(n+1) = sum_{l <= n} Omega_l R(n-l), R(0) = 1, from
/// last + 2 values of R.
std::vector<Eigen::MatrixXd> memory_matrices(const std::vector<Eigen::MatrixXd>& r,
                                             std::size_t last);

/// Least squares with a penalty on second differences, entry by entry (Whittaker, Proc. Edinb.
/// Math. Soc. 41, 1923): what changes with a frequency w keeps the share 1 / (1 + (w width)^4), w
/// and width in steps. `values` from `first` on are smoothed.
void smooth(std::vector<Eigen::MatrixXd>& values, std::size_t first, double width);

} // namespace komori::linalg
