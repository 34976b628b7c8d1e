#include "linalg/eigen.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/signals.hpp"
#include "linalg/block_eps.hpp"
#include "linalg/random_vector.hpp"
#include "linalg/schur.hpp"
#include "linalg/solver.hpp"

namespace komori::linalg {
namespace {

using base::check;

/// What the callbacks of one solve share.
struct Watch {
  base::Log* log = nullptr;
  const char* solver = "";
  const std::function<bool(bool)>* pause = nullptr;
  double norm = 0;        ///< errors are relative to it; 0: to the eigenvalue
  bool block = false;     ///< all vectors are tested in every iteration, converged or not
  bool basis = false;     ///< Schur vectors are wanted, not eigenvectors
  bool can_pause = false; ///< the solver takes a convergence test of ours
  PetscInt iteration = 0; ///< the last one
  PetscInt converged = 0; ///< in it
  bool between = false;   ///< the next test is the first of an iteration
  bool pausing = false;
  PetscInt met = 0;    ///< while pausing: tests met one after the other
  bool missed = false; ///< while pausing: a test was not met
  /// Pairs that have converged, whatever the solver was told.
  PetscInt truly_converged() const { return block ? met : converged + met; }
};

PetscErrorCode monitor(EPS eps, PetscInt its, PetscInt converged, PetscScalar*, PetscScalar*,
                       PetscReal* errors, PetscInt estimates, void* context) {
  return base::guarded([&] {
    auto* watch = static_cast<Watch*>(context);
    if (watch->pausing) return;
    PetscInt wanted = 0;
    check(EPSGetDimensions(eps, &wanted, nullptr, nullptr));
    PetscReal worst = 0;
    for (PetscInt i = converged; i < std::min(wanted, estimates); ++i) {
      worst = std::max(worst, errors[i]);
    }
    watch->log->iteration(watch->solver, static_cast<int>(its), static_cast<int>(converged), worst);
    watch->iteration = its;
    watch->converged = converged;
    watch->between = true;
    if (!watch->can_pause || !*watch->pause) {
      base::stop_if_asked(PetscObjectComm(reinterpret_cast<PetscObject>(eps)),
                          "no result was written");
    }
  });
}

/// SLEPc's own tests, except that a pausing solve finds everything converged: that makes every
/// solver hand out the vectors it has.
PetscErrorCode converged(EPS eps, PetscScalar re, PetscScalar im, PetscReal residual,
                         PetscReal* error, void* context) {
  return base::guarded([&] {
    auto* watch = static_cast<Watch*>(context);
    const PetscReal size = watch->norm > 0 ? watch->norm : std::hypot(re, im);
    *error = size > 0 ? residual / size : residual;
    if (watch->between && *watch->pause) {
      constexpr PetscInt settling = 2;
      watch->between = false;
      watch->met = 0;
      watch->missed = false;
      watch->pausing = (*watch->pause)(watch->iteration >= settling);
    }
    if (!watch->pausing) return;
    PetscReal tolerance = 0;
    check(EPSGetTolerances(eps, &tolerance, nullptr));
    watch->missed = watch->missed || *error >= tolerance;
    if (!watch->missed) ++watch->met;
    *error = 0;
  });
}

void observe(EPS eps, Watch& watch) {
  check(EPSMonitorSet(eps, monitor, &watch, nullptr));
  PetscBool ours = PETSC_FALSE;
  check(PetscObjectTypeCompareAny(reinterpret_cast<PetscObject>(eps), &ours, EPSKRYLOVSCHUR,
                                  EPSLOBPCG, block_lobpcg_type, ""));
  watch.can_pause = ours == PETSC_TRUE;
  if (!watch.can_pause) return; // another solver, by -eps_type, keeps its own test
  check(EPSSetConvergenceTestFunction(eps, converged, &watch, nullptr));
}

/// A block method starts from all vectors given; a Krylov method takes one, so their sum: its first
/// steps bring back the space they span. Where that is invariant to rounding and smaller than the
/// number of pairs asked for, SLEPc 3.18 goes on from it with what it had divided out left in the
/// projected matrix, and LAPACK refuses that; a trace of other vectors keeps the space growing.
void set_start(EPS eps, Mat matrix, const std::vector<Vec>& given, bool block) {
  std::vector<Vec> start = given;
  base::UniqueVec single;
  if (start.empty()) {
    single = random_vector(matrix, 20220912, 0.5);
  } else if (!block) {
    single = base::duplicate(start.front());
    check(VecSet(single.get(), 0));
    for (const Vec vector : start) check(VecAXPY(single.get(), 1, vector));
    constexpr double trace = 1e-8;
    const base::UniqueVec others = random_vector(matrix, 20220912, 0.5);
    const double size = base::norm2(single.get()) / base::norm2(others.get());
    check(VecAXPY(single.get(), trace * size, others.get()));
  }
  if (single) start = {single.get()};
  check(EPSSetInitialSpace(eps, static_cast<PetscInt>(start.size()), start.data()));
}

bool is_block_lobpcg(EPS eps) {
  PetscBool is = PETSC_FALSE;
  check(PetscObjectTypeCompare(reinterpret_cast<PetscObject>(eps), block_lobpcg_type, &is));
  return is == PETSC_TRUE;
}

/// Makes vectors orthonormal, each against those before it; twice is enough (Giraud, Langou,
/// Rozloznik, Comput. Math. Appl. 50, 2005).
void orthonormalise(std::span<const base::UniqueVec> vectors) {
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < i; ++j) {
        check(VecAXPY(vectors[i].get(), -base::dot(vectors[j].get(), vectors[i].get()),
                      vectors[j].get()));
      }
    }
    check(VecNormalize(vectors[i].get(), nullptr));
  }
}

/// An orthonormal basis of the invariant space of the first `count` values found: Schur vectors, or
/// where SLEPc has turned them into eigenvectors already (as it does when a transformation swaps
/// the values of a complex pair) these, made orthonormal.
std::vector<base::UniqueVec> schur_vectors(EPS eps, Mat matrix, PetscInt count) {
  PetscInt converged = 0;
  check(EPSGetConverged(eps, &converged));
  std::vector<base::UniqueVec> vectors;
  std::vector<Vec> handles;
  for (PetscInt i = 0; i < converged; ++i) {
    base::UniqueVec vector;
    check(MatCreateVecs(matrix, vector.put(), nullptr));
    handles.push_back(vector.get());
    vectors.push_back(std::move(vector));
  }
  if (converged == 0) return vectors;
  check(PetscPushErrorHandler(PetscReturnErrorHandler, nullptr));
  const PetscErrorCode code = EPSGetInvariantSubspace(eps, handles.data());
  check(PetscPopErrorHandler());
  if (code == PETSC_ERR_ARG_WRONGSTATE) {
    for (PetscInt i = 0; i < converged; ++i) {
      PetscScalar im = 0;
      check(EPSGetEigenvalue(eps, i, nullptr, &im));
      const auto first = static_cast<std::size_t>(i);
      const bool pair = im != 0 && i + 1 < converged;
      check(EPSGetEigenvector(eps, i, handles[first], pair ? handles[first + 1] : nullptr));
      if (pair) ++i;
    }
    orthonormalise(vectors);
  } else {
    check(code);
  }
  vectors.resize(static_cast<std::size_t>(count));
  return vectors;
}

/// The pairs found, at most `most`.
EigenPairs collect(EPS eps, Mat matrix, const EigenRequest& request, PetscInt most, bool schur) {
  EigenPairs pairs;
  pairs.asked = request.pairs;
  check(EPSGetIterationNumber(eps, &pairs.iterations));
  PetscInt converged = 0;
  check(EPSGetConverged(eps, &converged));
  converged = std::min(converged, most);
  const auto residual_of = [&](std::complex<double> value, Vec re, Vec im) {
    return request.costly ? std::nan("") : eigen_residual(matrix, value, re, im);
  };
  std::vector<base::UniqueVec> basis; // SLEPc wants to be asked for it before eigenvectors
  if (schur) basis = schur_vectors(eps, matrix, converged);
  for (PetscInt i = 0; i < converged; ++i) {
    base::UniqueVec re;
    base::UniqueVec im;
    check(MatCreateVecs(matrix, re.put(), nullptr));
    check(MatCreateVecs(matrix, im.put(), nullptr));
    PetscScalar value_re = 0;
    PetscScalar value_im = 0;
    check(EPSGetEigenpair(eps, i, &value_re, &value_im, re.get(), im.get()));
    const std::complex<double> value(value_re, value_im);
    pairs.farthest = std::max(pairs.farthest, std::abs(value - request.shift));
    if (value_im == 0) {
      check(VecNormalize(re.get(), nullptr));
      pairs.residuals.push_back(residual_of(value, re.get(), nullptr));
      pairs.values.push_back(value);
      pairs.vectors.push_back(std::move(re));
      continue;
    }
    if (i + 1 == converged) break; // half a pair: not whole, not reported
    const double norm = std::hypot(base::norm2(re.get()), base::norm2(im.get()));
    check(VecScale(re.get(), 1 / norm));
    check(VecScale(im.get(), 1 / norm));
    const double residual = residual_of(value, re.get(), im.get());
    if (value_im < 0) check(VecScale(im.get(), -1));
    for (const double sign : {1.0, -1.0}) {
      pairs.values.emplace_back(value_re, sign * std::abs(value_im));
      pairs.residuals.push_back(residual);
    }
    pairs.vectors.push_back(std::move(re));
    pairs.vectors.push_back(std::move(im));
    ++i; // the conjugate follows
  }
  if (schur) {
    basis.resize(std::min(basis.size(), pairs.values.size()));
    pairs.vectors = std::move(basis);
  }
  return pairs;
}

/// The eigenvectors a paused solve has reached, at most `most`.
std::vector<base::UniqueVec> reached_vectors(EPS eps, Mat matrix, PetscInt most) {
  PetscInt count = 0;
  check(EPSGetConverged(eps, &count));
  std::vector<base::UniqueVec> vectors;
  for (PetscInt i = 0; i < std::min(count, most); ++i) {
    base::UniqueVec vector;
    check(MatCreateVecs(matrix, vector.put(), nullptr));
    PetscScalar imaginary = 0;
    check(EPSGetEigenvalue(eps, i, nullptr, &imaginary));
    // Of a pair the first entry holds the real part, the second the imaginary one.
    const bool second = imaginary < 0 && i > 0;
    check(EPSGetEigenvector(eps, i, second ? nullptr : vector.get(),
                            second ? vector.get() : nullptr));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

/// Solves, with a pause for every save asked for. One EPS serves all parts, and with it one
/// factorisation or multigrid hierarchy.
EigenPairs solve(EPS eps, Mat matrix, const EigenRequest& request, Watch& watch) {
  check(EPSSetFromOptions(eps));
  observe(eps, watch);
  const bool rows = is_block_lobpcg(eps);
  if (rows) {
    set_block_start(eps, request.start, request.started);
  } else {
    set_start(eps, matrix, request.start, watch.block);
  }
  if (!request.deflation.empty()) {
    std::vector<Vec> space = request.deflation;
    check(EPSSetDeflationSpace(eps, static_cast<PetscInt>(space.size()), space.data()));
  }
  try {
    check(EPSSetUp(eps));
  } catch (const base::PetscError& error) {
    throw_memory_error(error, request.prefix + "st_");
  }
  require_options_used(request.prefix);
  if (request.started && !rows) request.started();
  PetscReal tolerance = 0;
  PetscInt most_iterations = 0;
  check(EPSGetTolerances(eps, &tolerance, &most_iterations));
  for (PetscInt iterations = 0;;) {
    check(EPSSolve(eps));
    PetscInt its = 0;
    PetscInt wanted = 0;
    check(EPSGetIterationNumber(eps, &its));
    check(EPSGetDimensions(eps, &wanted, nullptr, nullptr));
    iterations += its;
    const bool done =
        watch.pausing && (watch.truly_converged() >= wanted || iterations >= most_iterations);
    if (!watch.pausing || done) {
      const PetscInt most = done ? watch.truly_converged() : std::numeric_limits<PetscInt>::max();
      EigenPairs pairs = collect(eps, matrix, request, most, watch.basis);
      pairs.iterations = iterations;
      return pairs;
    }
    watch.pausing = false;
    watch.between = false;
    // A Krylov space holds more vectors than are worth going on from.
    const std::vector<base::UniqueVec> vectors =
        reached_vectors(eps, matrix, watch.block ? std::numeric_limits<PetscInt>::max() : wanted);
    std::vector<Vec> reached;
    for (const base::UniqueVec& vector : vectors) reached.push_back(vector.get());
    request.save(reached);
    check(EPSSetTolerances(eps, tolerance, most_iterations - iterations));
    if (rows) {
      set_block_start(eps, reached, {});
    } else {
      set_start(eps, matrix, reached, watch.block);
    }
  }
}

/// An eigensolver with what all of them are told; `most_iterations` unless the request names some.
base::UniqueEps created(Mat matrix, const EigenRequest& request, EPSProblemType kind, EPSType type,
                        EPSWhich which, PetscInt most_iterations) {
  base::UniqueEps eps;
  check(EPSCreate(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)), eps.put()));
  check(EPSSetOptionsPrefix(eps.get(), request.prefix.c_str()));
  check(EPSSetOperators(eps.get(), matrix, nullptr));
  check(EPSSetProblemType(eps.get(), kind));
  check(EPSSetType(eps.get(), type));
  check(EPSSetWhichEigenpairs(eps.get(), which));
  check(EPSSetTolerances(eps.get(), request.tolerance,
                         request.max_iterations ? request.max_iterations : most_iterations));
  return eps;
}

std::string type_of(EPS eps) {
  EPSType type = nullptr;
  check(EPSGetType(eps, &type));
  return type;
}

/// Krylov-Schur with shift-and-invert.
EigenPairs shift_invert(Mat matrix, const EigenRequest& request, Kind kind, base::Log& log,
                        bool basis = false) {
  const bool symmetric = kind == Kind::positive_definite;
  const base::UniqueEps eps = created(matrix, request, symmetric ? EPS_HEP : EPS_NHEP,
                                      EPSKRYLOVSCHUR, EPS_TARGET_MAGNITUDE, PETSC_DEFAULT);
  check(EPSSetTarget(eps.get(), request.shift));
  const PetscInt wanted = request.pairs + (symmetric ? 0 : 1); // room to keep a pair whole
  PetscInt size = 0;
  check(MatGetSize(matrix, &size, nullptr));
  size -= static_cast<PetscInt>(request.deflation.size());
  const PetscInt nev = std::min(wanted, size);
  check(EPSSetDimensions(eps.get(), nev, std::min(size, std::max<PetscInt>(2 * nev + 10, 30)),
                         PETSC_DEFAULT));
  ST st = nullptr;
  KSP ksp = nullptr;
  check(EPSGetST(eps.get(), &st));
  check(STSetType(st, STSINVERT));
  check(STGetKSP(st, &ksp));
  // A shift inside the spectrum makes the shifted matrix indefinite.
  const bool definite = symmetric && request.shift < 0;
  const std::string prefix = request.prefix + "st_";
  check(KSPSetOptionsPrefix(ksp, prefix.c_str()));
  configure(ksp, matrix, definite ? Kind::positive_definite : Kind::general, request.method,
            std::min(1e-2 * request.tolerance, 1e-10), prefix);
  Watch watch{.log = &log, .solver = "Krylov-Schur", .pause = &request.pause, .basis = basis};
  EigenPairs pairs = solve(eps.get(), matrix, request, watch);
  pairs.solver = fmt::format("{}, shift-and-invert at {:.6g} by {}", type_of(eps.get()),
                             request.shift, describe(ksp));
  return pairs;
}

/// Vectors iterated at once: those beyond the ones asked keep the last of these from converging
/// slowly.
PetscInt block_of(PetscInt pairs) {
  return pairs + std::max<PetscInt>(3, pairs / 5);
}
constexpr PetscInt block_iterations = 300;

/// LOBPCG on a block somewhat wider than asked, preconditioned by multigrid on A - shift I.
EigenPairs block_pairs(Mat matrix, const EigenRequest& request, base::Log& log) {
  base::UniqueMat shifted;
  check(MatDuplicate(matrix, MAT_COPY_VALUES, shifted.put()));
  check(MatShift(shifted.get(), -request.shift));

  const base::UniqueEps eps =
      created(matrix, request, EPS_HEP, EPSLOBPCG, EPS_SMALLEST_REAL, block_iterations);
  const PetscInt block = block_of(request.pairs);
  check(EPSSetDimensions(eps.get(), request.pairs, PETSC_DEFAULT, PETSC_DEFAULT));
  check(EPSLOBPCGSetBlockSize(eps.get(), block));
  check(EPSLOBPCGSetLocking(eps.get(), PETSC_FALSE)); // locking the eigenvalue 0 breaks the block
  ST st = nullptr;
  KSP ksp = nullptr;
  PC pc = nullptr;
  check(EPSGetST(eps.get(), &st));
  check(STSetType(st, STPRECOND));
  check(STSetPreconditionerMat(st, shifted.get()));
  check(STGetKSP(st, &ksp));
  const std::string prefix = request.prefix + "st_";
  check(KSPSetOptionsPrefix(ksp, prefix.c_str()));
  configure(ksp, shifted.get(), Kind::positive_definite, Method::iterative, 1e-2, prefix);
  check(KSPSetType(ksp, KSPPREONLY));
  check(KSPGetPC(ksp, &pc));
  // The eigenvalue 0 never meets a test relative to itself, hence one relative to the norm.
  Watch watch{.log = &log,
              .solver = "LOBPCG",
              .pause = &request.pause,
              .norm = request.norm,
              .block = true};
  EigenPairs pairs = solve(eps.get(), matrix, request, watch);
  pairs.solver = fmt::format("{}, block of {}, {}", type_of(eps.get()), block, describe(ksp));
  return pairs;
}

/// The same on vectors stored row by row, with the preconditioner the matrix carries.
EigenPairs row_block_pairs(Mat matrix, const EigenRequest& request, base::Log& log) {
  register_block_lobpcg();
  const base::UniqueEps eps =
      created(matrix, request, EPS_HEP, block_lobpcg_type, EPS_SMALLEST_REAL, block_iterations);
  check(EPSSetDimensions(eps.get(), request.pairs, PETSC_DEFAULT, PETSC_DEFAULT));
  const PetscInt block = block_of(request.pairs);
  set_block(eps.get(), block);
  Watch watch{.log = &log,
              .solver = "block LOBPCG",
              .pause = &request.pause,
              .norm = request.norm,
              .block = true};
  EigenPairs pairs = solve(eps.get(), matrix, request, watch);
  pairs.solver =
      fmt::format("{}, block of {}, {}", type_of(eps.get()), block, attached(matrix)->describe());
  return pairs;
}

/// Whether LAPACK could not swap two eigenvalues of a Schur form, for being the same but for
/// rounding: those of nilpotent blocks, scattered round 0.
bool could_not_reorder(const base::PetscError& error) {
  return error.code() == PETSC_ERR_LIB &&
         std::string_view(error.what()).find("trexc") != std::string_view::npos;
}

/// Krylov-Schur for the eigenvalues of largest modulus. From another vector and in another space
/// the Schur form is another.
EigenPairs largest_pairs(Mat matrix, const EigenRequest& request, base::Log& log,
                         bool basis = false) {
  PetscInt size = 0;
  check(MatGetSize(matrix, &size, nullptr));
  size -= static_cast<PetscInt>(request.deflation.size());
  const PetscInt nev = std::min(request.pairs + 1, size); // room to keep a pair whole
  const PetscInt usual = std::min(size, request.costly ? std::max<PetscInt>(4 * nev, 40)
                                                       : std::max<PetscInt>(3 * nev, nev + 30));
  constexpr int attempts = 10;
  EigenRequest now = request;
  base::UniqueVec other;
  for (int attempt = 0;; ++attempt) {
    const base::UniqueEps eps =
        created(matrix, request, EPS_NHEP, EPSKRYLOVSCHUR, EPS_LARGEST_MAGNITUDE, PETSC_DEFAULT);
    const PetscInt space = std::min(size, usual + 3 * attempt);
    check(EPSSetDimensions(eps.get(), nev, space, PETSC_DEFAULT));
    // Small eigenvalues never meet a test relative to themselves, hence one relative to the norm.
    Watch watch{.log = &log,
                .solver = "Krylov-Schur",
                .pause = &request.pause,
                .norm = request.norm,
                .basis = basis};
    try {
      EigenPairs pairs = solve(eps.get(), matrix, now, watch);
      pairs.solver = fmt::format("{}, largest modulus, space of {}", type_of(eps.get()), space);
      return pairs;
    } catch (const base::PetscError& error) {
      if (!could_not_reorder(error)) throw;
      if (attempt + 1 == attempts) {
        throw base::ConvergenceError(
            "the eigenvalues cannot be ordered: many are the same but for rounding, as those of a "
            "nilpotent matrix; ask for fewer pairs");
      }
      other = random_vector(matrix, 20220912 + static_cast<std::uint64_t>(attempt) + 1, 0.5);
      now.start = {other.get()};
      now.started = {};
    }
  }
}

} // namespace

EigenPairs symmetric_pairs(Mat matrix, const EigenRequest& request, base::Log& log) {
  if (request.method == Method::iterative && attached(matrix) != nullptr) {
    return row_block_pairs(matrix, request, log);
  }
  if (request.method == Method::iterative) return block_pairs(matrix, request, log);
  return shift_invert(matrix, request, Kind::positive_definite, log);
}

EigenPairs general_pairs(Mat matrix, const EigenRequest& request, base::Log& log) {
  if (request.largest) return largest_pairs(matrix, request, log);
  return shift_invert(matrix, request, Kind::general, log);
}

EigenPairs general_space(Mat matrix, const EigenRequest& request, base::Log& log) {
  if (request.largest) return largest_pairs(matrix, request, log, true);
  return shift_invert(matrix, request, Kind::general, log, true);
}

double eigen_residual(Mat matrix, std::complex<double> value, Vec re, Vec im) {
  const base::UniqueVec r = base::duplicate(re);
  check(MatMult(matrix, re, r.get()));
  check(VecAXPY(r.get(), -value.real(), re));
  if (im == nullptr) return base::norm2(r.get()) / base::norm2(re);
  check(VecAXPY(r.get(), value.imag(), im));
  const double real_part = base::norm2(r.get());
  check(MatMult(matrix, im, r.get()));
  check(VecAXPY(r.get(), -value.real(), im));
  check(VecAXPY(r.get(), -value.imag(), re));
  return std::hypot(real_part, base::norm2(r.get())) / std::hypot(base::norm2(re), base::norm2(im));
}

} // namespace komori::linalg
