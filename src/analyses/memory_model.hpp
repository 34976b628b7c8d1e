/// The reduced model: what the kernel alone says of the propagator.
#pragma once

#include "analyses/memory_result.hpp"

namespace komori::analyses {

/// From omega and propagator: the identity R(n+1) = sum Omega_l R(n-l), the model's own propagator
/// over the same steps, and its errors with the memory cut at every lag. Local.
void discrete_model(MemoryResult& result);

/// Largest norm of R(n+1) - sum_l Omega_l R(n-l) over the steps, relative to the largest term.
/// Local.
double identity_error(const std::vector<Eigen::MatrixXd>& omega,
                      const std::vector<Eigen::MatrixXd>& propagator);

} // namespace komori::analyses
