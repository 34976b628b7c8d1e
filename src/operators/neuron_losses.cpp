#include "operators/neuron_losses.hpp"

#include <algorithm>

#include "base/petsc.hpp"

namespace komori::operators {
namespace {

using base::check;

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

/// A distributed function, on every rank. Collective.
Eigen::VectorXd whole(MPI_Comm comm, Vec function) {
  PetscInt size = 0;
  PetscInt first = 0;
  check(VecGetSize(function, &size));
  check(VecGetOwnershipRange(function, &first, nullptr));
  Eigen::VectorXd all = Eigen::VectorXd::Zero(size);
  {
    const base::ReadArray own(function);
    for (std::size_t i = 0; i < own.size(); ++i) all[first + index(i)] = own[i];
  }
  MPI_Allreduce(MPI_IN_PLACE, all.data(), static_cast<int>(size), MPI_DOUBLE, MPI_SUM, comm);
  return all;
}

/// A distributed dense matrix, on every rank. Collective.
Eigen::MatrixXd whole(MPI_Comm comm, Mat matrix) {
  PetscInt rows = 0;
  PetscInt columns = 0;
  PetscInt first = 0;
  PetscInt last = 0;
  check(MatGetSize(matrix, &rows, &columns));
  check(MatGetOwnershipRange(matrix, &first, &last));
  Eigen::MatrixXd all = Eigen::MatrixXd::Zero(rows, columns);
  const PetscScalar* own = nullptr;
  PetscInt leading = 0;
  check(MatDenseGetLDA(matrix, &leading));
  check(MatDenseGetArrayRead(matrix, &own));
  for (PetscInt j = 0; j < columns; ++j) {
    for (PetscInt i = first; i < last; ++i) all(i, j) = own[(i - first) + j * leading];
  }
  check(MatDenseRestoreArrayRead(matrix, &own));
  constexpr Eigen::Index most = 1 << 24; // entries of one message
  for (Eigen::Index begin = 0; begin < all.size(); begin += most) {
    MPI_Allreduce(MPI_IN_PLACE, all.data() + begin,
                  static_cast<int>(std::min(most, all.size() - begin)), MPI_DOUBLE, MPI_SUM, comm);
  }
  return all;
}

/// Orthonormal functions that grow by one at a time and shrink again.
class Orthonormal {
public:
  Orthonormal(Eigen::Index size, Eigen::Index most, double cut)
      : columns_(size, std::min(size, most)), cut_(cut) {}
  Eigen::Index count() const noexcept { return count_; }
  Eigen::MatrixXd from(Eigen::Index first) const {
    return columns_.middleCols(first, count_ - first);
  }
  void append(Eigen::VectorXd function) {
    const double before = function.norm();
    if (!(before > 0) || count_ == columns_.cols()) return;
    function /= before;
    const auto others = columns_.leftCols(count_);
    // Twice: once is not enough where functions are nearly dependent.
    for (int pass = 0; pass < 2; ++pass) {
      const Eigen::VectorXd dots = others.transpose() * function;
      function.noalias() -= others * dots;
    }
    const double left = function.norm();
    if (left > cut_) columns_.col(count_++) = function / left;
  }
  void shrink(Eigen::Index count) noexcept { count_ = count; }

private:
  Eigen::MatrixXd columns_;
  double cut_;
  Eigen::Index count_ = 0;
};

/// P v = Q Q^T v: this rank's rows of Q.
class DenseProjection final : public LayerProjection {
public:
  DenseProjection(const SampledChain& sampled, int n, const Eigen::MatrixXd& functions)
      : comm_(sampled.chain.comm) {
    PetscInt first = 0;
    PetscInt last = 0;
    check(VecGetOwnershipRange(sampled.chain.weight(n), &first, &last));
    rows_ = functions.middleRows(first, last - first);
    for (Eigen::Index i = 0; i < functions.cols(); ++i) {
      functions_.push_back(base::duplicate(sampled.chain.weight(n)));
      const base::WriteArray own(functions_.back().get());
      for (std::size_t k = 0; k < own.size(); ++k) own[k] = rows_(index(k), i);
    }
  }
  base::UniqueVec apply(Vec v) const override {
    base::UniqueVec result = base::duplicate(v);
    Eigen::VectorXd dots(rows_.cols());
    {
      const base::ReadArray own(v);
      dots = rows_.transpose() *
             Eigen::Map<const Eigen::VectorXd>(own.span().data(), index(own.size()));
    }
    MPI_Allreduce(MPI_IN_PLACE, dots.data(), static_cast<int>(dots.size()), MPI_DOUBLE, MPI_SUM,
                  comm_);
    const base::WriteArray own(result.get());
    Eigen::Map<Eigen::VectorXd>(own.span().data(), index(own.size())) = rows_ * dots;
    return result;
  }
  std::int64_t rank() const noexcept override { return rows_.cols(); }
  const std::vector<base::UniqueVec>* functions() const noexcept override { return &functions_; }

private:
  MPI_Comm comm_;
  Eigen::MatrixXd rows_;
  std::vector<base::UniqueVec> functions_{};
};

/// Functions of all neurons but one, for every one of them in turn, by halves: what is common to
/// all neurons of one half is made orthonormal once. The halves do not depend on the ranks.
class LeaveOneOut {
public:
  LeaveOneOut(const SampledChain& sampled, int n, double cut) {
    const auto layer = static_cast<std::size_t>(n);
    const LayerDictionary& dictionary = sampled.dictionaries[layer];
    const Eigen::MatrixXd& expand = sampled.expand[layer];
    neurons_.resize(dictionary.width());
    std::vector<Eigen::Index> common;
    for (std::size_t i = 0; i < dictionary.size(); ++i) {
      const std::int64_t neuron = dictionary.neuron(i);
      if (neuron == -1) common.push_back(index(i));
      if (neuron >= 0) neurons_[static_cast<std::size_t>(neuron)].push_back(expand.col(index(i)));
    }
    basis_ = std::make_unique<Orthonormal>(expand.rows(), index(dictionary.size()), cut);
    for (const Eigen::Index i : common) basis_->append(expand.col(i));
  }
  /// Calls `visit(i, functions)` for the neurons in [begin, end): orthonormal functions, [rank]
  /// [count], that the neuron adds to those of all others. Local.
  void visit(std::size_t begin, std::size_t end,
             const std::function<void(std::size_t, const Eigen::MatrixXd&)>& visit) {
    visit_half(0, neurons_.size(), begin, end, visit);
  }

private:
  void append(std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      for (const Eigen::VectorXd& function : neurons_[i]) basis_->append(function);
    }
  }
  /// All neurons outside [first, last) are in the basis.
  void visit_half(std::size_t first, std::size_t last, std::size_t begin, std::size_t end,
                  const std::function<void(std::size_t, const Eigen::MatrixXd&)>& visit) {
    if (last <= begin || first >= end) return;
    const Eigen::Index before = basis_->count();
    if (last - first == 1) {
      append(first, last);
      visit(first, basis_->from(before));
      basis_->shrink(before);
      return;
    }
    const std::size_t middle = first + (last - first) / 2;
    if (begin < middle) {
      append(middle, last);
      visit_half(first, middle, begin, end, visit);
      basis_->shrink(before);
    }
    if (end > middle) {
      append(first, middle);
      visit_half(middle, last, begin, end, visit);
      basis_->shrink(before);
    }
  }

  std::vector<std::vector<Eigen::VectorXd>> neurons_{}; ///< functions of each alone
  std::unique_ptr<Orthonormal> basis_{};
};

} // namespace

std::unique_ptr<LayerProjection> project_on(const SampledChain& sampled, int n,
                                            const std::vector<Eigen::Index>& functions,
                                            double cut) {
  const Eigen::MatrixXd& expand = sampled.expand[static_cast<std::size_t>(n)];
  Orthonormal basis(expand.rows(), index(functions.size()), cut);
  for (const Eigen::Index i : functions) basis.append(expand.col(i));
  return std::make_unique<DenseProjection>(sampled, n, basis.from(0));
}

std::vector<double> neuron_losses(const SampledChain& sampled, int n,
                                  const std::vector<Vec>& functions, double cut,
                                  const std::function<void(double share)>& look) {
  const MPI_Comm comm = sampled.chain.comm;
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  Eigen::MatrixXd given(sampled.combine[static_cast<std::size_t>(n)].cols(),
                        index(functions.size()));
  for (std::size_t f = 0; f < functions.size(); ++f)
    given.col(index(f)) = whole(comm, functions[f]);
  std::vector<Eigen::MatrixXd> steps;
  for (int k = 0; k < n; ++k) {
    steps.push_back(whole(comm, sampled.chain.steps[static_cast<std::size_t>(k)].get()));
  }
  const std::size_t neurons = sampled.dictionaries[static_cast<std::size_t>(n)].width();
  const std::size_t most =
      (neurons + static_cast<std::size_t>(size) - 1) / static_cast<std::size_t>(size);
  const std::size_t begin = std::min(neurons, most * static_cast<std::size_t>(rank));
  const std::size_t end = std::min(neurons, begin + most);
  std::vector<double> losses(neurons, 0.0);
  std::size_t looks = 0;
  const auto looked = [&] { look(static_cast<double>(looks++) / static_cast<double>(most)); };
  LeaveOneOut(sampled, n, cut).visit(begin, end, [&](std::size_t i, const Eigen::MatrixXd& added) {
    looked();
    Eigen::MatrixXd carried = added;
    for (int k = n - 1; k >= 0; --k) carried = steps[static_cast<std::size_t>(k)] * carried;
    losses[i] = (carried * (added.transpose() * given)).norm();
  });
  while (looks < most) looked(); // as often as ranks with one more
  MPI_Allreduce(MPI_IN_PLACE, losses.data(), static_cast<int>(neurons), MPI_DOUBLE, MPI_SUM, comm);
  return losses;
}

} // namespace komori::operators
