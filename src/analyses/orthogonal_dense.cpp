/// All eigenpairs of a small orthogonal dynamics.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "analyses/orthogonal_pairs.hpp"
#include "linalg/dense.hpp"
#include "operators/orthogonal_dynamics.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;

/// The whole matrix on every rank, column by column.
MatrixXd gathered(const MemorySystem& system, Mat matrix) {
  const auto n = static_cast<Index>(system.grid.cells());
  const auto first = static_cast<Index>(system.grid.first());
  const auto rows = static_cast<Index>(system.grid.local_cells());
  MatrixXd all = MatrixXd::Zero(n, n);
  const base::UniqueVec unit = base::duplicate(system.weights.get());
  const base::UniqueVec image = base::duplicate(system.weights.get());
  for (Index j = 0; j < n; ++j) {
    check(VecSet(unit.get(), 0));
    if (j >= first && j < first + rows) {
      const base::WriteArray entries(unit.get());
      entries[static_cast<std::size_t>(j - first)] = 1;
    }
    check(MatMult(matrix, unit.get(), image.get()));
    const base::ReadArray column(image.get());
    for (Index i = 0; i < rows; ++i) all(first + i, j) = column[static_cast<std::size_t>(i)];
  }
  MPI_Allreduce(MPI_IN_PLACE, all.data(), static_cast<int>(all.size()), MPI_DOUBLE, MPI_SUM,
                system.comm());
  return all;
}

Eigen::VectorXd gathered(const MemorySystem& system, Vec vector) {
  Eigen::VectorXd all = Eigen::VectorXd::Zero(static_cast<Index>(system.grid.cells()));
  {
    const base::ReadArray entries(vector);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      all[static_cast<Index>(system.grid.first()) + static_cast<Index>(i)] = entries[i];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, all.data(), static_cast<int>(all.size()), MPI_DOUBLE, MPI_SUM,
                system.comm());
  return all;
}

/// This rank's part of a vector that all ranks hold.
base::UniqueVec spread(const MemorySystem& system, const Eigen::VectorXd& values) {
  base::UniqueVec vector = base::duplicate(system.weights.get());
  const base::WriteArray entries(vector.get());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = values[static_cast<Index>(system.grid.first()) + static_cast<Index>(i)];
  }
  return vector;
}

} // namespace

OrthogonalPairs dense_pairs(const MemorySystem& system, const operators::Projection& projection) {
  OrthogonalPairs found;
  found.solver = "dense eigensolver";
  // The penalty moves what belongs to the range of P to one end, where nothing else is.
  const double penalty = 4 * system.norm + (system.norm == 0 ? 1 : 0);
  const base::UniqueMat shell = operators::orthogonal_dynamics(system.matrix, projection, penalty);
  const MatrixXd matrix = gathered(system, shell.get());
  linalg::GeneralPairs all;
  if (system.reversible) {
    const Eigen::VectorXd root = gathered(system, system.weights.get()).cwiseSqrt();
    const Eigen::VectorXd inverse =
        (root.array() > 1e-100).select(root.cwiseInverse(), 0.0).matrix();
    const MatrixXd scaled = root.asDiagonal() * matrix * inverse.asDiagonal();
    all = linalg::as_general(linalg::symmetric_pairs(0.5 * (scaled + scaled.transpose())));
    all.right = inverse.asDiagonal() * all.right;
    all.left = root.asDiagonal() * all.left;
  } else {
    // Not the inverse of all right vectors: chains have nilpotent parts, whose vectors are one.
    all = linalg::general_pairs(matrix);
  }
  const std::vector<std::complex<double>>& values = all.values;
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(values[a] + penalty) < std::abs(values[b] + penalty);
  });
  order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(projection.rank()));
  std::sort(order.begin(), order.end());
  for (const std::size_t i : order) {
    if (values[i].imag() < 0) continue;
    const auto k = static_cast<Index>(i);
    OrthogonalPair pair;
    pair.value = values[i];
    pair.right = spread(system, all.right.col(k));
    pair.left = spread(system, all.left.col(k));
    if (values[i].imag() > 0) { // left vectors count without conjugation
      pair.right_im = spread(system, all.right.col(k + 1));
      pair.left_im = spread(system, -all.left.col(k + 1));
    }
    found.pairs.push_back(std::move(pair));
  }
  return found;
}

} // namespace komori::analyses
