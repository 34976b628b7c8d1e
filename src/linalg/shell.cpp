#include "linalg/shell.hpp"

#include <memory>

namespace komori::linalg {
namespace {

using base::check;

struct Products {
  Product product;
  Product transposed;
};

const Products& products_of(Mat matrix) {
  void* context = nullptr;
  check(MatShellGetContext(matrix, &context));
  return *static_cast<const Products*>(context);
}

PetscErrorCode multiply(Mat matrix, Vec x, Vec y) {
  return base::guarded([&] { products_of(matrix).product(x, y); });
}
PetscErrorCode multiply_transposed(Mat matrix, Vec x, Vec y) {
  return base::guarded([&] { products_of(matrix).transposed(x, y); });
}
PetscErrorCode destroy(Mat matrix) {
  return base::guarded([&] { delete &products_of(matrix); });
}

} // namespace

base::UniqueMat shell(Vec range, Vec domain, Product product, Product transposed) {
  PetscInt local_rows = 0;
  PetscInt local_columns = 0;
  PetscInt rows = 0;
  PetscInt columns = 0;
  VecType type = nullptr;
  check(VecGetLocalSize(range, &local_rows));
  check(VecGetLocalSize(domain, &local_columns));
  check(VecGetSize(range, &rows));
  check(VecGetSize(domain, &columns));
  check(VecGetType(domain, &type));
  auto products = std::make_unique<Products>(Products{std::move(product), std::move(transposed)});
  base::UniqueMat matrix;
  check(MatCreateShell(PetscObjectComm(reinterpret_cast<PetscObject>(domain)), local_rows,
                       local_columns, rows, columns, products.get(), matrix.put()));
  // PETSc stores functions of any signature as void(*)(void).
  using Operation = void (*)();
  check(MatShellSetOperation(matrix.get(), MATOP_MULT, reinterpret_cast<Operation>(multiply)));
  check(MatShellSetOperation(matrix.get(), MATOP_MULT_TRANSPOSE,
                             reinterpret_cast<Operation>(multiply_transposed)));
  check(MatShellSetOperation(matrix.get(), MATOP_DESTROY, reinterpret_cast<Operation>(destroy)));
  static_cast<void>(products.release()); // the matrix owns it now
  check(MatShellSetVecType(matrix.get(), type));
  return matrix;
}

} // namespace komori::linalg
