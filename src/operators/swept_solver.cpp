#include "operators/swept_solver.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "linalg/shell.hpp"

namespace komori::operators {

using base::check;

namespace {

/// Iterations for which vectors are kept, and after which a solve is given up: with sweeps that
/// suit the process, twenty are many.
constexpr PetscInt restart = 60;
constexpr PetscInt most_iterations = 300;

} // namespace

/// One of the two systems with its preconditioner.
class SweptSolver::Side {
public:
  Side(const SweptSystem& system, bool transposed)
      : system_(system), transposed_(transposed), lines_(*system.grid, system.axis),
        by_lines_(system.projection && parts_are_lines(*system.projection, lines_)),
        sweeps_(rows_of(system.entries, transposed).get(), system.shift, *system.grid, system.axis,
                by_lines_ ? system.projection : nullptr, transposed),
        right_(system.grid->vector()) {
    const Vec like = right_.get();
    matrix_ = linalg::shell(
        like, like, [this](Vec x, Vec y) { product(x, y); }, linalg::Product{});
    check(KSPCreate(system.grid->comm(), ksp_.put()));
    check(KSPSetOperators(ksp_.get(), matrix_.get(), matrix_.get()));
    check(KSPSetType(ksp_.get(), KSPGMRES));
    check(KSPGMRESSetRestart(ksp_.get(), restart));
    // From the right: the test is of ||b - A x|| itself.
    check(KSPSetPCSide(ksp_.get(), PC_RIGHT));
    PC pc = nullptr;
    check(KSPGetPC(ksp_.get(), &pc));
    check(PCSetType(pc, PCSHELL));
    check(PCShellSetContext(pc, this));
    check(PCShellSetApply(pc, precondition));
  }

  PetscInt solve(Vec b, Vec x, double tolerance) {
    check(KSPSetTolerances(ksp_.get(), tolerance, 1e-300, PETSC_DEFAULT, most_iterations));
    check(VecCopy(b, right_.get()));
    complement(right_.get());
    check(KSPSolve(ksp_.get(), right_.get(), x));
    KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
    PetscInt iterations = 0;
    check(KSPGetConvergedReason(ksp_.get(), &reason));
    check(KSPGetIterationNumber(ksp_.get(), &iterations));
    if (reason <= 0) {
      throw base::ConvergenceError(fmt::format(
          "GMRES with sweeps along '{}' stopped after {} iterations ({}); use "
          "'memory.solver: direct'",
          system_.grid->axis(system_.axis).name(), iterations, KSPConvergedReasons[reason]));
    }
    complement(x); // what rounding has left in the range of P
    return iterations;
  }

private:
  void complement(Vec x) {
    if (!system_.projection) return;
    if (by_lines_) {
      const base::WriteArray values(x);
      sweeps_.complement(0, values.span(), 1, values.span());
    } else {
      transposed_ ? system_.projection->complement_transposed(x)
                  : system_.projection->complement(x);
    }
  }

  /// Of vectors in the range of Q, as all are that come here.
  void product(Vec x, Vec y) {
    check(transposed_ ? MatMultTranspose(system_.matrix, x, y) : MatMult(system_.matrix, x, y));
    if (by_lines_) {
      const base::ReadArray from(x);
      const base::WriteArray to(y);
      sweeps_.complement(system_.shift, from.span(), -1, to.span());
    } else {
      check(VecAXPBY(y, system_.shift, -1, x));
      complement(y);
    }
  }

  static PetscErrorCode precondition(PC pc, Vec x, Vec y) {
    return base::guarded([&] {
      void* context = nullptr;
      check(PCShellGetContext(pc, &context));
      Side& self = *static_cast<Side*>(context);
      {
        const base::ReadArray from(x);
        const base::WriteArray to(y);
        self.sweeps_.apply(from.span(), to.span());
      }
      if (!self.by_lines_) self.complement(y);
    });
  }

  const SweptSystem& system_;
  bool transposed_;
  Lines lines_;
  bool by_lines_; ///< every part of the projection is a line, and the sweeps know it
  LineSweeps sweeps_;
  base::UniqueVec right_;
  base::UniqueMat matrix_;
  base::UniqueKsp ksp_;
};

SweptSolver::SweptSolver(const SweptSystem& system, double tolerance)
    : system_(system), tolerance_(tolerance) {}

SweptSolver::~SweptSolver() = default;

SweptSolver::Side& SweptSolver::side(bool transposed) {
  std::unique_ptr<Side>& side = transposed ? transposed_ : forward_;
  if (!side) side = std::make_unique<Side>(system_, transposed);
  return *side;
}

void SweptSolver::run(bool transposed, Vec b, Vec x) {
  iterations_ += side(transposed).solve(b, x, std::max(tolerance_, relaxed_));
}

void SweptSolver::solve(Vec b, Vec x) {
  run(false, b, x);
}

void SweptSolver::solve_transposed(Vec b, Vec x) {
  run(true, b, x);
}

} // namespace komori::operators
