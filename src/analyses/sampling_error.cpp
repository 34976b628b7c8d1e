#include "analyses/sampling_error.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

namespace komori::analyses {
namespace {

using base::check;
using Complex = std::complex<double>;

/// The first of two entries of a pair that has this eigenvalue or its conjugate; the number of
/// values where there is none.
std::size_t nearest(const linalg::EigenPairs& pairs, Complex value) {
  constexpr double same = 1e-6;
  std::size_t best = pairs.values.size();
  double distance = same * std::abs(value);
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    const double found = std::abs(pairs.values[i] - value);
    if (found < distance) {
      distance = found;
      best = i;
    }
    if (pairs.values[i].imag() != 0) ++i;
  }
  return best;
}

/// Real and imaginary part of a vector; the latter null if it is 0.
struct Parts {
  Vec re = nullptr;
  Vec im = nullptr;
};
Parts parts_of(const linalg::EigenPairs& pairs, std::size_t i) {
  const bool complex = pairs.values[i].imag() != 0;
  return {pairs.vectors[i].get(), complex ? pairs.vectors[i + 1].get() : nullptr};
}

/// result_i = re_i^2 + im_i^2.
void squares(Parts x, Vec result) {
  check(VecPointwiseMult(result, x.re, x.re));
  if (!x.im) return;
  const base::UniqueVec other = base::duplicate(x.im);
  check(VecPointwiseMult(other.get(), x.im, x.im));
  check(VecAXPY(result, 1, other.get()));
}

/// The variance of one transition's part in mu, over |y^T x|^2.
double variance_of(Mat p, Parts x, Parts y) {
  const base::UniqueVec variance = base::duplicate(x.re);
  const base::UniqueVec other = base::duplicate(x.re);
  const base::UniqueVec mean = base::duplicate(x.re);
  const base::UniqueVec mean_im = base::duplicate(x.re);
  squares(x, other.get());
  check(MatMult(p, other.get(), variance.get()));
  check(MatMult(p, x.re, mean.get()));
  if (x.im) check(MatMult(p, x.im, mean_im.get()));
  squares({mean.get(), x.im ? mean_im.get() : nullptr}, other.get());
  check(VecAXPY(variance.get(), -1, other.get()));
  squares(y, other.get());
  const double sum = base::dot(other.get(), variance.get());
  const auto dot = [](Vec a, Vec b) { return a && b ? base::dot(a, b) : 0.0; };
  const Complex overlap(dot(y.re, x.re) - dot(y.im, x.im), dot(y.re, x.im) + dot(y.im, x.re));
  const double size = std::norm(overlap);
  return size > 0 ? std::max(0.0, sum) / size : std::numeric_limits<double>::infinity();
}

} // namespace

std::vector<double> sampling_errors(Mat p, std::int64_t draws, const linalg::EigenPairs& right,
                                    const linalg::EigenPairs& left,
                                    const std::vector<std::complex<double>>& values) {
  std::vector<double> errors(values.size(), std::numeric_limits<double>::infinity());
  for (std::size_t v = 0; v < values.size(); ++v) {
    const std::size_t i = nearest(right, values[v]);
    const std::size_t j = nearest(left, values[v]);
    if (i < right.values.size() && j < left.values.size()) {
      errors[v] = std::sqrt(variance_of(p, parts_of(right, i), parts_of(left, j)) /
                            static_cast<double>(draws));
    }
    if (values[v].imag() != 0 && v + 1 < values.size()) {
      errors[v + 1] = errors[v];
      ++v;
    }
  }
  return errors;
}

} // namespace komori::analyses
