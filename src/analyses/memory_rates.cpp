/// Decay rates of the memory with their amplitudes in the kernel.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/memory.hpp"
#include "analyses/memory_kernel.hpp"
#include "analyses/orthogonal_pairs.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXcd;

/// An amplitude below this share of the natural size of a kernel is rounding.
constexpr double visible_share = 1e-9;

/// sum_b (left . F_a) (s_b . right) C(0)^-1, for complex vectors.
MatrixXcd amplitude(const Coupling& coupling, const OrthogonalPair& pair) {
  const auto complex = [&](const std::vector<base::UniqueVec>& with, const base::UniqueVec& re,
                           const base::UniqueVec& im) {
    Eigen::RowVectorXcd values = products(with, re.get()).cast<Complex>();
    if (im) values += Complex(0, 1) * products(with, im.get()).cast<Complex>();
    return values;
  };
  const Eigen::RowVectorXcd start = complex(coupling.forces(), pair.left, pair.left_im);
  const Eigen::RowVectorXcd back = complex(coupling.returns(), pair.right, pair.right_im);
  const MatrixXcd product = start.transpose() * back;
  MatrixXcd divided(product.rows(), product.cols());
  divided.real() = coupling.divided(product.real());
  divided.imag() = coupling.divided(product.imag());
  return divided;
}

/// |L f|^2 / |f|^2: the size of a kernel of which nothing is hidden from the functions.
double natural_size(const Coupling& coupling) {
  double size = 0;
  for (Index a = 0; a < coupling.gram().rows(); ++a) {
    const double image = coupling.sizes()[static_cast<std::size_t>(a)];
    size = std::max(size, image * image / coupling.gram()(a, a));
  }
  return size;
}

} // namespace

void memory_rates(MemorySystem& system, const operators::Resolved& resolved,
                  const MemoryInput& input, MemoryResult& result) {
  result.asked = input.rates;
  if (input.rates == 0) return;
  const Coupling coupling(system, resolved);
  OrthogonalPairs found = orthogonal_pairs(system, *resolved.projection, input);
  result.solver = found.solver;
  result.coverage = found.coverage;
  result.complete = result.complete && found.complete;
  const double size = natural_size(coupling);
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  for (OrthogonalPair& pair : found.pairs) {
    const auto k = static_cast<Index>(resolved.functions.size());
    MemoryMode mode{.value = pair.value,
                    .residual = pair.residual,
                    .left_residual = pair.left_residual,
                    .condition = pair.condition};
    mode.amplitude =
        pair.left ? amplitude(coupling, pair) : MatrixXcd::Constant(k, k, std::nan("")).eval();
    // Omega_l f = P T (QT)^(l-1) Q T f, whereas K f = -P L exp(t QLQ) Q L f.
    if (!system.discrete) mode.amplitude = -mode.amplitude;
    const double uncertainty = pair.condition * (epsilon * system.norm + pair.residual);
    const double modulus = std::abs(pair.value);
    const bool decided = system.discrete ? uncertainty <= 1e-3 * modulus
                                         : uncertainty <= 1e-3 * std::max(modulus, system.scale);
    mode.rate = !decided          ? std::nan("")
                : system.discrete ? -std::log(modulus) / system.lag
                                  : -pair.value.real();
    mode.strength = mode.amplitude.norm();
    // An error of the vectors may show what is hidden.
    const double vectors = (pair.residual + pair.left_residual) / std::max(modulus, system.scale);
    mode.visible =
        mode.strength > std::max(std::max(visible_share, vectors) * size, result.rounding);
    mode.verdict = !decided ? "suspect"
                   : pair.residual <= std::max(1e3 * input.tolerance, 1e-12) * system.norm
                       ? "converged"
                       : "not converged";
    const bool complex = pair.value.imag() != 0;
    result.modes.push_back(mode);
    if (!complex) continue;
    mode.value = std::conj(mode.value);
    mode.amplitude = mode.amplitude.conjugate().eval();
    result.modes.push_back(std::move(mode));
  }
}

} // namespace komori::analyses
