#include "operators/orthogonal_dynamics.hpp"

#include <memory>

namespace komori::operators {
namespace {

using base::check;

/// What the shell refers to, and two vectors of its own.
struct Context {
  Mat matrix;
  const Projection& projection;
  double penalty;
  base::UniqueVec resolved;
  base::UniqueVec rest;
};

Context& context_of(Mat shell) {
  void* context = nullptr;
  check(MatShellGetContext(shell, &context));
  return *static_cast<Context*>(context);
}

void multiply(Context& c, Vec x, Vec y) {
  c.projection.apply(x, c.resolved.get());
  check(VecWAXPY(c.rest.get(), -1, c.resolved.get(), x));
  check(MatMult(c.matrix, c.rest.get(), y));
  c.projection.complement(y);
  if (c.penalty != 0) check(VecAXPY(y, -c.penalty, c.resolved.get()));
}

void multiply_transposed(Context& c, Vec x, Vec y) {
  c.projection.apply_transposed(x, c.resolved.get());
  check(VecWAXPY(c.rest.get(), -1, c.resolved.get(), x));
  check(MatMultTranspose(c.matrix, c.rest.get(), y));
  c.projection.complement_transposed(y);
  if (c.penalty != 0) check(VecAXPY(y, -c.penalty, c.resolved.get()));
}

PetscErrorCode product(Mat shell, Vec x, Vec y) {
  return base::guarded([&] { multiply(context_of(shell), x, y); });
}
PetscErrorCode product_transposed(Mat shell, Vec x, Vec y) {
  return base::guarded([&] { multiply_transposed(context_of(shell), x, y); });
}
PetscErrorCode destroy(Mat shell) {
  return base::guarded([&] { delete &context_of(shell); });
}

} // namespace

base::UniqueMat orthogonal_dynamics(Mat matrix, const Projection& projection, double penalty) {
  const Vec like = projection.weights();
  PetscInt local = 0;
  PetscInt size = 0;
  check(VecGetLocalSize(like, &local));
  check(VecGetSize(like, &size));
  auto context = std::make_unique<Context>(
      Context{matrix, projection, penalty, base::duplicate(like), base::duplicate(like)});
  base::UniqueMat shell;
  check(MatCreateShell(PetscObjectComm(reinterpret_cast<PetscObject>(matrix)), local, local, size,
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
