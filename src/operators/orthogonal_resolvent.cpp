#include "operators/orthogonal_resolvent.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.hpp"
#include "linalg/shell.hpp"

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
      shifted_->solve(column.get(), solved.get());
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
    shifted_->solve(b, x);
    subtract(solved_, schur_.solve(products(duals_, x)), x);
    projection_.complement(x); // what rounding has left in the range of P
  }

  void solve_transposed(Vec b, Vec x) override {
    if (solved_transposed_.empty()) {
      for (const base::UniqueVec& dual : duals_) {
        base::UniqueVec solved = base::duplicate(dual.get());
        shifted_->solve_transposed(dual.get(), solved.get());
        solved_transposed_.push_back(std::move(solved));
      }
    }
    shifted_->solve_transposed(b, x);
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

/// By Krylov iteration with Q (s - L) Q, of which solves with s - L to a tenth of the residual are
/// the preconditioner: nothing is factorised, whatever the rank.
class Iterated final : public OrthogonalResolvent {
public:
  Iterated(Mat matrix, double shift, const Projection& projection, double tolerance,
           const std::string& prefix)
      : matrix_(matrix), shift_(shift), projection_(projection), tolerance_(tolerance),
        inner_(matrix, shift, linalg::Method::iterative, rough, prefix),
        right_(base::duplicate(projection.weights())), work_(base::duplicate(projection.weights())),
        forward_(side(false)), transposed_(side(true)) {}

  void solve(Vec b, Vec x) override { run(forward_, b, x); }
  void solve_transposed(Vec b, Vec x) override { run(transposed_, b, x); }

private:
  static constexpr double rough = 0.1;
  static constexpr PetscInt most_iterations = 300;

  /// One of the two systems with its preconditioner.
  struct Side {
    bool transposed = false;
    base::UniqueMat matrix;
    base::UniqueKsp ksp;
  };

  void complement(bool transposed, Vec x) const {
    transposed ? projection_.complement_transposed(x) : projection_.complement(x);
  }

  void product(bool transposed, Vec x, Vec y) {
    check(VecCopy(x, work_.get()));
    complement(transposed, work_.get());
    check(transposed ? MatMultTranspose(matrix_, work_.get(), y)
                     : MatMult(matrix_, work_.get(), y));
    check(VecAXPBY(y, shift_, -1, work_.get()));
    complement(transposed, y);
  }

  static PetscErrorCode precondition(PC pc, Vec x, Vec y) {
    return base::guarded([&] {
      void* context = nullptr;
      check(PCShellGetContext(pc, &context));
      Iterated& self = *static_cast<Iterated*>(context);
      const bool transposed = self.preconditions_transposed_;
      transposed ? self.inner_.solve_transposed(x, y) : self.inner_.solve(x, y);
      self.complement(transposed, y);
    });
  }

  Side side(bool transposed) {
    Side s{.transposed = transposed, .matrix = {}, .ksp = {}};
    const Vec like = projection_.weights();
    s.matrix = linalg::shell(
        like, like, [this, transposed](Vec x, Vec y) { product(transposed, x, y); },
        [this, transposed](Vec x, Vec y) { product(!transposed, x, y); });
    check(KSPCreate(PetscObjectComm(reinterpret_cast<PetscObject>(like)), s.ksp.put()));
    check(KSPSetOperators(s.ksp.get(), s.matrix.get(), s.matrix.get()));
    check(KSPSetType(s.ksp.get(), KSPFGMRES));
    check(KSPGMRESSetRestart(s.ksp.get(), 60));
    check(KSPSetTolerances(s.ksp.get(), tolerance_, 1e-300, PETSC_DEFAULT, most_iterations));
    PC pc = nullptr;
    check(KSPGetPC(s.ksp.get(), &pc));
    check(PCSetType(pc, PCSHELL));
    check(PCShellSetContext(pc, this));
    check(PCShellSetApply(pc, precondition));
    return s;
  }

  void run(Side& s, Vec b, Vec x) {
    check(VecCopy(b, right_.get()));
    complement(s.transposed, right_.get());
    preconditions_transposed_ = s.transposed;
    check(KSPSolve(s.ksp.get(), right_.get(), x));
    KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
    check(KSPGetConvergedReason(s.ksp.get(), &reason));
    if (reason <= 0) {
      throw base::ConvergenceError(
          fmt::format("the orthogonal dynamics could not be solved for in {} iterations ({}); use "
                      "'memory.solver: direct', or see fewer functions",
                      most_iterations, KSPConvergedReasons[reason]));
    }
    complement(s.transposed, x); // what rounding has left in the range of P
  }

  Mat matrix_;
  double shift_;
  const Projection& projection_;
  double tolerance_;
  ShiftedSolver inner_;
  base::UniqueVec right_;
  base::UniqueVec work_;
  bool preconditions_transposed_ = false;
  Side forward_;
  Side transposed_;
};

/// By sweeps that know the projection.
class Swept final : public OrthogonalResolvent {
public:
  Swept(const SweptSystem& system, double tolerance) : solver_(system, tolerance) {}

  void solve(Vec b, Vec x) override { solver_.solve(b, x); }
  void solve_transposed(Vec b, Vec x) override { solver_.solve_transposed(b, x); }
  void relax(double tolerance) override { solver_.relax(tolerance); }

private:
  SweptSolver solver_;
};

} // namespace

ShiftedSolver::ShiftedSolver(Mat matrix, double shift, linalg::Method method, double tolerance,
                             const std::string& prefix)
    : matrix_(shifted_matrix(matrix, shift)),
      solver_(std::make_unique<linalg::LinearSolver>(matrix_.get(), linalg::Kind::general, method,
                                                     tolerance, prefix)) {}

ShiftedSolver::ShiftedSolver(const SweptSystem& system, double tolerance)
    : swept_(std::make_unique<SweptSolver>(system, tolerance)) {}

std::unique_ptr<OrthogonalResolvent> eliminated_resolvent(std::shared_ptr<ShiftedSolver> shifted,
                                                          const Projection& projection) {
  return std::make_unique<Eliminated>(std::move(shifted), projection);
}

std::unique_ptr<OrthogonalResolvent> bordered_resolvent(Mat matrix, double shift,
                                                        const Projection& projection,
                                                        const std::string& prefix) {
  return std::make_unique<Bordered>(matrix, shift, projection, prefix);
}

std::unique_ptr<OrthogonalResolvent> iterated_resolvent(Mat matrix, double shift,
                                                        const Projection& projection,
                                                        double tolerance,
                                                        const std::string& prefix) {
  return std::make_unique<Iterated>(matrix, shift, projection, tolerance, prefix);
}

std::unique_ptr<OrthogonalResolvent> swept_resolvent(const SweptSystem& system, double tolerance) {
  return std::make_unique<Swept>(system, tolerance);
}

base::UniqueMat resolvent_matrix(OrthogonalResolvent& resolvent, const Projection& projection) {
  const Vec like = projection.weights();
  const auto work = std::make_shared<base::UniqueVec>(base::duplicate(like));
  return linalg::shell(
      like, like,
      [=, &resolvent, &projection](Vec x, Vec y) {
        check(VecCopy(x, work->get()));
        projection.complement(work->get());
        resolvent.solve(work->get(), y);
      },
      [=, &resolvent, &projection](Vec x, Vec y) {
        check(VecCopy(x, work->get()));
        projection.complement_transposed(work->get());
        resolvent.solve_transposed(work->get(), y);
      });
}

} // namespace komori::operators
