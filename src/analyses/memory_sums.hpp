/// A memory in continuous time as sums of exponentials, and what follows from them.
#pragma once

#include <vector>

#include "analyses/memory.hpp"
#include "analyses/memory_kernel.hpp"
#include "linalg/reduced_dynamics.hpp"

namespace komori::analyses {

/// Row a of each: the kernel's and force correlation's of function a (2 k outputs), the
/// propagator's (k outputs). All local.
class MemorySums {
public:
  /// Both with their errors.
  template <class Done> void add(Done kernel, Done propagator) {
    kernel_error_ = std::max(kernel_error_, kernel.error);
    kernel_.push_back(std::move(kernel.sum));
    propagator_.push_back(std::move(propagator.sum));
  }
  /// From inner products with f_b to coefficients; the kernel gets its sign.
  void normalise(const Coupling& coupling);

  Eigen::MatrixXd kernel(double time) const;
  Eigen::MatrixXd forces(double time) const;
  Eigen::MatrixXd propagator(double time) const;
  Eigen::MatrixXd propagator_slope(double time) const;
  /// int_0^t K(s) R(t - s) ds, in closed form.
  Eigen::MatrixXd convolution(double time) const;
  /// int_0^inf K dt.
  Eigen::MatrixXd integral() const;
  /// The propagator from Omega and K alone at multiples of `step`: an ordinary differential
  /// equation for it and the integrals of each exponential, solved exactly. Empty where it would be
  /// too large.
  std::vector<Eigen::MatrixXd> model(const Eigen::MatrixXd& omega, double step,
                                     std::size_t steps) const;
  /// Weights of R(t_n - j h) and R(t_n - (j+1) h) in the convolution, R straight in between:
  /// integrals of K over step j.
  void step_weights(double step, std::size_t j, Eigen::MatrixXd& near, Eigen::MatrixXd& far) const;
  double kernel_error() const noexcept { return kernel_error_; }

private:
  Eigen::Index functions() const { return static_cast<Eigen::Index>(propagator_.size()); }
  std::vector<linalg::ExponentialSum> kernel_;
  std::vector<linalg::ExponentialSum> propagator_;
  double kernel_error_ = 0;
};

/// Kernel, propagator, reduced model, its truncations, and the memory identity in time. Local.
void evaluate(const MemorySums& sums, const MemoryTimesInput& times, MemoryResult& result);

} // namespace komori::analyses
