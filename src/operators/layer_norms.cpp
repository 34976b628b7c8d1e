#include "operators/layer_norms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "linalg/shell.hpp"
#include "operators/layer_boxes.hpp"

namespace komori::operators {
namespace {

using base::check;
using base::UniqueVec;

/// W_first^1/2 M(first,last) W_last^-1/2: its singular values are those of the operator.
struct Product {
  const LayerChain* chain = nullptr;
  int first = 0;
  int last = 0;
  std::vector<UniqueVec> work; ///< one vector per layer
  UniqueVec root_first;
  UniqueVec root_last;
};

Mat step(const Product& product, int n) {
  return product.chain->steps[static_cast<std::size_t>(n)].get();
}

Vec work(const Product& product, int n) {
  return product.work[static_cast<std::size_t>(n - product.first)].get();
}

void multiply(const Product& p, Vec x, Vec y) {
  check(VecPointwiseDivide(work(p, p.last), x, p.root_last.get()));
  for (int n = p.last - 1; n >= p.first; --n) {
    check(MatMult(step(p, n), work(p, n + 1), work(p, n)));
  }
  check(VecPointwiseMult(y, work(p, p.first), p.root_first.get()));
}

void multiply_transposed(const Product& p, Vec x, Vec y) {
  check(VecPointwiseMult(work(p, p.first), x, p.root_first.get()));
  for (int n = p.first; n < p.last; ++n) {
    check(MatMultTranspose(step(p, n), work(p, n), work(p, n + 1)));
  }
  check(VecPointwiseDivide(y, work(p, p.last), p.root_last.get()));
}

UniqueVec root(Vec weights) {
  UniqueVec vec = base::duplicate(weights);
  check(VecCopy(weights, vec.get()));
  check(VecSqrtAbs(vec.get()));
  return vec;
}

} // namespace

linalg::SingularTriplets product_values(const LayerChain& chain, int first, int last,
                                        PetscInt count, double tolerance, const std::string& prefix,
                                        base::Log& log, const linalg::Continuation& continuation) {
  Product product{.chain = &chain,
                  .first = first,
                  .last = last,
                  .work = {},
                  .root_first = root(chain.weight(first)),
                  .root_last = root(chain.weight(last))};
  for (int n = first; n <= last; ++n) product.work.push_back(base::duplicate(chain.weight(n)));
  const base::UniqueMat shell = linalg::shell(
      chain.weight(first), chain.weight(last), [&](Vec x, Vec y) { multiply(product, x, y); },
      [&](Vec x, Vec y) { multiply_transposed(product, x, y); });
  PetscInt rows = 0;
  PetscInt columns = 0;
  check(MatGetSize(shell.get(), &rows, &columns));
  const PetscInt wanted = std::min({count, rows, columns});
  linalg::SingularTriplets found = linalg::largest_singular(
      shell.get(),
      {.triplets = wanted, .tolerance = tolerance, .prefix = prefix, .continuation = continuation},
      log);
  if (static_cast<PetscInt>(found.values.size()) < wanted) {
    throw base::ConvergenceError(fmt::format("{} of {} singular values converged in {} iterations; "
                                             "raise -{}svd_ncv or -{}svd_max_it",
                                             found.values.size(), wanted, found.iterations, prefix,
                                             prefix));
  }
  return found;
}

double hilbert_schmidt(const LayerChain& chain, int n) {
  Mat matrix = chain.steps[static_cast<std::size_t>(n)].get();
  if (is_box_layer(matrix)) return std::sqrt(box_hilbert_schmidt_squared(matrix));
  base::UniqueMat squares;
  check(MatDuplicate(matrix, MAT_COPY_VALUES, squares.put()));
  const UniqueVec left = root(chain.weight(n));
  const UniqueVec right = root(chain.weight(n + 1));
  check(VecReciprocal(right.get()));
  check(MatDiagonalScale(squares.get(), left.get(), right.get()));
  PetscReal norm = 0;
  check(MatNorm(squares.get(), NORM_FROBENIUS, &norm));
  return norm;
}

std::vector<double> product_hilbert_schmidt(const LayerChain& chain, int last) {
  constexpr PetscInt most_columns = 1024;
  std::vector<double> norms(static_cast<std::size_t>(last),
                            std::numeric_limits<double>::quiet_NaN());
  norms.back() = hilbert_schmidt(chain, last - 1);
  PetscInt columns = 0;
  check(VecGetSize(chain.weight(last), &columns));
  if (columns > most_columns || last == 1) return norms;
  std::vector<double> sums(norms.size() - 1, 0.0);
  for (PetscInt j = 0; j < columns; ++j) {
    UniqueVec v = base::duplicate(chain.weight(last));
    check(VecSet(v.get(), 0));
    PetscInt begin = 0;
    PetscInt end = 0;
    check(VecGetOwnershipRange(v.get(), &begin, &end));
    if (j >= begin && j < end) {
      const base::ReadArray weights(chain.weight(last));
      const base::WriteArray own(v.get());
      const auto local = static_cast<std::size_t>(j - begin);
      own[local] = 1 / std::sqrt(weights[local]);
    }
    for (int n = last - 1; n >= 0; --n) {
      v = chain.compose(n, v.get());
      if (n == last - 1) continue;
      const base::ReadArray own(v.get());
      const base::ReadArray weights(chain.weight(n));
      double& sum = sums[static_cast<std::size_t>(n)];
      for (std::size_t i = 0; i < own.size(); ++i) sum += weights[i] * own[i] * own[i];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size()), MPI_DOUBLE, MPI_SUM,
                chain.comm);
  std::transform(sums.begin(), sums.end(), norms.begin(),
                 [](double sum) { return std::sqrt(sum); });
  return norms;
}

double log_contraction(const models::NetworkLayer& layer,
                       const std::vector<models::Interval>& box) {
  double sum = 0;
  for (const models::Interval& range : box) sum += std::log(range.to - range.from);
  for (std::size_t i = 0; i < layer.neurons; ++i) {
    if (layer.noise_at(i).none()) return std::numeric_limits<double>::infinity();
    sum += std::log(layer.noise_at(i).squared_density());
  }
  return sum;
}

std::vector<double> noise_for_contraction(const models::Network& network, double kappa2) {
  std::vector<double> factors;
  std::vector<models::Interval> box;
  for (const models::InputVariable& variable : network.input) box.push_back(variable.range);
  for (const models::NetworkLayer& layer : network.layers) {
    const double log_k = log_contraction(layer, box);
    const auto neurons = static_cast<double>(layer.neurons);
    // All densities widened by s have 1/s times the integral of their square.
    const double factor = std::isfinite(log_k) ? std::exp((log_k - std::log(kappa2)) / neurons) : 0;
    factors.push_back(factor);
    std::vector<models::Interval> next;
    for (std::size_t i = 0; i < layer.neurons; ++i) {
      const models::Interval image = models::image_range(layer, i, box);
      const double reach = factor * layer.noise_at(i).reach();
      next.push_back({image.from - reach, image.to + reach});
    }
    box = std::move(next);
  }
  return factors;
}

} // namespace komori::operators
