#include <algorithm>
#include <cmath>

#include <Eigen/Eigenvalues>
#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "models/network_paths.hpp"
#include "operators/layer_dictionary.hpp"

namespace komori::operators {
namespace {

using base::check;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::int64_t batch = 512;

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

void add_up(MPI_Comm comm, Eigen::MatrixXd& matrix) {
  // In parts: counts of MPI are 32-bit.
  constexpr Eigen::Index part = Eigen::Index{1} << 26;
  for (Eigen::Index begin = 0; begin < matrix.size(); begin += part) {
    const auto count = static_cast<int>(std::min(part, matrix.size() - begin));
    MPI_Allreduce(MPI_IN_PLACE, matrix.data() + begin, count, MPI_DOUBLE, MPI_SUM, comm);
  }
}

/// Sums over paths of products of dictionary functions.
struct Grams {
  std::vector<Eigen::MatrixXd> same; ///< per layer, [size][size]
  std::vector<Eigen::MatrixXd> next; ///< per step, [size of n][size of n+1]
  Eigen::MatrixXd functions;         ///< [largest size][functions]
  Eigen::MatrixXd squares;           ///< [1][functions]
};

Grams accumulate(base::Session& session, const models::Network& network,
                 const std::vector<LayerDictionary>& dictionaries,
                 const LayerDictionaryInput& input, std::int64_t first, std::int64_t count,
                 const std::vector<PathFunction>& functions, const models::PathInputs& given) {
  const std::size_t layers = network.depth() + 1;
  Grams grams;
  std::size_t largest = 1;
  for (std::size_t n = 0; n < layers; ++n) {
    const Eigen::Index size = index(dictionaries[n].size());
    largest = std::max(largest, dictionaries[n].size());
    grams.same.emplace_back(Eigen::MatrixXd::Zero(size, size));
    if (n + 1 < layers) {
      grams.next.emplace_back(Eigen::MatrixXd::Zero(size, index(dictionaries[n + 1].size())));
    }
  }
  grams.functions = Eigen::MatrixXd::Zero(index(largest), index(functions.size()));
  grams.squares = Eigen::MatrixXd::Zero(1, index(functions.size()));
  const models::PathSampler sampler(network, static_cast<std::uint64_t>(input.seed), 0, given);
  const std::int64_t batches = (count + batch - 1) / batch;
  const std::int64_t rounds = (batches + session.size() - 1) / session.size();
  std::string problem;
  std::vector<RowMatrix> eta(layers);
  for (std::int64_t round = 0; round < rounds; ++round) {
    const std::int64_t begin = (round * session.size() + session.rank()) * batch;
    const std::int64_t paths = std::clamp<std::int64_t>(count - begin, 0, batch);
    if (paths > 0 && problem.empty()) {
      const auto number = static_cast<std::uint64_t>(first + begin);
      const auto rows = static_cast<std::size_t>(paths);
      std::vector<double> x(rows * network.width(0));
      try {
        sampler.inputs(number, rows, x);
      } catch (const base::InputError& error) {
        problem = error.what(); // the file of inputs has changed; said on all ranks below
      }
      for (std::size_t n = 0; n < layers; ++n) {
        if (n > 0) {
          std::vector<double> next(rows * network.width(n));
          sampler.step(n - 1, number, rows, x, next);
          x = std::move(next);
        }
        eta[n].resize(index(rows), index(dictionaries[n].size()));
        dictionaries[n].evaluate(rows, x, {eta[n].data(), static_cast<std::size_t>(eta[n].size())});
        if (!eta[n].allFinite()) problem = fmt::format("a function of layer {} is not finite", n);
        for (std::size_t f = 0; f < functions.size(); ++f) {
          if (functions[f].layer != static_cast<int>(n)) continue;
          const std::size_t width = network.width(n);
          Eigen::VectorXd values(index(rows));
          for (std::size_t p = 0; p < rows; ++p) {
            values[index(p)] = functions[f].value({x.data() + p * width, width});
          }
          if (!values.allFinite()) problem = "the observable is not finite on a sampled path";
          grams.functions.col(index(f)).head(eta[n].cols()) += eta[n].transpose() * values;
          grams.squares(0, index(f)) += values.squaredNorm();
        }
      }
      for (std::size_t n = 0; n < layers; ++n) {
        grams.same[n].selfadjointView<Eigen::Lower>().rankUpdate(eta[n].transpose());
        if (n + 1 < layers) grams.next[n].noalias() += eta[n].transpose() * eta[n + 1];
      }
    }
    if (round % 16 != 15) continue;
    session.log().progress(static_cast<double>(round) / static_cast<double>(rounds), "paths");
    base::stop_if_asked(session.comm(), "no result was written");
  }
  problem = base::first_text(session.comm(), problem);
  if (!problem.empty()) throw base::InputError("dictionary: " + problem);
  for (auto* list : {&grams.same, &grams.next}) {
    for (Eigen::MatrixXd& matrix : *list) {
      add_up(session.comm(), matrix);
      matrix /= static_cast<double>(count);
    }
  }
  for (Eigen::MatrixXd* matrix : {&grams.functions, &grams.squares}) {
    add_up(session.comm(), *matrix);
    *matrix /= static_cast<double>(count);
  }
  return grams;
}

/// Makes orthonormal combinations of functions whose mean products are given: `combine` of the
/// sampled chain, and `expand`, its pseudo-inverse.
void add_orthonormal(const Eigen::MatrixXd& gram, double cut, SampledChain& sampled) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram);
  const Eigen::VectorXd& values = solver.eigenvalues();
  const double least = cut * values[values.size() - 1];
  Eigen::Index begin = 0;
  while (begin < values.size() && values[begin] <= least) ++begin;
  const Eigen::Index rank = values.size() - begin;
  const Eigen::MatrixXd vectors = solver.eigenvectors().rightCols(rank);
  const Eigen::VectorXd roots = values.tail(rank).cwiseSqrt();
  sampled.combine.emplace_back(vectors * roots.cwiseInverse().asDiagonal());
  sampled.expand.emplace_back(roots.asDiagonal() * vectors.transpose());
}

base::UniqueVec vector_of(MPI_Comm comm, const Eigen::VectorXd& values) {
  base::UniqueVec vec;
  check(VecCreate(comm, vec.put()));
  check(VecSetSizes(vec.get(), PETSC_DECIDE, static_cast<PetscInt>(values.size())));
  check(VecSetFromOptions(vec.get()));
  PetscInt first = 0;
  check(VecGetOwnershipRange(vec.get(), &first, nullptr));
  const base::WriteArray own(vec.get());
  for (std::size_t i = 0; i < own.size(); ++i) own[i] = values[first + index(i)];
  return vec;
}

base::UniqueMat matrix_of(MPI_Comm comm, const Eigen::MatrixXd& values) {
  base::UniqueMat matrix;
  check(MatCreateDense(comm, PETSC_DECIDE, PETSC_DECIDE, static_cast<PetscInt>(values.rows()),
                       static_cast<PetscInt>(values.cols()), nullptr, matrix.put()));
  PetscInt first = 0;
  PetscInt last = 0;
  check(MatGetOwnershipRange(matrix.get(), &first, &last));
  PetscScalar* own = nullptr;
  PetscInt leading = 0;
  check(MatDenseGetLDA(matrix.get(), &leading));
  check(MatDenseGetArrayWrite(matrix.get(), &own));
  for (PetscInt j = 0; j < values.cols(); ++j) {
    for (PetscInt i = first; i < last; ++i) own[(i - first) + j * leading] = values(i, j);
  }
  check(MatDenseRestoreArrayWrite(matrix.get(), &own));
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return matrix;
}

} // namespace

SampledChain sample_chain(base::Session& session, const models::Network& network,
                          const LayerDictionaryInput& input, std::int64_t first, std::int64_t count,
                          const std::vector<PathFunction>& functions,
                          const models::PathInputs& given) {
  SampledChain sampled;
  sampled.samples = count;
  const auto ranges = models::ranges(network);
  for (std::size_t n = 0; n <= network.depth(); ++n) {
    sampled.dictionaries.emplace_back(network, n, ranges[n], input);
  }
  const Grams grams =
      accumulate(session, network, sampled.dictionaries, input, first, count, functions, given);
  MPI_Comm comm = session.comm();
  sampled.chain.comm = comm;
  for (std::size_t n = 0; n <= network.depth(); ++n) {
    add_orthonormal(grams.same[n], input.cut, sampled);
    const Eigen::VectorXd ones = Eigen::VectorXd::Ones(sampled.combine.back().cols());
    sampled.chain.weights.push_back(vector_of(comm, ones));
  }
  for (std::size_t n = 0; n < network.depth(); ++n) {
    sampled.chain.steps.push_back(
        matrix_of(comm, sampled.combine[n].transpose() * grams.next[n] * sampled.combine[n + 1]));
  }
  for (std::size_t f = 0; f < functions.size(); ++f) {
    const auto n = static_cast<std::size_t>(functions[f].layer);
    const Eigen::VectorXd own =
        sampled.combine[n].transpose() *
        grams.functions.col(index(f)).head(index(sampled.dictionaries[n].size()));
    sampled.functions.push_back(vector_of(comm, own));
    sampled.missed.push_back(std::max(0.0, grams.squares(0, index(f)) - own.squaredNorm()));
  }
  return sampled;
}

base::UniqueVec coefficients(const SampledChain& sampled, int n, const Eigen::VectorXd& values) {
  return vector_of(sampled.chain.comm, sampled.expand[static_cast<std::size_t>(n)] * values);
}

Eigen::VectorXd dictionary_weights(const SampledChain& sampled, int n, Vec function) {
  const Eigen::MatrixXd& combine = sampled.combine[static_cast<std::size_t>(n)];
  Eigen::VectorXd own = Eigen::VectorXd::Zero(combine.cols());
  {
    PetscInt first = 0;
    check(VecGetOwnershipRange(function, &first, nullptr));
    const base::ReadArray values(function);
    for (std::size_t i = 0; i < values.size(); ++i) own[first + index(i)] = values[i];
  }
  MPI_Allreduce(MPI_IN_PLACE, own.data(), static_cast<int>(own.size()), MPI_DOUBLE, MPI_SUM,
                sampled.chain.comm);
  return combine * own;
}

std::vector<double> values_at(const SampledChain& sampled, int n, Vec function,
                              std::span<const double> points) {
  const LayerDictionary& dictionary = sampled.dictionaries[static_cast<std::size_t>(n)];
  const Eigen::VectorXd weights = dictionary_weights(sampled, n, function);
  const std::size_t width = dictionary.width();
  const std::size_t count = points.size() / width;
  RowMatrix eta(index(count), index(dictionary.size()));
  dictionary.evaluate(count, points, {eta.data(), static_cast<std::size_t>(eta.size())});
  const Eigen::VectorXd values = eta * weights;
  return {values.data(), values.data() + values.size()};
}

} // namespace komori::operators
