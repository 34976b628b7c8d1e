#include "linalg/solver.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/session.hpp"

namespace komori::linalg {
namespace {

using base::check;

bool on_one_rank(Mat matrix) {
  int size = 1;
  MPI_Comm_size(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)), &size);
  return size == 1;
}

/// Up to this size the messages of a distributed triangular solve cost more than its arithmetic:
/// every rank then factorises the whole matrix and solves without them.
constexpr PetscInt redundant_rows = 50'000;

void factorise(PC pc, Mat matrix, Kind kind) {
  const bool spd = kind == Kind::positive_definite;
  PetscInt rows = 0;
  check(MatGetSize(matrix, &rows, nullptr));
  bool alone = on_one_rank(matrix);
  if (!alone && rows <= redundant_rows) {
    KSP inner = nullptr;
    check(PCSetType(pc, PCREDUNDANT));
    check(PCRedundantGetKSP(pc, &inner));
    check(KSPSetType(inner, KSPPREONLY));
    check(KSPGetPC(inner, &pc));
    alone = true;
  }
  check(PCSetType(pc, spd ? PCCHOLESKY : PCLU));
  // CHOLMOD is twice as fast as MUMPS on one rank and works there only.
  check(PCFactorSetMatSolverType(pc, spd && alone ? MATSOLVERCHOLMOD : MATSOLVERMUMPS));
}

/// BoomerAMG for M-matrices of grid operators; symmetric smoothing where the solver needs it.
void multigrid(PC pc, const std::string& prefix, Kind kind) {
  check(PCSetType(pc, PCHYPRE));
  check(PCHYPRESetType(pc, "boomeramg"));
  std::array<char, 64> type{};
  PetscBool other = PETSC_FALSE;
  check(
      PetscOptionsGetString(nullptr, prefix.c_str(), "-pc_type", type.data(), type.size(), &other));
  if (other && std::string_view(type.data()) != PCHYPRE)
    return; // the user's choice needs no advice
  const auto option = [&](const char* name, const char* value) {
    const std::string key = fmt::format("-{}pc_hypre_boomeramg_{}", prefix, name);
    PetscBool given = PETSC_FALSE;
    check(PetscOptionsHasName(nullptr, nullptr, key.c_str(), &given));
    if (!given) check(PetscOptionsSetValue(nullptr, key.c_str(), value));
  };
  option("coarsen_type", "HMIS");
  option("interp_type", "ext+i");
  option("P_max", "4");
  if (kind == Kind::positive_definite) {
    option("relax_type_down", "SOR/Jacobi");
    option("relax_type_up", "backward-SOR/Jacobi");
  }
}

std::string no_memory(const std::string& prefix) {
  return fmt::format("out of memory in the factorisation of the solver '{}'; use more nodes, fewer "
                     "cells, or the iterative solver",
                     prefix);
}

/// Throws MemoryError if a factorisation failed for want of memory on any rank.
void require_memory(KSP ksp, const std::string& prefix) {
  PC pc = nullptr;
  PCFailedReason failure = PC_NOERROR;
  check(KSPGetPC(ksp, &pc));
  check(PCGetFailedReason(pc, &failure));
  int out = failure == PC_FACTOR_OUTMEMORY ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &out, 1, MPI_INT, MPI_MAX,
                PetscObjectComm(reinterpret_cast<PetscObject>(ksp)));
  if (out == 0) return;
  throw base::MemoryError(no_memory(prefix));
}

/// GMRES preconditioned from the right tests ||b - A x|| itself; from the left it would test what
/// multigrid makes of it, which can be smaller by orders of magnitude.
void test_true_residuals(KSP ksp, const std::string& prefix) {
  PetscBool gmres = PETSC_FALSE;
  PetscBool chosen = PETSC_FALSE;
  check(PetscObjectTypeCompare(reinterpret_cast<PetscObject>(ksp), KSPGMRES, &gmres));
  check(PetscOptionsHasName(nullptr, prefix.c_str(), "-ksp_pc_side", &chosen));
  if (gmres && !chosen) check(KSPSetPCSide(ksp, PC_RIGHT));
}

} // namespace

void configure(KSP ksp, Mat matrix, Kind kind, Method method, double tolerance,
               const std::string& prefix) {
  PC pc = nullptr;
  check(KSPGetPC(ksp, &pc));
  if (method == Method::direct) {
    check(KSPSetType(ksp, KSPPREONLY));
    factorise(pc, matrix, kind);
  } else {
    check(KSPSetType(ksp, kind == Kind::positive_definite ? KSPCG : KSPGMRES));
    if (kind == Kind::general) check(KSPGMRESSetRestart(ksp, 60));
    check(KSPSetTolerances(ksp, tolerance, 1e-300, PETSC_DEFAULT, 500));
    multigrid(pc, prefix, kind);
  }
}

LinearSolver::LinearSolver(Mat matrix, Kind kind, Method method, double tolerance,
                           const std::string& prefix)
    : matrix_(matrix), kind_(kind), method_(method), tolerance_(tolerance), prefix_(prefix) {
  check(KSPCreate(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)), ksp_.put()));
  check(KSPSetOptionsPrefix(ksp_.get(), prefix.c_str()));
  check(KSPSetOperators(ksp_.get(), matrix, matrix));
  configure(ksp_.get(), matrix, kind, method, tolerance, prefix);
  check(KSPSetFromOptions(ksp_.get()));
  test_true_residuals(ksp_.get(), prefix);
  check(KSPSetUp(ksp_.get()));
  require_options_used(prefix);
}

void LinearSolver::require_converged() {
  KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
  PetscInt its = 0;
  check(KSPGetConvergedReason(ksp_.get(), &reason));
  check(KSPGetIterationNumber(ksp_.get(), &its));
  iterations_ += its;
  if (reason > 0) return;
  if (reason == KSP_DIVERGED_PC_FAILED) require_memory(ksp_.get(), prefix_);
  throw base::ConvergenceError(fmt::format(
      "linear solver '{}' ({}) stopped after {} iterations: {}; try the direct solver, or "
      "-{}ksp_max_it and -{}ksp_rtol",
      prefix_, describe(ksp_.get()), its, KSPConvergedReasons[reason], prefix_, prefix_));
}

void LinearSolver::solve(Vec b, Vec x) {
  check(KSPSolve(ksp_.get(), b, x));
  require_converged();
}

void LinearSolver::solve_transposed(Vec b, Vec x) {
  if (method_ == Method::direct) {
    check(KSPSolveTranspose(ksp_.get(), b, x));
    require_converged();
    return;
  }
  // BoomerAMG's transposed cycle returns zero with these smoothers, which GMRES takes for success.
  if (!transposed_) {
    check(MatTranspose(matrix_, MAT_INITIAL_MATRIX, transposed_matrix_.put()));
    transposed_ = std::make_unique<LinearSolver>(transposed_matrix_.get(), kind_, method_,
                                                 tolerance_, prefix_);
  }
  const PetscInt before = transposed_->iterations();
  transposed_->solve(b, x);
  iterations_ += transposed_->iterations() - before;
}

void LinearSolver::keep_preconditioner() {
  check(KSPSetReusePreconditioner(ksp_.get(), PETSC_TRUE));
}

void require_options_used(const std::string& prefix) {
  const std::vector<std::string> unused = base::unused_options(prefix);
  if (unused.empty()) return;
  throw base::InputError(fmt::format(
      "option '-{}' was not used by the solver '{}' as it is set up here; see "
      "-{}eps_view or -{}ksp_view for what it is, and the PETSc and SLEPc manuals for its options",
      unused.front(), prefix, prefix, prefix));
}

void throw_memory_error(const base::PetscError& error, const std::string& prefix) {
  // MUMPS: -9 and -13 are failed allocations, -19 its own limit; CHOLMOD: status -2.
  const std::string text = error.what();
  const auto has = [&](const char* words) { return text.find(words) != std::string::npos; };
  const bool memory = error.code() == PETSC_ERR_MEM || has("INFOG(1)=-9,") ||
                      has("INFOG(1)=-13,") || has("INFOG(1)=-19,") ||
                      (has("CHOLMOD") && has("status -2"));
  if (!memory) throw error;
  throw base::MemoryError(no_memory(prefix));
}

std::string describe(KSP ksp) {
  PC pc = nullptr;
  KSPType outer = nullptr;
  PCType inner = nullptr;
  check(KSPGetPC(ksp, &pc));
  check(KSPGetType(ksp, &outer));
  check(PCGetType(pc, &inner));
  const std::string pc_name = inner ? inner : "none";
  if (pc_name == PCREDUNDANT) {
    KSP on_every_rank = nullptr;
    check(PCRedundantGetKSP(pc, &on_every_rank));
    return describe(on_every_rank) + " on every rank";
  }
  if (pc_name != PCLU && pc_name != PCCHOLESKY) {
    return fmt::format("{} + {}", outer ? outer : "none",
                       pc_name == PCHYPRE ? "BoomerAMG" : pc_name);
  }
  MatSolverType package = nullptr;
  check(PCFactorGetMatSolverType(pc, &package));
  return fmt::format("{} {}", package ? package : "PETSc", pc_name);
}

} // namespace komori::linalg
