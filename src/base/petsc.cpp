#include "base/petsc.hpp"

#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/indices.hpp"
#include "base/session.hpp"

namespace komori::base {
namespace {

std::exception_ptr& kept_error() {
  static std::exception_ptr kept;
  return kept;
}

} // namespace

namespace detail {

void raise(PetscErrorCode code, const char* file, int line) {
  if (std::exception_ptr kept = std::exchange(kept_error(), nullptr)) std::rethrow_exception(kept);
  const std::string message = fmt::format("{}:{}: {}", file, line, take_petsc_message(code));
  // What PETSc says wherever a size, a sum or a product of indices does not fit its integers.
  if (sizeof(PetscInt) < 8 && message.find("64-bit-indices") != std::string::npos) {
    throw MemoryError(fmt::format("the problem is too large for {}: use fewer cells, or {} ({})",
                                  own_indices(), wider_indices(), message));
  }
  throw PetscError(code, message);
}

void keep(std::exception_ptr error) noexcept {
  if (!kept_error()) kept_error() = std::move(error);
}

bool finalized() noexcept {
  PetscBool done = PETSC_FALSE;
  return PetscFinalized(&done) != 0 || done;
}

} // namespace detail

ReadArray::ReadArray(Vec vec) : vec_(vec) {
  PetscInt size = 0;
  check(VecGetLocalSize(vec, &size));
  check(VecGetArrayRead(vec, &data_));
  size_ = static_cast<std::size_t>(size);
}

ReadArray::~ReadArray() {
  (void)VecRestoreArrayRead(vec_, &data_);
}

WriteArray::WriteArray(Vec vec) : vec_(vec) {
  PetscInt size = 0;
  check(VecGetLocalSize(vec, &size));
  check(VecGetArray(vec, &data_));
  size_ = static_cast<std::size_t>(size);
}

WriteArray::~WriteArray() {
  (void)VecRestoreArray(vec_, &data_);
}

UniqueVec duplicate(Vec like) {
  UniqueVec copy;
  check(VecDuplicate(like, copy.put()));
  return copy;
}

PetscReal dot(Vec a, Vec b) {
  PetscScalar value = 0;
  check(VecDot(a, b, &value));
  return value;
}

PetscReal sum(Vec a) {
  PetscScalar value = 0;
  check(VecSum(a, &value));
  return value;
}

PetscReal norm2(Vec a) {
  PetscReal value = 0;
  check(VecNorm(a, NORM_2, &value));
  return value;
}

} // namespace komori::base
