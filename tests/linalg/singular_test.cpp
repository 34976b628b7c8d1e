#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <stdexcept>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/session.hpp"
#include "linalg/shell.hpp"
#include "linalg/singular.hpp"
#include "mpi_main.hpp"

namespace komori::linalg {
namespace {

using base::check;

base::UniqueVec vector_of(PetscInt size) {
  base::UniqueVec vec;
  check(VecCreateMPI(PETSC_COMM_WORLD, PETSC_DECIDE, size, vec.put()));
  return vec;
}

/// A = U S V^T with s_i = 1 / (1 + i / 8), each value twice, where U and V are cosines (orthonormal
/// columns of the discrete transform of the first kind that has half steps).
class Cosines {
public:
  Cosines(PetscInt rows, PetscInt columns)
      : range_(vector_of(rows)), domain_(vector_of(columns)), rank_(std::min(rows, columns)),
        left_(table(range_.get())), right_(table(domain_.get())) {}
  base::UniqueMat matrix() {
    return shell(
        range_.get(), domain_.get(), [this](Vec x, Vec y) { multiply(x, right_, left_, y); },
        [this](Vec x, Vec y) { multiply(x, left_, right_, y); });
  }
  static double value(PetscInt i) { return 1 / (1 + static_cast<double>(i / 2) / 8); }

private:
  /// Functions at this rank's rows, [row][function].
  std::vector<double> table(Vec like) const {
    PetscInt size = 0;
    PetscInt begin = 0;
    PetscInt end = 0;
    check(VecGetSize(like, &size));
    check(VecGetOwnershipRange(like, &begin, &end));
    const double n = size;
    std::vector<double> values;
    for (PetscInt i = begin; i < end; ++i) {
      for (PetscInt k = 0; k < rank_; ++k) {
        values.push_back(std::sqrt((k == 0 ? 1 : 2) / n) *
                         std::cos(std::numbers::pi * k * (i + 0.5) / n));
      }
    }
    return values;
  }
  void multiply(Vec x, const std::vector<double>& from, const std::vector<double>& to,
                Vec y) const {
    const auto rank = static_cast<std::size_t>(rank_);
    std::vector<double> sums(rank, 0.0);
    const base::ReadArray given(x);
    for (std::size_t i = 0; i < given.size(); ++i) {
      for (std::size_t k = 0; k < rank; ++k) sums[k] += from[i * rank + k] * given[i];
    }
    MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(rank_), MPI_DOUBLE, MPI_SUM,
                  PETSC_COMM_WORLD);
    for (std::size_t k = 0; k < rank; ++k) sums[k] *= value(static_cast<PetscInt>(k));
    const base::WriteArray values(y);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = 0;
      for (std::size_t k = 0; k < rank; ++k) values[i] += to[i * rank + k] * sums[k];
    }
  }

  base::UniqueVec range_;
  base::UniqueVec domain_;
  PetscInt rank_;
  std::vector<double> left_;
  std::vector<double> right_;
};

/// A copy of a state that outlives its solver.
struct Kept {
  std::vector<double> numbers;
  std::vector<base::UniqueVec> vectors;
  explicit Kept(const SolverState& state) : numbers(state.numbers) {
    for (Vec vec : state.vectors) {
      vectors.push_back(base::duplicate(vec));
      check(VecCopy(vec, vectors.back().get()));
    }
  }
  SolverState view() const {
    SolverState state{.numbers = numbers, .vectors = {}};
    for (const auto& vec : vectors) state.vectors.push_back(vec.get());
    return state;
  }
};

struct Paused : std::runtime_error {
  Paused() : std::runtime_error("paused") {}
};

void expect_values(const SingularTriplets& found, PetscInt triplets) {
  ASSERT_EQ(found.values.size(), static_cast<std::size_t>(triplets));
  for (PetscInt i = 0; i < triplets; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_NEAR(found.values[at], Cosines::value(i), 1e-10) << i;
    EXPECT_LT(found.residuals[at], 1e-9) << i;
  }
}

class Shapes : public ::testing::TestWithParam<std::pair<PetscInt, PetscInt>> {};

TEST_P(Shapes, TheSearchGoesOnWhereItWasStopped) {
  const auto [rows, columns] = GetParam();
  Cosines cosines(rows, columns);
  const base::UniqueMat matrix = cosines.matrix();
  base::Log& log = test_session().log();
  constexpr PetscInt triplets = 7;
  SingularRequest request{.triplets = triplets, .prefix = "singular_test_"};
  const SingularTriplets whole = largest_singular(matrix.get(), request, log);
  expect_values(whole, triplets);
  // A few runs end at their second step, the last one goes on to the end.
  constexpr int stops = 3;
  std::unique_ptr<Kept> kept;
  SingularTriplets found;
  int steps = 0;
  for (int run = 0; run <= stops; ++run) {
    const SolverState from = kept ? kept->view() : SolverState{};
    request.continuation.from = kept ? &from : nullptr;
    std::unique_ptr<Kept> next;
    steps = 0;
    request.continuation.step = [&](const std::function<SolverState()>& state) {
      if (++steps < 2 || run == stops) return;
      const SolverState now = state();
      // The order that is promised, so that states can be laid out before anything is read.
      for (std::size_t i = 0; i < now.vectors.size(); ++i) {
        PetscInt size = 0;
        check(VecGetSize(now.vectors[i], &size));
        const bool last = now.vectors.size() % 2 == 1 && i + 1 == now.vectors.size();
        EXPECT_EQ(size, i % 2 == 1 || last ? std::min(rows, columns) : std::max(rows, columns));
      }
      next = std::make_unique<Kept>(now);
      throw Paused();
    };
    if (run == stops) {
      found = largest_singular(matrix.get(), request, log);
      continue;
    }
    EXPECT_THROW(largest_singular(matrix.get(), request, log), Paused);
    ASSERT_NE(next, nullptr);
    kept = std::move(next);
  }
  EXPECT_GT(found.iterations, steps); // those of the runs before count
  expect_values(found, triplets);
}

INSTANTIATE_TEST_SUITE_P(TallSquareAndWide, Shapes,
                         ::testing::Values(std::pair<PetscInt, PetscInt>{300, 180},
                                           std::pair<PetscInt, PetscInt>{200, 200},
                                           std::pair<PetscInt, PetscInt>{180, 300}));

} // namespace
} // namespace komori::linalg
