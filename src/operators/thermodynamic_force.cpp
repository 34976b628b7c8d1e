#include "operators/thermodynamic_force.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "spaces/grid.hpp"

namespace komori::operators {
namespace {

constexpr std::size_t most = spaces::max_dimension;
using Point = std::array<double, most>;
using Matrix = std::array<double, most * most>;

/// Nodes and weights of the fourth-order central difference, in units of the step.
struct Node {
  double place;
  double weight;
};
constexpr std::array<Node, 4> difference{
    {{-2, 1.0 / 12}, {-1, -8.0 / 12}, {1, 8.0 / 12}, {2, -1.0 / 12}}};

} // namespace

ThermodynamicForce::ThermodynamicForce(const models::Sde& sde) : sde_(sde) {}

bool solve_definite(std::span<double> matrix, std::span<double> right) {
  const std::size_t n = right.size();
  const auto at = [&](std::size_t i, std::size_t j) -> double& { return matrix[i * n + j]; };
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) at(j, j) -= at(j, k) * at(j, k);
    if (!(at(j, j) > 0)) return false;
    at(j, j) = std::sqrt(at(j, j));
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) at(i, j) -= at(i, k) * at(j, k);
      at(i, j) /= at(j, j);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) right[i] -= at(i, k) * right[k];
    right[i] /= at(i, i);
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) right[i] -= at(k, i) * right[k];
    right[i] /= at(i, i);
  }
  return true;
}

void ThermodynamicForce::operator()(std::span<const double> x, std::span<const double> width,
                                    std::span<double> force) const {
  const auto d = static_cast<std::size_t>(sde_.dimension());
  Point y{};
  const std::span<double> point(y.data(), d);
  std::copy(x.begin(), x.end(), y.begin());
  Matrix storage{};
  const std::span<double> matrix(storage.data(), d * d);
  for (std::size_t k = 0; k < d; ++k) {
    force[k] = sde_.has_drift() ? sde_.drift(static_cast<int>(k), x) : 0;
  }
  const bool spreads = !sde_.constant_matrix() && sde_.theta() > 0;
  const bool stratonovich = spreads && sde_.theta() < 1;
  const auto columns = static_cast<std::size_t>(stratonovich ? sde_.noise_columns() : 0);
  std::vector<double> here(d * columns);
  std::vector<double> there(d * columns);
  if (stratonovich) sde_.noise_matrix(x, here);
  for (std::size_t k = 0; k < d && (spreads || sde_.has_potential()); ++k) {
    const double step = width[k] / 8;
    for (const Node& node : difference) {
      y[k] = x[k] + node.place * step;
      const double weight = node.weight / step;
      if (sde_.has_potential()) force[k] -= weight * sde_.potential(point);
      if (!spreads) continue;
      sde_.diffusion_matrix(point, matrix);
      for (std::size_t i = 0; i < d; ++i) force[i] -= weight * matrix[i * d + k];
      if (!stratonovich) continue;
      sde_.noise_matrix(point, there);
      for (std::size_t i = 0; i < d; ++i) {
        for (std::size_t j = 0; j < columns; ++j) {
          force[i] += 0.5 * weight * here[k * columns + j] * there[i * columns + j];
        }
      }
    }
    y[k] = x[k];
  }
  sde_.diffusion_matrix(x, matrix);
  if (!solve_definite(matrix, force)) {
    std::fill(force.begin(), force.end(), std::numeric_limits<double>::quiet_NaN());
  }
}

} // namespace komori::operators
