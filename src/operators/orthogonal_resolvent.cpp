#include "operators/orthogonal_resolvent.hpp"

#include <algorithm>
#include <array>

namespace komori::operators {
namespace {

using base::check;

/// s I - L with the entries of L.
base::UniqueMat shifted_matrix(Mat matrix, double shift) {
  base::UniqueMat shifted;
  check(MatDuplicate(matrix, MAT_COPY_VALUES, shifted.put()));
  check(MatScale(shifted.get(), -1));
  check(MatShift(shifted.get(), shift));
  return shifted;
}

/// With a few columns on the border.
class Eliminated final : public OrthogonalResolvent {
public:
  Eliminated(std::shared_ptr<ShiftedSolver> shifted, const Projection& projection)
      : shifted_(std::move(shifted)), projection_(projection), columns_(projection.columns()),
        duals_(projection.duals()) {
    for (const base::UniqueVec& column : columns_) {
      base::UniqueVec solved = base::duplicate(column.get());
      shifted_->solver().solve(column.get(), solved.get());
      solved_.push_back(std::move(solved));
    }
    const auto rank = static_cast<Eigen::Index>(columns_.size());
    Eigen::MatrixXd schur(rank, rank);
    for (Eigen::Index j = 0; j < rank; ++j) {
      schur.col(j) = products(duals_, solved_[static_cast<std::size_t>(j)].get());
    }
    schur_.compute(schur);
    transposed_schur_.compute(schur.transpose());
  }

  void solve(Vec b, Vec x) override {
    shifted_->solver().solve(b, x);
    subtract(solved_, schur_.solve(products(duals_, x)), x);
    projection_.complement(x); // what rounding has left in the range of P
  }

  void solve_transposed(Vec b, Vec x) override {
    if (solved_transposed_.empty()) {
      for (const base::UniqueVec& dual : duals_) {
        base::UniqueVec solved = base::duplicate(dual.get());
        shifted_->solver().solve_transposed(dual.get(), solved.get());
        solved_transposed_.push_back(std::move(solved));
      }
    }
    shifted_->solver().solve_transposed(b, x);
    subtract(solved_transposed_, transposed_schur_.solve(products(columns_, x)), x);
    projection_.complement_transposed(x);
  }

private:
  static std::vector<Vec> handles(const std::vector<base::UniqueVec>& vectors) {
    std::vector<Vec> raw;
    for (const base::UniqueVec& vector : vectors) raw.push_back(vector.get());
    return raw;
  }
  static Eigen::VectorXd products(const std::vector<base::UniqueVec>& with, Vec x) {
    Eigen::VectorXd values(static_cast<Eigen::Index>(with.size()));
    check(VecMDot(x, static_cast<PetscInt>(with.size()), handles(with).data(), values.data()));
    return values;
  }
  static void subtract(const std::vector<base::UniqueVec>& vectors, const Eigen::VectorXd& factors,
                       Vec x) {
    const Eigen::VectorXd negative = -factors;
    check(VecMAXPY(x, static_cast<PetscInt>(vectors.size()), negative.data(),
                   handles(vectors).data()));
  }

  std::shared_ptr<ShiftedSolver> shifted_;
  const Projection& projection_;
  std::vector<base::UniqueVec> columns_;
  std::vector<base::UniqueVec> duals_;
  std::vector<base::UniqueVec> solved_;            ///< (s - L)^-1 V
  std::vector<base::UniqueVec> solved_transposed_; ///< (s - L)^-T W, when first asked for
  Eigen::PartialPivLU<Eigen::MatrixXd> schur_;
  Eigen::PartialPivLU<Eigen::MatrixXd> transposed_schur_;
};

/// With as many columns on the border as the partition has parts, on each rank behind its cells.
class Bordered final : public OrthogonalResolvent {
public:
  Bordered(Mat matrix, double shift, const Projection& projection, const std::string& prefix)
      : projection_(projection) {
    const base::UniqueMat shifted = shifted_matrix(matrix, shift);
    base::UniqueMat duals;
    base::UniqueMat rows;
    const MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(matrix));
    check(MatDuplicate(projection.functions(), MAT_COPY_VALUES, duals.put()));
    // The border's rows may be scaled at will: with averages its entries are like those of V.
    const base::UniqueVec inverse = base::duplicate(projection.squares());
    check(VecCopy(projection.squares(), inverse.get()));
    check(VecReciprocal(inverse.get()));
    check(MatDiagonalScale(duals.get(), projection.weights(), inverse.get()));
    check(MatTranspose(duals.get(), MAT_INITIAL_MATRIX, rows.put()));
    std::array<Mat, 4> blocks{shifted.get(), projection.functions(), rows.get(), nullptr};
    base::UniqueMat nest;
    check(MatCreateNest(comm, 2, nullptr, 2, nullptr, blocks.data(), nest.put()));
    check(MatConvert(nest.get(), MATAIJ, MAT_INITIAL_MATRIX, bordered_.put()));
    check(MatCreateVecs(bordered_.get(), right_.put(), nullptr));
    solution_ = base::duplicate(right_.get());
    check(VecGetLocalSize(projection.weights(), &cells_));
    solver_ = std::make_unique<linalg::LinearSolver>(bordered_.get(), linalg::Kind::general,
                                                     linalg::Method::direct, 1e-12, prefix);
  }

  void solve(Vec b, Vec x) override {
    extend(b);
    solver_->solve(right_.get(), solution_.get());
    restrict_to(x);
    projection_.complement(x);
  }

  void solve_transposed(Vec b, Vec x) override {
    extend(b);
    solver_->solve_transposed(right_.get(), solution_.get());
    restrict_to(x);
    projection_.complement_transposed(x);
  }

private:
  void extend(Vec b) {
    const base::ReadArray from(b);
    const base::WriteArray to(right_.get());
    std::fill(to.span().begin(), to.span().end(), 0.0);
    std::copy(from.span().begin(), from.span().end(), to.span().begin());
  }
  void restrict_to(Vec x) {
    const base::ReadArray from(solution_.get());
    const base::WriteArray to(x);
    std::copy_n(from.span().begin(), cells_, to.span().begin());
  }

  const Projection& projection_;
  base::UniqueMat bordered_;
  base::UniqueVec right_;
  base::UniqueVec solution_;
  std::unique_ptr<linalg::LinearSolver> solver_;
  PetscInt cells_ = 0;
};

/// What the shell of a resolvent refers to.
struct Context {
  OrthogonalResolvent& resolvent;
  const Projection& projection;
  base::UniqueVec work;
};

Context& context_of(Mat shell) {
  void* context = nullptr;
  check(MatShellGetContext(shell, &context));
  return *static_cast<Context*>(context);
}

PetscErrorCode product(Mat shell, Vec x, Vec y) {
  return base::guarded([&] {
    Context& c = context_of(shell);
    check(VecCopy(x, c.work.get()));
    c.projection.complement(c.work.get());
    c.resolvent.solve(c.work.get(), y);
  });
}
PetscErrorCode product_transposed(Mat shell, Vec x, Vec y) {
  return base::guarded([&] {
    Context& c = context_of(shell);
    check(VecCopy(x, c.work.get()));
    c.projection.complement_transposed(c.work.get());
    c.resolvent.solve_transposed(c.work.get(), y);
  });
}
PetscErrorCode destroy(Mat shell) {
  return base::guarded([&] { delete &context_of(shell); });
}

} // namespace

ShiftedSolver::ShiftedSolver(Mat matrix, double shift, linalg::Method method, double tolerance,
                             const std::string& prefix)
    : shift_(shift), matrix_(shifted_matrix(matrix, shift)),
      solver_(std::make_unique<linalg::LinearSolver>(matrix_.get(), linalg::Kind::general, method,
                                                     tolerance, prefix)) {}

std::unique_ptr<OrthogonalResolvent> eliminated_resolvent(std::shared_ptr<ShiftedSolver> shifted,
                                                          const Projection& projection) {
  return std::make_unique<Eliminated>(std::move(shifted), projection);
}

std::unique_ptr<OrthogonalResolvent> bordered_resolvent(Mat matrix, double shift,
                                                        const Projection& projection,
                                                        const std::string& prefix) {
  return std::make_unique<Bordered>(matrix, shift, projection, prefix);
}

base::UniqueMat resolvent_matrix(OrthogonalResolvent& resolvent, const Projection& projection) {
  const Vec like = projection.weights();
  PetscInt local = 0;
  PetscInt size = 0;
  check(VecGetLocalSize(like, &local));
  check(VecGetSize(like, &size));
  auto context = std::make_unique<Context>(Context{resolvent, projection, base::duplicate(like)});
  base::UniqueMat shell;
  check(MatCreateShell(PetscObjectComm(reinterpret_cast<PetscObject>(like)), local, local, size,
                       size, context.get(), shell.put()));
  using Operation = void (*)();
  check(MatShellSetOperation(shell.get(), MATOP_MULT, reinterpret_cast<Operation>(product)));
  check(MatShellSetOperation(shell.get(), MATOP_MULT_TRANSPOSE,
                             reinterpret_cast<Operation>(product_transposed)));
  check(MatShellSetOperation(shell.get(), MATOP_DESTROY, reinterpret_cast<Operation>(destroy)));
  static_cast<void>(context.release()); // the matrix owns it now
  return shell;
}

} // namespace komori::operators
