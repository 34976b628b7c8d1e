#include <algorithm>
#include <cmath>

#include <Eigen/Eigenvalues>

#include "operators/layer_dictionary.hpp"
#include "operators/path_grams.hpp"

namespace komori::operators {
namespace {

using base::check;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
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

SampledChain chain_of(MPI_Comm comm, const PathPass& pass, const PathGrams& grams, double cut) {
  SampledChain sampled;
  sampled.samples = grams.paths;
  for (const LayerDictionary& one : pass.dictionaries) sampled.dictionaries.push_back(one);
  sampled.chain.comm = comm;
  for (const Eigen::MatrixXd& gram : grams.same) {
    add_orthonormal(gram, cut, sampled);
    const Eigen::VectorXd ones = Eigen::VectorXd::Ones(sampled.combine.back().cols());
    sampled.chain.weights.push_back(vector_of(comm, ones));
  }
  for (std::size_t n = 0; n < grams.next.size(); ++n) {
    sampled.chain.steps.push_back(
        matrix_of(comm, sampled.combine[n].transpose() * grams.next[n] * sampled.combine[n + 1]));
  }
  for (std::size_t f = 0; f < pass.functions.size(); ++f) {
    const auto n = static_cast<std::size_t>(pass.functions[f].layer);
    const Eigen::VectorXd own =
        sampled.combine[n].transpose() *
        grams.functions.col(index(f)).head(index(sampled.dictionaries[n].size()));
    sampled.functions.push_back(vector_of(comm, own));
    sampled.missed.push_back(std::max(0.0, grams.squares(0, index(f)) - own.squaredNorm()));
  }
  return sampled;
}

} // namespace

std::vector<SampledChain> sample_chains(base::Session& session, const models::Network& network,
                                        const LayerDictionaryInput& input,
                                        const std::vector<std::int64_t>& counts,
                                        const std::vector<PathFunction>& functions,
                                        const models::PathInputs& given,
                                        io::Checkpoints* checkpoints) {
  std::vector<LayerDictionary> dictionaries;
  const auto ranges = models::ranges(network);
  for (std::size_t n = 0; n <= network.depth(); ++n) {
    dictionaries.emplace_back(network, n, ranges[n], input);
  }
  const PathPass pass{.network = network,
                      .dictionaries = dictionaries,
                      .functions = functions,
                      .inputs = given,
                      .seed = static_cast<std::uint64_t>(input.seed)};
  std::vector<SampledChain> chains;
  for (const PathGrams& grams : path_grams(session, pass, counts, checkpoints)) {
    chains.push_back(chain_of(session.comm(), pass, grams, input.cut));
  }
  return chains;
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
