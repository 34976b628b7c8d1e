#include "analyses/reversed_process.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "linalg/shell.hpp"
#include "linalg/solver.hpp"
#include "operators/block_multigrid.hpp"
#include "operators/swept_solver.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::Kind;
using linalg::LinearSolver;
using linalg::Method;

constexpr double digits = 1e-4;
constexpr const char* prefix = "stationary_";

/// Takes the square root: with h = S^1/2 f the system is H h = S^1/2 b, H = -S^-1/2 G^T S^1/2, and
/// its residual weighs cells by their masses.
class ByStencil final : public ReversedProcess {
public:
  ByStencil(Problem& problem, Vec masses)
      : problem_(problem), root_(base::duplicate(masses)), scaled_(base::duplicate(masses)),
        side_(base::duplicate(masses)), solution_(base::duplicate(masses)) {
    const base::UniqueVec log_masses = base::duplicate(masses);
    check(VecCopy(masses, log_masses.get()));
    check(VecLog(log_masses.get()));
    // The constant, which no right side contains, may be much magnified.
    const double shift = -1e-3 * problem.diffusive_rate();
    cycle_ = std::make_unique<operators::BlockMultigrid>(
        operators::reversible_part(problem.fluxes(), log_masses.get()), shift);
    check(VecCopy(masses, root_.get()));
    check(VecSqrtAbs(root_.get()));
    matrix_ = linalg::shell(root_.get(), root_.get(), [this](Vec x, Vec y) { product(x, y); }, {});
    check(KSPCreate(problem.comm(), ksp_.put()));
    check(KSPSetOperators(ksp_.get(), matrix_.get(), matrix_.get()));
    check(KSPSetType(ksp_.get(), KSPGMRES));
    constexpr PetscInt restart = 40;
    constexpr PetscInt most = 100; // with more of them algebraic multigrid is faster
    check(KSPGMRESSetRestart(ksp_.get(), restart));
    check(KSPSetPCSide(ksp_.get(), PC_RIGHT));
    check(KSPSetTolerances(ksp_.get(), digits, 1e-300, PETSC_DEFAULT, most));
    PC pc = nullptr;
    check(KSPGetPC(ksp_.get(), &pc));
    check(PCSetType(pc, PCSHELL));
    check(PCShellSetContext(pc, this));
    check(PCShellSetApply(pc, precondition));
    check(KSPSetOptionsPrefix(ksp_.get(), prefix));
    check(KSPSetFromOptions(ksp_.get()));
    linalg::require_options_used(prefix);
  }

  void apply(Vec f, Vec result) override {
    check(VecPointwiseMult(side_.get(), f, root_.get()));
    product(side_.get(), result);
    check(VecPointwiseDivide(result, result, root_.get()));
  }

  void solve(Vec b, Vec f) override {
    check(VecPointwiseMult(side_.get(), b, root_.get()));
    check(KSPSolve(ksp_.get(), side_.get(), solution_.get()));
    KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
    PetscInt its = 0;
    check(KSPGetConvergedReason(ksp_.get(), &reason));
    check(KSPGetIterationNumber(ksp_.get(), &its));
    iterations_ += its;
    if (reason < 0) {
      throw base::ConvergenceError(fmt::format("{} stopped after {} iterations: {}", describe(),
                                               its, KSPConvergedReasons[reason]));
    }
    check(VecPointwiseDivide(f, solution_.get(), root_.get()));
  }

  PetscInt iterations() const override { return iterations_; }
  std::string describe() const override {
    return fmt::format("GMRES + {} for the reversible part", cycle_->describe());
  }

private:
  void product(Vec x, Vec y) {
    check(VecPointwiseMult(scaled_.get(), x, root_.get()));
    check(MatMult(problem_.forward(), scaled_.get(), y));
    check(VecPointwiseDivide(y, y, root_.get()));
    check(VecScale(y, -1));
  }

  static PetscErrorCode precondition(PC pc, Vec r, Vec z) {
    return base::guarded([&] {
      void* context = nullptr;
      check(PCShellGetContext(pc, &context));
      check(VecCopy(r, z));
      const base::WriteArray values(z);
      const linalg::BlockView view{values.span().data(), values.size(), 1, 1};
      static_cast<ByStencil*>(context)->cycle_->precondition(view, view);
    });
  }

  Problem& problem_;
  base::UniqueVec root_; ///< S^1/2
  base::UniqueVec scaled_;
  base::UniqueVec side_;
  base::UniqueVec solution_;
  std::unique_ptr<operators::BlockMultigrid> cycle_;
  base::UniqueMat matrix_;
  base::UniqueKsp ksp_;
  PetscInt iterations_ = 0;
};

/// S^-1 G^T S with its entries.
base::UniqueMat reversed_generator(Problem& problem, Vec masses) {
  base::UniqueMat reversed;
  check(MatDuplicate(problem.transposed(), MAT_COPY_VALUES, reversed.put()));
  const base::UniqueVec inverse = base::duplicate(masses);
  check(VecCopy(masses, inverse.get()));
  check(VecReciprocal(inverse.get()));
  check(MatDiagonalScale(reversed.get(), inverse.get(), masses));
  return reversed;
}

class ByEntries final : public ReversedProcess {
public:
  ByEntries(Problem& problem, Vec masses) : scaled_(reversed_generator(problem, masses)) {
    check(MatScale(scaled_.get(), -1));
    // A trace of the diagonal makes the singular matrix definite; the outer loop takes it out
    // again.
    check(MatDuplicate(scaled_.get(), MAT_COPY_VALUES, definite_.put()));
    const base::UniqueVec diagonal = base::duplicate(masses);
    check(MatGetDiagonal(definite_.get(), diagonal.get()));
    check(VecScale(diagonal.get(), 1e-10));
    check(MatDiagonalSet(definite_.get(), diagonal.get(), ADD_VALUES));
    solver_ = std::make_unique<LinearSolver>(definite_.get(), Kind::general, Method::iterative,
                                             digits, prefix);
  }
  void apply(Vec f, Vec result) override { check(MatMult(scaled_.get(), f, result)); }
  void solve(Vec b, Vec f) override { solver_->solve(b, f); }
  PetscInt iterations() const override { return solver_->iterations(); }
  std::string describe() const override { return "GMRES + BoomerAMG"; }

private:
  base::UniqueMat scaled_;
  base::UniqueMat definite_;
  std::unique_ptr<LinearSolver> solver_;
};

class BySweeps final : public ReversedProcess {
public:
  BySweeps(Problem& problem, Vec masses) : reversed_(reversed_generator(problem, masses)) {
    // So small a shift makes the singular matrix definite; the outer loop takes it out again.
    const double shift = 1e-4 * problem.diffusive_rate();
    solver_ = std::make_unique<operators::SweptSolver>(
        operators::SweptSystem{.matrix = reversed_.get(),
                               .entries = reversed_.get(),
                               .shift = shift,
                               .grid = &problem.grid(),
                               .axis = *operators::noisy_axis(problem.sde())},
        digits);
  }
  void apply(Vec f, Vec result) override {
    check(MatMult(reversed_.get(), f, result));
    check(VecScale(result, -1));
  }
  void solve(Vec b, Vec f) override { solver_->solve(b, f); }
  PetscInt iterations() const override { return solver_->iterations(); }
  std::string describe() const override { return "GMRES + sweeps along lines"; }

private:
  base::UniqueMat reversed_;
  std::unique_ptr<operators::SweptSolver> solver_;
};

bool preconditioner_chosen() {
  PetscBool chosen = PETSC_FALSE; // one of PETSc's, which needs entries
  check(PetscOptionsHasName(nullptr, prefix, "-pc_type", &chosen));
  return chosen == PETSC_TRUE;
}

} // namespace

bool sweeps_suit(const Problem& problem) {
  return operators::noisy_axis(problem.sde()) && !preconditioner_chosen();
}

std::unique_ptr<ReversedProcess> by_sweeps(Problem& problem, Vec masses) {
  return std::make_unique<BySweeps>(problem, masses);
}

bool stencil_suits(const Problem& problem) {
  if (!problem.matrix_free() || problem.absorbing()) return false;
  for (int k = 0; k < problem.grid().dimension(); ++k) {
    if (problem.fluxes().undiffused(k)) return false;
  }
  return !preconditioner_chosen();
}

std::unique_ptr<ReversedProcess> by_stencil(Problem& problem, Vec masses) {
  return std::make_unique<ByStencil>(problem, masses);
}

std::unique_ptr<ReversedProcess> by_entries(Problem& problem, Vec masses) {
  return std::make_unique<ByEntries>(problem, masses);
}

} // namespace komori::analyses
