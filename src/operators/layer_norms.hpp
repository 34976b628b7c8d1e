/// Norms of the operators between layers, and the bounds that noise alone gives.
#pragma once

#include <vector>

#include "base/log.hpp"
#include "linalg/singular.hpp"
#include "models/network.hpp"
#include "operators/layer_chain.hpp"

namespace komori::operators {

/// Singular values of M(first,last) = M(first,first+1) ... M(last-1,last) in the inner products of
/// its layers. Throws ConvergenceError. Collective.
linalg::SingularTriplets product_values(const LayerChain& chain, int first, int last,
                                        PetscInt count, double tolerance, const std::string& prefix,
                                        base::Log& log,
                                        const linalg::Continuation& continuation = {});

/// The Hilbert-Schmidt norm of M(n,n+1): sqrt(sum w_i M_ij^2 / w_j). Collective.
double hilbert_schmidt(const LayerChain& chain, int n);
/// Those of the products M(n,last), n = 0 .. last - 1, column by column; all but the last one are
/// NaN where the last layer has more than 1024 points, of which each takes a product with all
/// steps. Collective.
std::vector<double> product_hilbert_schmidt(const LayerChain& chain, int last);

/// ln K_n = ln(volume of the range of layer n) + sum over neurons of ln of the integral of rho^2:
/// K_n bounds ||M(n,n+1)||^2 whatever the weights (Venturi and Li 2023). Infinite without noise.
/// The logarithm, because volumes of wide layers exceed all numbers. Local.
double log_contraction(const models::NetworkLayer& layer, const std::vector<models::Interval>& box);

/// The factors by which all noise of each layer must grow so that K_n = kappa2 everywhere, ranges
/// growing along; 0 for a layer without noise. With uniform noise and an activation in [-1, 1] this
/// is b_{n+1} = (1 + b_n) kappa2^(-1/N). Local.
std::vector<double> noise_for_contraction(const models::Network& network, double kappa2);

} // namespace komori::operators
