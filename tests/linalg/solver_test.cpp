#include "linalg/solver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "support.hpp"

namespace komori::linalg {
namespace {

using support::axis;
using testing::AllOf;
using testing::HasSubstr;

/// Sets a PETSc option while it lives.
class Option {
public:
  Option(const char* name, const char* value) : name_(name) {
    base::check(PetscOptionsSetValue(nullptr, name, value));
  }
  Option(const Option&) = delete;
  Option& operator=(const Option&) = delete;
  ~Option() { (void)PetscOptionsClearValue(nullptr, name_); }

private:
  const char* name_;
};

/// 1 - G of a rotating flow: nonsymmetric and safely regular.
base::UniqueMat shifted(support::Case& c, bool symmetric) {
  base::UniqueMat matrix;
  const Mat source = symmetric ? c->symmetrised_entries().matrix.get() : c->generator_entries();
  base::check(MatDuplicate(source, MAT_COPY_VALUES, matrix.put()));
  if (!symmetric) base::check(MatScale(matrix.get(), -1));
  base::check(MatShift(matrix.get(), 1));
  return matrix;
}

support::Case rotating() {
  return {{.drift = {"-x + 3*y", "-3*x - y"}, .noise = {"1"}},
          {axis("x", -3, 3, 24), axis("y", -3, 3, 20)}};
}
support::Case equilibrium() {
  return {{.potential = "(x^2-1)^2 + x*y + y^2", .diffusion = {"0.5"}},
          {axis("x", -2, 2, 24), axis("y", -2, 2, 20)}};
}

/// ||A x - b|| / ||b|| after solving for a b that is no eigenvector.
double residual(support::Case& c, Mat matrix, Kind kind, Method method, bool transposed,
                double tolerance) {
  LinearSolver solver(matrix, kind, method, tolerance, "test_");
  const base::UniqueVec b = c->grid().sampled([](auto x) { return 1 + std::sin(3 * x[0]) + x[1]; });
  const base::UniqueVec x = base::duplicate(b.get());
  const base::UniqueVec r = base::duplicate(b.get());
  if (transposed) {
    solver.solve_transposed(b.get(), x.get());
    base::check(MatMultTranspose(matrix, x.get(), r.get()));
  } else {
    solver.solve(b.get(), x.get());
    base::check(MatMult(matrix, x.get(), r.get()));
  }
  base::check(VecAXPY(r.get(), -1, b.get()));
  return base::norm2(r.get()) / base::norm2(b.get());
}

TEST(LinearSolver, factorisations_reach_round_off) {
  support::Case general = rotating();
  support::Case definite = equilibrium();
  const base::UniqueMat a = shifted(general, false);
  const base::UniqueMat s = shifted(definite, true);
  // Condition numbers of some thousand leave residuals far below them: backward stability.
  EXPECT_LE(residual(general, a.get(), Kind::general, Method::direct, false, 1e-12), 1e-12);
  EXPECT_LE(residual(general, a.get(), Kind::general, Method::direct, true, 1e-12), 1e-12);
  EXPECT_LE(residual(definite, s.get(), Kind::positive_definite, Method::direct, false, 1e-12),
            1e-12);
}

TEST(LinearSolver, iterations_reach_the_tolerance) {
  support::Case general = rotating();
  support::Case definite = equilibrium();
  const base::UniqueMat a = shifted(general, false);
  const base::UniqueMat s = shifted(definite, true);
  for (const double tolerance : {1e-6, 1e-10}) {
    // GMRES tests the residual itself, up to rounding in its recurrence.
    EXPECT_LE(residual(general, a.get(), Kind::general, Method::iterative, false, tolerance),
              1.1 * tolerance);
    EXPECT_LE(residual(general, a.get(), Kind::general, Method::iterative, true, tolerance),
              1.1 * tolerance);
    // Conjugate gradients test the preconditioned one, which is of the same order here.
    EXPECT_LE(
        residual(definite, s.get(), Kind::positive_definite, Method::iterative, false, tolerance),
        10 * tolerance);
  }
}

TEST(LinearSolver, counts_its_iterations) {
  support::Case c = equilibrium();
  const base::UniqueMat s = shifted(c, true);
  LinearSolver solver(s.get(), Kind::positive_definite, Method::iterative, 1e-10, "test_");
  const base::UniqueVec b = c->grid().sampled([](auto x) { return x[0]; });
  const base::UniqueVec x = base::duplicate(b.get());
  solver.solve(b.get(), x.get());
  const PetscInt once = solver.iterations();
  EXPECT_GT(once, 0);
  solver.solve(b.get(), x.get());
  EXPECT_EQ(solver.iterations(), 2 * once);
}

TEST(LinearSolver, says_when_it_did_not_converge) {
  support::Case c = rotating();
  const base::UniqueMat a = shifted(c, false);
  const Option option("-starved_ksp_max_it", "1");
  LinearSolver solver(a.get(), Kind::general, Method::iterative, 1e-12, "starved_");
  const base::UniqueVec b = c->grid().sampled([](auto x) { return x[0]; });
  const base::UniqueVec x = base::duplicate(b.get());
  const std::string message =
      support::message_of([&] { solver.solve(b.get(), x.get()); }, base::ExitCode::not_converged);
  EXPECT_THAT(message, AllOf(HasSubstr("linear solver 'starved_' (gmres + BoomerAMG) stopped after "
                                       "1 iterations: DIVERGED_ITS"),
                             HasSubstr("try the direct solver, or -starved_ksp_max_it and "
                                       "-starved_ksp_rtol")));
}

TEST(LinearSolver, options_that_nothing_uses_are_errors) {
  support::Case c = rotating();
  const base::UniqueMat a = shifted(c, false);
  const Option option("-picky_ksp_max_itt", "7");
  const std::string message = support::message_of(
      [&] { LinearSolver(a.get(), Kind::general, Method::iterative, 1e-8, "picky_"); });
  EXPECT_THAT(message,
              HasSubstr("option '-picky_ksp_max_itt' was not used by the solver 'picky_'"));
}

TEST(LinearSolver, options_reach_their_solver_alone) {
  support::Case c = rotating();
  const base::UniqueMat a = shifted(c, false);
  const Option option("-own_ksp_type", "bcgs");
  LinearSolver solver(a.get(), Kind::general, Method::iterative, 1e-8, "own_");
  LinearSolver other(a.get(), Kind::general, Method::iterative, 1e-8, "test_");
  const base::UniqueVec b = c->grid().sampled([](auto x) { return x[0]; });
  const base::UniqueVec x = base::duplicate(b.get());
  solver.solve(b.get(), x.get());
  other.solve(b.get(), x.get());
  EXPECT_GT(solver.iterations(), 0);
  EXPECT_GT(other.iterations(), 0);
}

} // namespace
} // namespace komori::linalg
