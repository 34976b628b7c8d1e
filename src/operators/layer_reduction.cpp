#include "operators/layer_reduction.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Eigenvalues>

namespace komori::operators {
namespace {

using base::check;
using base::UniqueVec;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

std::vector<double> dots(const LayerChain& chain, int n, const LayerProjection& projection, Vec v) {
  const std::vector<UniqueVec>& functions = *projection.functions();
  std::vector<double> values(functions.size());
  if (functions.empty()) return values;
  const UniqueVec weighted = base::duplicate(v);
  check(VecPointwiseMult(weighted.get(), chain.weight(n), v));
  std::vector<Vec> all;
  for (const UniqueVec& function : functions) all.push_back(function.get());
  check(VecMDot(weighted.get(), static_cast<PetscInt>(all.size()), all.data(), values.data()));
  return values;
}

/// A function without what its projection resolves.
UniqueVec rest(const LayerProjection& projection, Vec v) {
  UniqueVec q = projection.apply(v);
  check(VecAYPX(q.get(), -1, v));
  return q;
}

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

/// The function of layer 0 with these coefficients.
UniqueVec combined(const LayerChain& chain, const LayerProjection& projection,
                   const std::vector<double>& coefficients) {
  UniqueVec sum = base::duplicate(chain.weight(0));
  check(VecSet(sum.get(), 0));
  for (std::size_t i = 0; i < coefficients.size(); ++i) {
    check(VecAXPY(sum.get(), coefficients[i], (*projection.functions())[i].get()));
  }
  return sum;
}

/// Coefficients at layer 0 with `lags` of memory, from those of the observable.
std::vector<double> propagated(const ReducedChain& reduced, int depth, std::size_t lags,
                               const std::vector<double>& outputs) {
  std::vector<std::vector<double>> c(at(depth) + 1);
  c.back() = outputs;
  for (int n = depth - 1; n >= 0; --n) {
    const auto& omega = reduced.omega[at(n)];
    c[at(n)].assign(omega[0].rows, 0.0);
    for (std::size_t lag = 0; lag < std::min(omega.size(), lags + 1); ++lag) {
      const SmallMatrix& one = omega[lag];
      for (std::size_t i = 0; i < one.rows; ++i) {
        for (std::size_t j = 0; j < one.columns; ++j) {
          c[at(n)][i] += one.values[i * one.columns + j] * c[at(n) + lag + 1][j];
        }
      }
    }
  }
  return c[0];
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const Matrix> mapped(const SmallMatrix& matrix) {
  return {matrix.values.data(), static_cast<Eigen::Index>(matrix.rows),
          static_cast<Eigen::Index>(matrix.columns)};
}

double spectral_norm(const Matrix& matrix) {
  const Matrix square = matrix.rows() <= matrix.cols() ? Matrix(matrix * matrix.transpose())
                                                       : Matrix(matrix.transpose() * matrix);
  if (square.size() == 0) return 0;
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(square, Eigen::EigenvaluesOnly);
  return std::sqrt(std::max(0.0, solver.eigenvalues().maxCoeff()));
}

/// By layer n, by how much the reduced layers with `lags` of memory can amplify what is added to
/// the coefficients there on its way to layer 0.
std::vector<double> amplifications(const ReducedChain& reduced, std::size_t lags) {
  const std::size_t depth = reduced.omega.size();
  std::vector<Matrix> carried; // to layer 0
  std::vector<double> norms;
  for (std::size_t m = 0; m < depth; ++m) {
    const auto size = static_cast<Eigen::Index>(reduced.omega[m][0].rows);
    Matrix sum = m == 0 ? Matrix(Matrix::Identity(size, size))
                        : Matrix(Matrix::Zero(carried[0].rows(), size));
    for (std::size_t n = m - std::min(m, lags + 1); n < m; ++n) {
      sum += carried[n] * mapped(reduced.omega[n][m - n - 1]);
    }
    norms.push_back(spectral_norm(sum));
    carried.push_back(std::move(sum));
  }
  return norms;
}

} // namespace

ReducedChain reduce(const LayerChain& chain,
                    const std::vector<std::unique_ptr<LayerProjection>>& projections,
                    const std::vector<UniqueVec>& observables) {
  const int depth = chain.depth();
  ReducedChain reduced;
  for (int n = 0; n < depth; ++n) {
    for (int to = n + 1; to <= depth; ++to) {
      const SmallMatrix empty{.rows = static_cast<std::size_t>(projections[at(n)]->rank()),
                              .columns = static_cast<std::size_t>(projections[at(to)]->rank())};
      if (to == n + 1) reduced.omega.emplace_back();
      reduced.omega[at(n)].push_back(empty);
      reduced.omega[at(n)].back().values.assign(empty.rows * empty.columns, 0.0);
    }
  }
  // Each function of each layer is carried back through what is not resolved.
  for (int from = depth; from >= 1; --from) {
    const auto& functions = *projections[at(from)]->functions();
    for (std::size_t j = 0; j < functions.size(); ++j) {
      UniqueVec v = base::duplicate(functions[j].get());
      check(VecCopy(functions[j].get(), v.get()));
      for (int n = from - 1; n >= 0; --n) {
        const UniqueVec image = chain.compose(n, v.get());
        const std::vector<double> column = dots(chain, n, *projections[at(n)], image.get());
        SmallMatrix& omega = reduced.omega[at(n)][at(from - n - 1)];
        for (std::size_t i = 0; i < column.size(); ++i) {
          omega.values[i * omega.columns + j] = column[i];
        }
        v = rest(*projections[at(n)], image.get());
      }
    }
  }
  double exact2 = 0;
  double whole2 = 0;
  double hidden2 = 0;
  std::vector<double> left_out2(at(depth), 0.0);
  std::vector<double> error2(at(depth), 0.0);
  reduced.inputs.resize(at(depth));
  std::vector<std::vector<double>> amplified;
  for (std::size_t lags = 0; lags < at(depth); ++lags) {
    amplified.push_back(amplifications(reduced, lags));
  }
  for (const UniqueVec& u : observables) {
    const std::vector<double> outputs = dots(chain, depth, *projections[at(depth)], u.get());
    UniqueVec g = base::duplicate(u.get());
    check(VecCopy(u.get(), g.get()));
    for (int n = depth - 1; n >= 0; --n) g = chain.compose(n, g.get());
    const std::vector<double> exact = dots(chain, 0, *projections[0], g.get());
    exact2 += std::pow(norm(exact), 2);
    whole2 += std::pow(chain.norm(0, g.get()), 2);
    hidden2 += std::pow(chain.norm(0, rest(*projections[0], g.get()).get()), 2);
    std::vector<std::vector<double>> terms(at(depth)); // by layer: memory by lag, then noise
    memory_terms(chain, Direction::backward, projections, u.get(), [&](const MemoryTerms& step) {
      terms[at(step.layer)] = step.memory;
      terms[at(step.layer)].push_back(step.noise);
    });
    for (std::size_t lags = 0; lags < at(depth); ++lags) {
      double left_out = 0;
      for (std::size_t n = 0; n < terms.size(); ++n) {
        double there = terms[n].back();
        for (std::size_t l = lags; l + 1 < terms[n].size(); ++l) there += terms[n][l];
        left_out += amplified[lags][n] * there;
      }
      left_out2[lags] += left_out * left_out;
      std::vector<double> values = propagated(reduced, depth, lags, outputs);
      reduced.inputs[lags].push_back(combined(chain, *projections[0], values));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] -= exact[i];
      error2[lags] += std::pow(norm(values), 2);
    }
  }
  const double scale = std::max(std::sqrt(exact2), 1e-300);
  reduced.unresolved = whole2 > 0 ? std::sqrt(hidden2 / whole2) : 0;
  for (std::size_t lags = 0; lags < at(depth); ++lags) {
    reduced.predicted.push_back(std::sqrt(left_out2[lags]) / scale);
    reduced.measured.push_back(std::sqrt(error2[lags]) / scale);
  }
  return reduced;
}

} // namespace komori::operators
