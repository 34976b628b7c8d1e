/// How well any function of a dictionary's span is an eigenfunction for a given number.
#pragma once

#include <complex>

#include "operators/koopman_matrix.hpp"

namespace komori::operators {

/// min over v of ||K v - z v|| / ||v||, an upper bound of 1/||(K - z)^-1|| of the operator itself
/// that falls to it as the dictionary grows (ResDMD; Colbrook and Townsend, Comm. Pure Appl. Math.
/// 77, 2024). From Gram matrices, so not below `residual_floor`. Local.
double least_residual(const KoopmanMatrix& matrix, std::complex<double> z);

/// What rounding leaves undecided of residuals from Gram matrices. Local.
double residual_floor(const KoopmanMatrix& matrix);

} // namespace komori::operators
