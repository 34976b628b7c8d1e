#include "analyses/memory_model.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/LU>

namespace komori::analyses {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

/// R_0 = 1, R_{n+1} = sum_{l <= min(n, last)} Omega_l R_{n-l}.
std::vector<MatrixXd> propagated(const std::vector<MatrixXd>& omega, std::size_t last,
                                 std::size_t steps) {
  std::vector<MatrixXd> r{MatrixXd::Identity(omega.front().rows(), omega.front().cols())};
  while (r.size() <= steps) {
    const std::size_t n = r.size() - 1;
    MatrixXd next = omega.front() * r[n];
    for (std::size_t l = 1; l <= std::min(n, last); ++l) next.noalias() += omega[l] * r[n - l];
    r.push_back(std::move(next));
  }
  return r;
}

/// Lags after which the memory is cut: all up to some, then in even ratios, as a propagation for
/// each of thousands would take hours.
std::vector<std::size_t> lengths_to(std::size_t most) {
  constexpr std::size_t each = 64;
  constexpr double ratio = 1.1;
  std::vector<std::size_t> lengths;
  for (std::size_t length = 0; length < most;) {
    lengths.push_back(length);
    length =
        length < each ? length + 1 : static_cast<std::size_t>(static_cast<double>(length) * ratio);
  }
  lengths.push_back(most);
  return lengths;
}

/// R by the trapezoidal rule with the kernel cut after `kept` steps, R straight within steps.
std::vector<MatrixXd> cut_model(const MatrixXd& omega, const std::vector<MatrixXd>& near,
                                const std::vector<MatrixXd>& far, double step, std::size_t kept) {
  const Index k = omega.rows();
  const MatrixXd one = MatrixXd::Identity(k, k);
  const std::size_t steps = near.size();
  std::vector<MatrixXd> r{one};
  MatrixXd before = omega; // the right-hand side at the last time
  const MatrixXd implicit = kept > 0 ? (one - 0.5 * step * (omega - near.front())).eval()
                                     : (one - 0.5 * step * omega).eval();
  const Eigen::PartialPivLU<MatrixXd> lu(implicit);
  for (std::size_t n = 1; n <= steps; ++n) {
    MatrixXd known = MatrixXd::Zero(k, k); // of the convolution
    for (std::size_t j = 0; j < std::min(n, kept); ++j) {
      if (j > 0) known += near[j] * r[n - j];
      known += far[j] * r[n - j - 1];
    }
    r.emplace_back(lu.solve(r.back() + 0.5 * step * (before - known)));
    before = omega * r.back() - known;
    if (kept > 0) before -= near.front() * r.back();
  }
  return r;
}

} // namespace

double identity_error(const std::vector<MatrixXd>& omega, const std::vector<MatrixXd>& propagator) {
  double worst = 0;
  double size = 0;
  for (std::size_t n = 0; n + 1 < propagator.size() && n < omega.size(); ++n) {
    MatrixXd sum = MatrixXd::Zero(omega.front().rows(), omega.front().cols());
    for (std::size_t l = 0; l <= n; ++l) sum.noalias() += omega[l] * propagator[n - l];
    worst = std::max(worst, (propagator[n + 1] - sum).norm());
    size = std::max(size, std::max(propagator[n + 1].norm(), sum.norm()));
  }
  return size > 0 ? worst / size : 0;
}

void cut(MemoryResult& result, double share) {
  if (share <= 0) return;
  std::size_t last = result.omega.size() - 1;
  while (last > 0 && result.omega[last].norm() <= share * result.omega.front().norm()) --last;
  result.omega.resize(std::min(last + 2, result.omega.size()));
}

void discrete_model(MemoryResult& result) {
  if (!result.closed) return;
  result.identity_error = identity_error(result.omega, result.propagator);
  const std::size_t steps = result.propagator.size() - 1;
  result.model = propagated(result.omega, result.omega.size() - 1, steps);
  for (std::size_t n = 0; n <= steps; ++n) {
    result.gme_error.push_back((result.model[n] - result.propagator[n]).norm());
  }
  for (const std::size_t last : lengths_to(result.omega.size() - 1)) {
    const std::vector<MatrixXd> cut = propagated(result.omega, last, steps);
    double worst = 0;
    for (std::size_t n = 0; n <= steps; ++n) {
      worst = std::max(worst, (cut[n] - result.propagator[n]).norm());
    }
    result.truncation_lags.push_back(static_cast<double>(last) * result.lag);
    result.truncation_error.push_back(worst);
  }
}

std::vector<MatrixXd> propagated(const MatrixXd& omega, const std::vector<MatrixXd>& near,
                                 const std::vector<MatrixXd>& far, double step) {
  return cut_model(omega, near, far, step, near.size());
}

void truncate(const std::vector<MatrixXd>& near, const std::vector<MatrixXd>& far, double step,
              MemoryResult& result) {
  const std::size_t count = near.size();
  // Compared with the uncut model of the same steps, so that only what is cut counts.
  const std::vector<MatrixXd> whole = cut_model(result.omega.front(), near, far, step, count);
  std::vector<std::size_t> kept{0};
  constexpr int lengths = 20;
  for (int i = 0; i < lengths; ++i) { // from a hundredth of the time on, in even ratios
    const auto next = static_cast<std::size_t>(
        std::llround(static_cast<double>(count) * std::pow(1e-2, 1 - (i + 1.0) / lengths)));
    if (next > kept.back()) kept.push_back(next);
  }
  for (const std::size_t lags : kept) {
    const std::vector<MatrixXd> cut = cut_model(result.omega.front(), near, far, step, lags);
    double worst = 0;
    for (std::size_t n = 0; n <= count; ++n) worst = std::max(worst, (cut[n] - whole[n]).norm());
    result.truncation_lags.push_back(static_cast<double>(lags) * step);
    result.truncation_error.push_back(worst);
  }
}

} // namespace komori::analyses
