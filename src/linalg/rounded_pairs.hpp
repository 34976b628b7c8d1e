/// Copies of a real eigenvalue that rounding has made a complex pair.
#pragma once

#include "linalg/eigen.hpp"

namespace komori::linalg {

/// Two copies of a real eigenvalue may come as a pair with imaginary parts of rounding, or as two
/// values, as the order of sums has it. Makes two real values of each such pair, with orthonormal
/// vectors, unless these have residuals beyond rounding (a defective eigenvalue) and so are none.
/// `norm` is the matrix'. Collective.
void part_rounded_pairs(Mat matrix, double norm, EigenPairs& pairs);

} // namespace komori::linalg
