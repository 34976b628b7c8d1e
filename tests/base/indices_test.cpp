#include "base/indices.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/petsc.hpp"
#include "mpi_main.hpp"
#include "numbers.hpp"

namespace komori::base {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr double most = static_cast<double>(std::numeric_limits<PetscInt>::max());

TEST(Indices, number_up_to_the_largest_of_their_type) {
  EXPECT_NO_THROW(require_countable(most, "the grid has", "cells", "fewer cells"));
  const std::string message = support::message_of(
      [] { require_countable(1e20, "the grid has", "cells", "fewer cells"); }, ExitCode::memory);
  EXPECT_THAT(message, AllOf(HasSubstr("the grid has 1e+20 cells, more than this build's "),
                             HasSubstr("use fewer cells, or a komori built with 64-bit indices"),
                             HasSubstr("KOMORI_INDEX64")));
}

TEST(Indices, what_petsc_cannot_number_names_the_build_that_can) {
  // A vector of three times 2^30 entries for each rank: nothing of it is allocated before it fails.
  const auto make = [] {
    UniqueVec vec;
    check(VecCreate(test_session().comm(), vec.put()));
    PetscInt own = 0;
    check(PetscIntCast(PetscInt64{3} << 30, &own));
    check(VecSetSizes(vec.get(), own, PETSC_DECIDE));
  };
  if (sizeof(PetscInt) == 8) {
    EXPECT_NO_THROW(make());
    return;
  }
  EXPECT_THAT(support::message_of(make, ExitCode::memory),
              AllOf(HasSubstr("too large for this build's 32-bit indices"),
                    HasSubstr("KOMORI_INDEX64"), HasSubstr("too big for PetscInt")));
}

} // namespace
} // namespace komori::base
