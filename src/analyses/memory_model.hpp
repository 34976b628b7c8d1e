/// The reduced model: what the kernel alone says of the propagator.
#pragma once

#include "analyses/memory_result.hpp"

namespace komori::analyses {

/// Leaves out the Omega_l after the last one whose norm exceeds `share` of that of Omega_0, but
/// one. Local.
void cut(MemoryResult& result, double share);

/// From omega and propagator: the identity R(n+1) = sum Omega_l R(n-l), the model's own propagator
/// over the same steps, and its errors with the memory cut at every lag. Local.
void discrete_model(MemoryResult& result);

/// Largest norm of R(n+1) - sum_l Omega_l R(n-l) over the steps, relative to the largest term.
/// Local.
double identity_error(const std::vector<Eigen::MatrixXd>& omega,
                      const std::vector<Eigen::MatrixXd>& propagator);

/// Of R' = Omega R - K * R in equal steps, R straight within each: near[j] and far[j] weigh R(t - j
/// step) and R(t - (j+1) step) in the integral over step j of the kernel.
///
/// R at the ends of all steps, by the trapezoidal rule. Local.
std::vector<Eigen::MatrixXd> propagated(const Eigen::MatrixXd& omega,
                                        const std::vector<Eigen::MatrixXd>& near,
                                        const std::vector<Eigen::MatrixXd>& far, double step);
/// Adds the errors of R with the memory cut at twenty lengths, and uncut. Local.
void truncate(const std::vector<Eigen::MatrixXd>& near, const std::vector<Eigen::MatrixXd>& far,
              double step, MemoryResult& result);

} // namespace komori::analyses
