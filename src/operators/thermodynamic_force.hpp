/// The force that drives probability against a full diffusion matrix.
#pragma once

#include <span>

#include "models/sde.hpp"

namespace komori::operators {

/// F = D^-1 (f - g), so that the flux of a density p is D (F p - grad p). g is what the convention
/// of the noise adds: div D (Ito), div D - 1/2 sum_jk sigma_kj d_k sigma_ij (Stratonovich), 0
/// (isothermal). With detailed balance F is the gradient of ln p. Functions are local.
class ThermodynamicForce {
public:
  /// `sde` has a full diffusion matrix and must outlive this.
  explicit ThermodynamicForce(const models::Sde& sde);

  /// F at `x`. Derivatives are central differences of fourth order within a quarter of `width` (of
  /// a cell, per axis) from x, exact for polynomials of degree four. NaN where D is not positive
  /// definite.
  void operator()(std::span<const double> x, std::span<const double> width,
                  std::span<double> force) const;

private:
  const models::Sde& sde_;
};

/// Solves the symmetric positive definite system `matrix` x = `right` (n <= 6) in place by
/// Cholesky's factorisation; false where the matrix is not positive definite.
bool solve_definite(std::span<double> matrix, std::span<double> right);

} // namespace komori::operators
