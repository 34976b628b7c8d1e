#include "linalg/block_eps.hpp"

#include <algorithm>

#include <slepc/private/epsimpl.h>

#include "base/petsc.hpp"
#include "linalg/block_lobpcg.hpp"

namespace komori::linalg {
namespace {

using base::check;
using base::guarded;

constexpr const char* operator_key = "komori_block_operator";

struct Settings {
  PetscInt block = 0;
  std::vector<base::UniqueVec> start;
  std::function<void()> started;
};

Settings& settings(EPS eps) {
  return *static_cast<Settings*>(eps->data);
}

BlockOperator& operator_of(EPS eps) {
  Mat matrix = nullptr;
  check(STGetMatrix(eps->st, 0, &matrix));
  BlockOperator* const op = attached(matrix);
  if (op == nullptr) {
    check(PetscError(PETSC_COMM_SELF, __LINE__, __func__, __FILE__, PETSC_ERR_SUP,
                     PETSC_ERROR_INITIAL, "'%s' needs a matrix-free operator", block_lobpcg_type));
  }
  return *op;
}

PetscErrorCode set_up(EPS eps) {
  return guarded([&] {
    operator_of(eps);
    if (eps->nev < 1) eps->nev = 1;
    PetscInt& block = settings(eps).block;
    block = std::clamp(block, eps->nev, eps->n);
    eps->ncv = block;
    eps->mpd = block;
    if (eps->max_it == PETSC_DEFAULT) eps->max_it = 200;
    if (!eps->which) eps->which = EPS_SMALLEST_REAL;
    check(EPSAllocateSolution(eps, 0));
  });
}

PetscErrorCode set_up_sort(EPS eps) {
  eps->sc->comparison = SlepcCompareSmallestReal;
  eps->sc->comparisonctx = nullptr;
  eps->sc->map = nullptr;
  eps->sc->mapobj = nullptr;
  eps->sc->rg = nullptr;
  return 0;
}

// Rows are walked once for all vectors: the columns of a row share cache lines.
void load(BlockView block, const std::vector<base::UniqueVec>& from) {
  std::vector<std::unique_ptr<base::ReadArray>> arrays;
  std::vector<const double*> pointers;
  for (const base::UniqueVec& vector : from) {
    arrays.push_back(std::make_unique<base::ReadArray>(vector.get()));
    pointers.push_back(arrays.back()->span().data());
  }
  for (std::size_t i = 0; i < block.rows; ++i) {
    double* const row = block.data + i * static_cast<std::size_t>(block.stride);
    for (std::size_t j = 0; j < pointers.size(); ++j) row[j] = pointers[j][i];
  }
}

/// The first columns become the first vectors of the basis.
void store(BlockView block, BV basis, PetscInt count) {
  double* entries = nullptr;
  check(BVGetArray(basis, &entries)); // its vectors lie one after the other
  for (std::size_t i = 0; i < block.rows; ++i) {
    const double* const row = block.data + i * static_cast<std::size_t>(block.stride);
    for (std::size_t j = 0; j < static_cast<std::size_t>(count); ++j) {
      entries[j * block.rows + i] = row[j];
    }
  }
  check(BVRestoreArray(basis, &entries));
}

/// Asks SLEPc's tests which pairs have converged, in order from the first.
std::vector<bool> judge(EPS eps, BlockLobpcg& solver) {
  const std::vector<double>& residuals = solver.residuals();
  std::vector<bool> done(residuals.size(), false);
  bool all = true;
  eps->nconv = 0;
  for (std::size_t j = 0; j < residuals.size(); ++j) {
    eps->eigr[j] = solver.values()[j];
    eps->eigi[j] = 0;
    check(
        (*eps->converged)(eps, eps->eigr[j], 0, residuals[j], &eps->errest[j], eps->convergedctx));
    done[j] = eps->errest[j] < eps->tol;
    all = all && done[j];
    if (all) ++eps->nconv;
  }
  return done;
}

PetscErrorCode solve(EPS eps) {
  return guarded([&] {
    Settings& s = settings(eps);
    const MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(eps));
    const auto block = static_cast<int>(s.block);
    BlockLobpcg solver(comm, operator_of(eps), static_cast<std::size_t>(eps->nloc), block);
    if (s.start.size() > static_cast<std::size_t>(block)) s.start.resize(s.block);
    load(solver.start(), s.start);
    s.start.clear();
    if (s.started) s.started();
    s.started = nullptr;
    Vec like = nullptr;
    PetscInt first = 0;
    check(BVGetColumn(eps->V, 0, &like));
    check(VecGetOwnershipRange(like, &first, nullptr));
    check(BVRestoreColumn(eps->V, 0, &like));
    solver.begin(first);
    for (eps->its = 0; eps->reason == EPS_CONVERGED_ITERATING;) {
      const std::vector<bool> done = judge(eps, solver);
      ++eps->its;
      check(EPSMonitor(eps, eps->its, eps->nconv, eps->eigr, eps->eigi, eps->errest, s.block));
      check((*eps->stopping)(eps, eps->its, eps->max_it, eps->nconv, eps->nev, &eps->reason,
                             eps->stoppingctx));
      if (eps->reason == EPS_CONVERGED_ITERATING) solver.step(done);
    }
    store(solver.vectors(), eps->V, eps->nconv);
  });
}

PetscErrorCode default_transformation(EPS eps) {
  return guarded([&] {
    STType type = nullptr;
    check(STGetType(eps->st, &type));
    if (type == nullptr) check(STSetType(eps->st, STSHIFT));
  });
}

PetscErrorCode destroy(EPS eps) {
  delete static_cast<Settings*>(eps->data);
  eps->data = nullptr;
  return 0;
}

PetscErrorCode view(EPS eps, PetscViewer viewer) {
  return PetscViewerASCIIPrintf(viewer, "  block of %" PetscInt_FMT " vectors\n",
                                settings(eps).block);
}

PetscErrorCode create(EPS eps) {
  eps->data = new Settings;
  eps->useds = PETSC_FALSE;
  eps->categ = EPS_CATEGORY_OTHER;
  eps->ops->solve = solve;
  eps->ops->setup = set_up;
  eps->ops->setupsort = set_up_sort;
  eps->ops->destroy = destroy;
  eps->ops->view = view;
  eps->ops->setdefaultst = default_transformation;
  eps->ops->backtransform = [](EPS) -> PetscErrorCode { return 0; };
  return 0;
}

} // namespace

void register_block_lobpcg() {
  check(EPSRegister(block_lobpcg_type, create));
}

void attach(Mat matrix, std::shared_ptr<BlockOperator> op) {
  PetscContainer container = nullptr;
  check(PetscContainerCreate(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)), &container));
  check(PetscContainerSetPointer(container, new std::shared_ptr<BlockOperator>(std::move(op))));
  check(PetscContainerSetUserDestroy(container, [](void* pointer) -> PetscErrorCode {
    delete static_cast<std::shared_ptr<BlockOperator>*>(pointer);
    return 0;
  }));
  check(PetscObjectCompose(reinterpret_cast<PetscObject>(matrix), operator_key,
                           reinterpret_cast<PetscObject>(container)));
  check(PetscContainerDestroy(&container));
}

BlockOperator* attached(Mat matrix) {
  PetscObject container = nullptr;
  void* pointer = nullptr;
  check(PetscObjectQuery(reinterpret_cast<PetscObject>(matrix), operator_key, &container));
  if (container == nullptr) return nullptr;
  check(PetscContainerGetPointer(reinterpret_cast<PetscContainer>(container), &pointer));
  return static_cast<std::shared_ptr<BlockOperator>*>(pointer)->get();
}

void set_block(EPS eps, PetscInt block) {
  settings(eps).block = block;
}

void set_block_start(EPS eps, const std::vector<Vec>& start, std::function<void()> started) {
  settings(eps).start.clear();
  for (const Vec vector : start) settings(eps).start.push_back(base::UniqueVec::share(vector));
  settings(eps).started = std::move(started);
  eps->state = EPS_STATE_INITIAL; // a solve that has ended begins anew
}

} // namespace komori::linalg
