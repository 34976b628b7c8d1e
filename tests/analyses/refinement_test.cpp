/// Start vectors from coarser grids.
#include "analyses/refinement.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "spectra.hpp"

namespace komori::analyses {
namespace {

using base::check;
using support::axis;
using support::Case;
using support::near;
using Vectors = std::vector<base::UniqueVec>;

/// The double well with a coupled spring, on cells of one kind.
Case well(PetscInt cells) {
  return Case({.potential = "(x^2-1)^2 + y^2 + x*y/2", .diffusion = {"0.5"}},
              {axis("x", -2.5, 2.5, cells), axis("y", -3, 3, cells)});
}

/// Orthonormal eigenvectors h = u sqrt(w) of the symmetrised generator.
Vectors eigenvectors(Case& c, std::int64_t pairs) {
  Vectors vectors = spectrum_of(c, pairs, "right", "direct").right;
  for (base::UniqueVec& vector : vectors) {
    check(VecPointwiseMult(vector.get(), vector.get(), c->root_of_masses()));
    check(VecNormalize(vector.get(), nullptr));
  }
  return vectors;
}

/// The largest distance of the first `count` vectors, of norm 1, from the space of `exact`.
double distance(const Vectors& vectors, std::size_t count, const Vectors& exact) {
  double largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Vec vec = vectors[i].get();
    check(VecNormalize(vec, nullptr));
    for (const base::UniqueVec& other : exact) {
      check(VecAXPY(vec, -base::dot(other.get(), vec), other.get()));
    }
    PetscReal norm = 0;
    check(VecNorm(vec, NORM_2, &norm));
    largest = std::max(largest, norm);
  }
  return largest;
}

TEST(Refinement, is_of_second_order_and_of_fourth_where_it_extrapolates) {
  constexpr std::int64_t pairs = 4;
  struct Errors {
    double plain;
    double extrapolated;
  };
  const auto errors = [&](PetscInt cells) {
    Case coarsest = well(cells / 4);
    Case coarse = well(cells / 2);
    Case fine = well(cells);
    // More on the coarser grids, so that no order of the values matters.
    const Vectors carried =
        refined(coarsest.problem(), coarse.problem(), eigenvectors(coarsest, pairs));
    Vectors vectors = eigenvectors(coarse, pairs);
    const Vectors exact = eigenvectors(fine, pairs);
    const double plain = distance(refined(coarse.problem(), fine.problem(), vectors), pairs, exact);
    extrapolate(carried, vectors);
    return Errors{plain,
                  distance(refined(coarse.problem(), fine.problem(), vectors), pairs, exact)};
  };
  const Errors first = errors(64);
  const Errors second = errors(128);
  EXPECT_TRUE(near(support::order(first.plain, second.plain), 2, {0.2, 0}));
  EXPECT_TRUE(near(support::order(first.extrapolated, second.extrapolated), 4, {0.5, 0}));
  EXPECT_LE(second.extrapolated, 0.1 * second.plain);
}

TEST(Refinement, leaves_vectors_that_the_coarser_grid_does_not_know) {
  Case c = well(16);
  Vectors vectors = eigenvectors(c, 3);
  Vectors known;
  known.push_back(std::move(vectors.back()));
  vectors.pop_back();
  const base::UniqueVec before = base::duplicate(vectors.back().get());
  check(VecCopy(vectors.back().get(), before.get()));
  extrapolate(known, vectors);
  PetscBool same = PETSC_FALSE;
  check(VecEqual(before.get(), vectors.back().get(), &same));
  EXPECT_TRUE(same);
}

} // namespace
} // namespace komori::analyses
