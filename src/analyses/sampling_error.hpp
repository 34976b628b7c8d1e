/// How far the eigenvalues of a matrix of sampled transitions are from those of its expectation.
#pragma once

#include <complex>
#include <cstdint>
#include <vector>

#include "linalg/eigen.hpp"

namespace komori::analyses {

/// Standard errors of the eigenvalues of P whose rows are frequencies of `draws` independent
/// transitions each, to first order: with left and right vectors y, x of mu,
///   d mu = y^T dP x / y^T x,  var = sum_i |y_i|^2 ((P |x|^2)_i - |(P x)_i|^2) / draws / |y^T x|^2.
/// One for each of `values`, where complex pairs take two places; infinite where `right` or `left`,
/// pairs of P and P transposed, have no such eigenvalue. Not for eigenvalues that coincide.
/// Collective.
std::vector<double> sampling_errors(Mat p, std::int64_t draws, const linalg::EigenPairs& right,
                                    const linalg::EigenPairs& left,
                                    const std::vector<std::complex<double>>& values);

} // namespace komori::analyses
