/// Ownership of PETSc and SLEPc objects, checked calls, scoped array access.
///
/// The owners stay thin: `get()` hands out the raw handle for the whole PETSc interface.
#pragma once

#include <exception>
#include <span>
#include <utility>

#include <petscksp.h>
#include <slepceps.h>

namespace komori::base {

namespace detail {
[[noreturn]] void raise(PetscErrorCode code, const char* file, int line);
void keep(std::exception_ptr error) noexcept;
bool finalized() noexcept;
} // namespace detail

/// Throws `PetscError` with PETSc's own first message unless `code` is 0. Local.
inline void check(PetscErrorCode code, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  if (PetscUnlikely(code != 0)) detail::raise(code, file, line);
}

/// Runs the body of a callback that PETSc calls from C: an exception must not cross C frames, so
/// it is kept, an error code returned, and `check()` of the outer call throws it again.
template <class Body> PetscErrorCode guarded(Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    return 0;
  } catch (...) {
    detail::keep(std::current_exception());
    return PETSC_ERR_USER;
  }
}

/// Unique owner of one reference to a PETSc object.
template <class T, PetscErrorCode (*Destroy)(T*)> class Handle {
public:
  Handle() = default;
  /// Takes over a reference that the caller owns.
  static Handle adopt(T raw) noexcept {
    Handle handle;
    handle.raw_ = raw;
    return handle;
  }
  /// Adds a reference to an object that somebody else owns.
  static Handle share(T raw) {
    check(PetscObjectReference(reinterpret_cast<PetscObject>(raw)));
    return adopt(raw);
  }
  Handle(const Handle&) = delete;
  Handle(Handle&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Handle& operator=(const Handle&) = delete;
  Handle& operator=(Handle&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Handle() { reset(); }

  T get() const noexcept { return raw_; }
  /// Where a creating call writes: `check(MatCreate(comm, A.put()))`.
  T* put() noexcept {
    reset();
    return &raw_;
  }
  explicit operator bool() const noexcept { return raw_ != nullptr; }

private:
  void reset() noexcept {
    if (raw_ && !detail::finalized()) (void)Destroy(&raw_);
    raw_ = nullptr;
  }
  T raw_ = nullptr;
};

using UniqueMat = Handle<Mat, MatDestroy>;
using UniqueVec = Handle<Vec, VecDestroy>;
using UniqueIs = Handle<IS, ISDestroy>;
using UniqueScatter = Handle<VecScatter, VecScatterDestroy>;
using UniqueKsp = Handle<KSP, KSPDestroy>;
using UniqueEps = Handle<EPS, EPSDestroy>;
using UniqueNullSpace = Handle<MatNullSpace, MatNullSpaceDestroy>;

/// The local entries of a Vec for reading, restored when the object goes.
class ReadArray {
public:
  explicit ReadArray(Vec vec);
  ReadArray(const ReadArray&) = delete;
  ReadArray& operator=(const ReadArray&) = delete;
  ~ReadArray();
  std::span<const PetscScalar> span() const noexcept { return {data_, size_}; }
  PetscScalar operator[](std::size_t i) const noexcept { return data_[i]; }
  std::size_t size() const noexcept { return size_; }

private:
  Vec vec_;
  const PetscScalar* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The local entries of a Vec for reading and writing, restored when the object goes.
class WriteArray {
public:
  explicit WriteArray(Vec vec);
  WriteArray(const WriteArray&) = delete;
  WriteArray& operator=(const WriteArray&) = delete;
  ~WriteArray();
  std::span<PetscScalar> span() const noexcept { return {data_, size_}; }
  PetscScalar& operator[](std::size_t i) const noexcept { return data_[i]; }
  std::size_t size() const noexcept { return size_; }

private:
  Vec vec_;
  PetscScalar* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A new Vec of the same layout and type. Collective.
UniqueVec duplicate(Vec like);
/// Global dot product, sum and 2-norm. Collective.
PetscReal dot(Vec a, Vec b);
PetscReal sum(Vec a);
PetscReal norm2(Vec a);

} // namespace komori::base
