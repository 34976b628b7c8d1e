#include "base/petsc.hpp"

#include <cmath>
#include <stdexcept>
#include <type_traits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "mpi_main.hpp"

namespace komori::base {
namespace {

using testing::HasSubstr;

static_assert(!std::is_copy_constructible_v<UniqueVec>);
static_assert(!std::is_copy_assignable_v<UniqueVec>);
static_assert(std::is_nothrow_move_constructible_v<UniqueVec>);
static_assert(std::is_nothrow_move_assignable_v<UniqueVec>);

UniqueVec new_vector(PetscInt size = 8) {
  UniqueVec vec;
  check(VecCreate(test_session().comm(), vec.put()));
  check(VecSetSizes(vec.get(), PETSC_DECIDE, size));
  check(VecSetFromOptions(vec.get()));
  return vec;
}

PetscInt references(Vec vec) {
  PetscInt count = 0;
  check(PetscObjectGetReference(reinterpret_cast<PetscObject>(vec), &count));
  return count;
}

TEST(Handle, owns_one_reference) {
  const UniqueVec vec = new_vector();

  EXPECT_TRUE(vec);
  EXPECT_EQ(references(vec.get()), 1);
}

TEST(Handle, sharing_adds_a_reference_and_gives_it_back) {
  const UniqueVec vec = new_vector();
  {
    const UniqueVec other = UniqueVec::share(vec.get());
    EXPECT_EQ(other.get(), vec.get());
    EXPECT_EQ(references(vec.get()), 2);
  }
  EXPECT_EQ(references(vec.get()), 1);
}

TEST(Handle, adopting_takes_over_the_callers_reference) {
  const UniqueVec vec = new_vector();
  check(PetscObjectReference(reinterpret_cast<PetscObject>(vec.get())));
  { const UniqueVec other = UniqueVec::adopt(vec.get()); }
  EXPECT_EQ(references(vec.get()), 1);
}

TEST(Handle, moving_leaves_the_source_empty) {
  UniqueVec source = new_vector();
  const Vec raw = source.get();

  const UniqueVec target(std::move(source));

  EXPECT_FALSE(source); // NOLINT(bugprone-use-after-move): that it is empty is the point
  EXPECT_EQ(target.get(), raw);
  EXPECT_EQ(references(raw), 1);
}

TEST(Handle, move_assignment_keeps_both_objects_owned) {
  UniqueVec a = new_vector();
  UniqueVec b = new_vector();
  const UniqueVec watch = UniqueVec::share(a.get());
  const Vec raw_b = b.get();

  a = std::move(b);
  EXPECT_EQ(a.get(), raw_b);
  b = UniqueVec(); // drops what `a` held before, if the assignment swapped

  EXPECT_EQ(references(watch.get()), 1);
}

TEST(Handle, put_releases_what_was_held) {
  UniqueVec vec = new_vector();
  const UniqueVec watch = UniqueVec::share(vec.get());

  check(VecCreate(test_session().comm(), vec.put()));

  EXPECT_EQ(references(watch.get()), 1);
  EXPECT_NE(vec.get(), watch.get());
}

/// A product of an 8 x 8 matrix with a vector of 12.
PetscErrorCode product_of_wrong_sizes() {
  const UniqueVec x = new_vector(12);
  const UniqueVec y = new_vector(8);
  UniqueMat matrix;
  check(MatCreateShell(test_session().comm(), PETSC_DECIDE, PETSC_DECIDE, 8, 8, nullptr,
                       matrix.put()));
  return MatMult(matrix.get(), x.get(), y.get());
}

TEST(Check, carries_petscs_own_text_and_the_place) {
  try {
    check(product_of_wrong_sizes());
    FAIL() << "the sizes do not fit";
  } catch (const PetscError& error) {
    EXPECT_EQ(error.code(), PETSC_ERR_ARG_SIZ);
    EXPECT_THAT(error.what(), HasSubstr("petsc_test.cpp:"));
    EXPECT_THAT(error.what(), HasSubstr("Nonconforming object sizes"));
    EXPECT_THAT(error.what(), HasSubstr("in MatMult"));
    EXPECT_THAT(error.what(), HasSubstr("global dim 8 12"));
  }
}

TEST(Check, a_later_failure_does_not_repeat_the_earlier_text) {
  EXPECT_THROW(check(product_of_wrong_sizes()), PetscError);
  const UniqueVec vec = new_vector();
  try {
    check(VecSetType(vec.get(), "no such type"));
    FAIL() << "an unknown type was accepted";
  } catch (const PetscError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no such type"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("global dim")));
  }
}

PetscErrorCode multiply_badly(Mat, Vec, Vec) {
  return guarded([] { throw InputError("the callback says no"); });
}

TEST(Guarded, an_exception_crosses_petsc_whole) {
  const UniqueVec x = new_vector(8);
  const UniqueVec y = new_vector(8);
  PetscInt local = 0;
  check(VecGetLocalSize(x.get(), &local));
  UniqueMat shell;
  check(MatCreateShell(test_session().comm(), local, local, 8, 8, nullptr, shell.put()));
  check(
      MatShellSetOperation(shell.get(), MATOP_MULT, reinterpret_cast<void (*)()>(multiply_badly)));
  try {
    check(MatMult(shell.get(), x.get(), y.get()));
    FAIL() << "the exception was lost";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "the callback says no");
  }
  (void)take_petsc_message(PETSC_ERR_USER); // what PETSc said on the way, so that no test sees it
}

TEST(Guarded, success_is_zero) {
  EXPECT_EQ(guarded([] {}), 0);
}

TEST(Arrays, show_the_local_part) {
  const UniqueVec vec = new_vector(10);
  PetscInt local = 0;
  check(VecGetLocalSize(vec.get(), &local));
  {
    const WriteArray values(vec.get());
    ASSERT_EQ(values.size(), static_cast<std::size_t>(local));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 2;
  }
  EXPECT_EQ(ReadArray(vec.get()).size(), static_cast<std::size_t>(local));
  EXPECT_EQ(sum(vec.get()), 20);
  EXPECT_EQ(dot(vec.get(), vec.get()), 40);
  EXPECT_NEAR(norm2(vec.get()), std::sqrt(40.0), 1e-15 * 8); // one rounding of the root
}

TEST(Arrays, are_given_back_when_an_exception_passes) {
  const UniqueVec vec = new_vector(10);
  try {
    const WriteArray values(vec.get());
    throw std::runtime_error("on the way");
  } catch (const std::runtime_error&) {
  }
  check(VecSet(vec.get(), 1)); // refused by PETSc while an array is out
  EXPECT_EQ(sum(vec.get()), 10);
}

} // namespace
} // namespace komori::base
