/// Residuals of an operator whose images are random: what remains once their noise is averaged out.
#pragma once

#include <complex>
#include <functional>
#include <vector>

#include <Eigen/Core>

#include "operators/gram_pass.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// Residuals of pairs, and the share of the samples that they are from: those in cells that both
/// sets meet.
struct ConditionalResiduals {
  std::vector<double> values;
  double share = 0;
};

/// ||E[K v - lambda v | cell]|| / ||v|| of functions v = sum of columns(j, i) psi_j, where an
/// operator's images are samples of a random image: with e = v(y) - lambda v(x),
///
///     sum over cells of w_c <e>_1 conj(<e>_2) / sum of |v|^2,
///
/// from the means <e> of two independent sets of samples, so that the noise of the images, which
/// |e|^2 holds, drops out on average. By Jensen's inequality it lies below the residual and comes
/// up to it as cells shrink. Where it is smaller than its own standard deviation (as if samples
/// were independent), that is given instead. Complex pairs as in `linalg::GeneralPairs`. Memory:
/// cells that this rank's samples meet, times six numbers for each pair. Calls `pause` now and then
/// as `measured_residuals` does. Collective.
ConditionalResiduals conditional_residuals(const spaces::Grid& grid, const PassInput& first,
                                           const PassInput& second,
                                           const std::vector<std::complex<double>>& values,
                                           const Eigen::MatrixXd& columns,
                                           const std::function<void(double)>& pause = {});

} // namespace komori::operators
