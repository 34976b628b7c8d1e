/// Families of functions of one variable, evaluated at many places by their recurrences.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace komori::spaces {

/// The functions of t = (x - centre) / scale.
enum class Family {
  monomial,  ///< t^n
  legendre,  ///< sqrt(2n+1) P_n(t): orthonormal under the uniform probability on |t| <= 1
  chebyshev, ///< T_n(t)
  hermite,   ///< He_n(t) / sqrt(n!): orthonormal under the standard normal distribution
  fourier    ///< 1, sqrt2 cos(pi t), sqrt2 sin(pi t), sqrt2 cos(2 pi t), ...: period 2 in t
};

/// A family along one variable. Number 0 is the constant 1 in all of them. Local.
struct Univariate {
  Family family = Family::monomial;
  double centre = 0;
  double scale = 1;

  /// The first `terms` functions, or their derivatives with respect to x (`order` 0, 1, 2), at all
  /// places x: function n at x[i] in values[n * x.size() + i].
  void evaluate(std::span<const double> x, std::size_t terms, int order,
                std::span<double> values) const;
  /// The degree of function n, or its frequency.
  std::size_t level(std::size_t n) const noexcept {
    return family == Family::fourier ? (n + 1) / 2 : n;
  }
  /// How many functions have a level up to `highest`.
  std::size_t terms(std::size_t highest) const noexcept {
    return family == Family::fourier ? 2 * highest + 1 : highest + 1;
  }
  /// "x^2", "P2(x)", "cos(3 x)", ...; "" for the constant.
  std::string name(std::size_t n, const std::string& variable) const;
};

} // namespace komori::spaces
