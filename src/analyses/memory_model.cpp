#include "analyses/memory_model.hpp"

#include <algorithm>
#include <cmath>

namespace komori::analyses {
namespace {

using Eigen::MatrixXd;

/// R_0 = 1, R_{n+1} = sum_{l <= min(n, last)} Omega_l R_{n-l}.
std::vector<MatrixXd> propagated(const std::vector<MatrixXd>& omega, std::size_t last,
                                 std::size_t steps) {
  std::vector<MatrixXd> r{MatrixXd::Identity(omega.front().rows(), omega.front().cols())};
  while (r.size() <= steps) {
    const std::size_t n = r.size() - 1;
    MatrixXd next = omega.front() * r[n];
    for (std::size_t l = 1; l <= std::min(n, last); ++l) next += omega[l] * r[n - l];
    r.push_back(std::move(next));
  }
  return r;
}

} // namespace

double identity_error(const std::vector<MatrixXd>& omega, const std::vector<MatrixXd>& propagator) {
  double worst = 0;
  double size = 0;
  for (std::size_t n = 0; n + 1 < propagator.size() && n < omega.size(); ++n) {
    MatrixXd sum = MatrixXd::Zero(omega.front().rows(), omega.front().cols());
    for (std::size_t l = 0; l <= n; ++l) sum += omega[l] * propagator[n - l];
    worst = std::max(worst, (propagator[n + 1] - sum).norm());
    size = std::max(size, std::max(propagator[n + 1].norm(), sum.norm()));
  }
  return size > 0 ? worst / size : 0;
}

void discrete_model(MemoryResult& result) {
  if (!result.closed) return;
  result.identity_error = identity_error(result.omega, result.propagator);
  const std::size_t steps = result.propagator.size() - 1;
  result.model = propagated(result.omega, result.omega.size() - 1, steps);
  for (std::size_t n = 0; n <= steps; ++n) {
    result.gme_error.push_back((result.model[n] - result.propagator[n]).norm());
  }
  for (std::size_t last = 0; last < result.omega.size(); ++last) {
    const std::vector<MatrixXd> cut = propagated(result.omega, last, steps);
    double worst = 0;
    for (std::size_t n = 0; n <= steps; ++n) {
      worst = std::max(worst, (cut[n] - result.propagator[n]).norm());
    }
    result.truncation_lags.push_back(static_cast<double>(last) * result.lag);
    result.truncation_error.push_back(worst);
  }
}

} // namespace komori::analyses
